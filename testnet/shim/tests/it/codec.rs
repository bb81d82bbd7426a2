//! The trace's encoding.

use proptest::prelude::*;

use crate::trace::Event;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn event() -> impl Strategy<Value = Event> {
    let numbers = || (any::<u64>(), any::<u64>());
    prop_oneof![
        (any::<u64>(), bytes(), any::<bool>()).prop_map(|(handle, path, truncate)| Event::Open {
            handle,
            path,
            truncate
        }),
        (numbers(), bytes()).prop_map(|((handle, offset), data)| Event::Write {
            handle,
            offset,
            data
        }),
        numbers().prop_map(|(handle, length)| Event::Resize { handle, length }),
        numbers().prop_map(|(handle, length)| Event::Extend { handle, length }),
        any::<u64>().prop_map(|handle| Event::Sync { handle }),
        (bytes(), bytes()).prop_map(|(from, to)| Event::Rename { from, to }),
        (bytes(), bytes()).prop_map(|(from, to)| Event::Link { from, to }),
        bytes().prop_map(|path| Event::Unlink { path }),
        bytes().prop_map(|path| Event::MakeDir { path }),
        bytes().prop_map(|data| Event::Ack { data }),
    ]
}

proptest! {
    #[test]
    fn a_trace_reads_back_and_a_cut_one_up_to_the_cut(
        events in prop::collection::vec(event(), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut written = Vec::new();
        events.iter().for_each(|event| event.encode(&mut written));
        let read = |mut rest: &[u8]| -> Vec<Event> {
            std::iter::from_fn(|| Event::decode(&mut rest)).collect()
        };
        prop_assert_eq!(&read(&written), &events);
        let part = read(&written[..cut.index(written.len() + 1)]);
        prop_assert_eq!(&part[..], &events[..part.len()]);
    }
}
