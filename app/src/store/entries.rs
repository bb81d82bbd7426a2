//! Entries of the tables before they are written.

use mooring_rocks::{Error, TableFile};

/// Bytes that are asked of the allocator at once. Larger blocks it would give back to the system
/// as soon as they are free, and the next flush would have them cleared again.
const PART: usize = 1 << 20;

/// What keys of one table, or of several that follow each other, are to be: a value each, or gone.
/// Of entries with one key, which is never empty, the last counts.
///
/// All bytes are in a few large blocks: a flush has a hundred thousand entries.
#[derive(Debug, Default)]
pub(super) struct Entries {
    parts: Vec<Vec<u8>>,
    spans: Vec<Span>,
}

/// Where an entry is: key, then value.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// Bytes of the key that mostly tell it from another.
    prefix: u64,
    part: u32,
    start: u32,
    key: u32,
    value: Option<u32>,
}

impl Entries {
    /// `key` is to have `value`.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.push(key, Some(value));
    }

    /// `key` is to go.
    pub(super) fn remove(&mut self, key: &[u8]) {
        self.push(key, None);
    }

    /// `key` is to have `value`, or to go where there is none.
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        let length = key.len() + value.map_or(0, <[u8]>::len);
        let has_room = |part: &Vec<u8>| part.capacity() - part.len() >= length;
        if !self.parts.last().is_some_and(has_room) {
            self.parts.push(Vec::with_capacity(PART.max(length)));
        }
        let number = index(self.parts.len() - 1);
        let Some(part) = self.parts.last_mut() else { return };
        self.spans.push(Span {
            prefix: prefix(key),
            part: number,
            start: index(part.len()),
            key: index(key.len()),
            value: value.map(|value| index(value.len())),
        });
        part.extend_from_slice(key);
        part.extend_from_slice(value.unwrap_or_default());
    }

    /// Writes them in order of their keys.
    ///
    /// # Errors
    /// The disk fails or is full.
    pub(super) fn write(mut self, file: &mut TableFile<'_>) -> Result<(), Error> {
        self.in_order().try_for_each(|(key, value)| match value {
            Some(value) => file.put(key, value),
            None => file.delete(key),
        })
    }

    /// The last entry of each key, in order of the keys.
    fn in_order(&mut self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut spans = core::mem::take(&mut self.spans);
        self.sort(&mut spans);
        let mut spans = spans.into_iter().peekable();
        let all: &Self = self;
        core::iter::from_fn(move || {
            let mut last = spans.next()?;
            while let Some(next) = spans.next_if(|next| all.key(*next) == all.key(last)) {
                last = next;
            }
            Some((all.key(last), all.value(last)))
        })
    }

    /// Sorts by key, then by age. The bytes are far apart, so few are looked at.
    fn sort(&self, spans: &mut [Span]) {
        spans.sort_unstable_by_key(|span| span.prefix);
        for run in spans.chunk_by_mut(|a, b| a.prefix == b.prefix) {
            // Words of one account: what differs comes behind the account.
            let shared = self.shared(run);
            run.iter_mut().for_each(|span| span.prefix = prefix(&self.key(*span)[shared..]));
            run.sort_unstable_by(|a, b| {
                let by_key = a.prefix.cmp(&b.prefix).then_with(|| self.key(*a).cmp(self.key(*b)));
                by_key.then_with(|| (a.part, a.start).cmp(&(b.part, b.start)))
            });
        }
    }

    /// How many bytes all these keys begin with.
    fn shared(&self, spans: &[Span]) -> usize {
        let Some((first, others)) = spans.split_first() else { return 0 };
        let first = self.key(*first);
        others.iter().fold(first.len(), |shared, span| {
            let both = first[..shared].iter().zip(self.key(*span));
            both.take_while(|(a, b)| a == b).count()
        })
    }

    fn key(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        &self.parts[span.part as usize][start..start + span.key as usize]
    }

    fn value(&self, span: Span) -> Option<&[u8]> {
        let start = span.start as usize + span.key as usize;
        Some(&self.parts[span.part as usize][start..start + span.value? as usize])
    }
}

/// Orders as the keys do: shorter ones are as if zeros followed.
fn prefix(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = key.len().min(bytes.len());
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(bytes)
}

fn index(number: usize) -> u32 {
    u32::try_from(number).expect("no entry has 4 GiB")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_last_entry_of_each_key_counts_in_order_of_the_keys(
            all in prop::collection::vec((key(), prop::option::of(value())), 0..200)
        ) {
            let mut entries = Entries::default();
            for (key, value) in &all {
                entries.push(key, value.as_deref());
            }
            let found: Vec<_> = entries.in_order().map(|(k, v)| (k.to_vec(), v.map(Vec::from))).collect();
            let expected: BTreeMap<_, _> = all.into_iter().collect();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }

    /// Often the same, often the beginning of another, and often longer than a prefix.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0_u8..2, 1..12)
    }

    /// Now and then more than what is left of a part.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            20 => prop::collection::vec(any::<u8>(), 0..8),
            1 => (0..PART + 2).prop_map(|length| vec![7; length]),
        ]
    }
}
