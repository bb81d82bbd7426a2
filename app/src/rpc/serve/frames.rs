//! Where the requests of a connection begin and how long they are, found while their bytes pass:
//! a WebSocket message is given its memory as a whole once its head is read, so that a head must
//! not pass before there is room for what it announces.

use super::room::SMALL_REQUEST;

/// What a head of HTTP ends with.
const HEAD_END: &[u8; 4] = b"\r\n\r\n";

/// How many bytes may pass, and what must be had before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    pub(super) bytes: usize,
    /// Room for a message that is so long.
    pub(super) room: Option<usize>,
}

/// The bytes of HTTP: none pass together with what comes after a head, which may be WebSocket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heads {
    /// How much of an end was seen last.
    matched: usize,
}

impl Heads {
    /// How many of `bytes` may pass: up to the end of a head, or what may be one.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            self.matched = match HEAD_END.get(self.matched) {
                Some(expected) if expected == byte => self.matched.saturating_add(1),
                Some(_) | None => usize::from(*byte == b'\r'),
            };
            if self.matched == HEAD_END.len() {
                self.matched = 0;
                return at.saturating_add(1);
            }
        }
        bytes.len()
    }
}

/// The frames of a WebSocket (RFC 6455, section 5.2).
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    head: Vec<u8>,
    /// Bytes left of the frame's payload.
    payload: u64,
    /// Bytes of the frames so far of a message in several.
    message: u64,
    /// The room that the message has.
    room: usize,
}

impl Frames {
    /// The message that is arriving has room for so many bytes; before, it had room for so many
    /// as are returned.
    pub(super) const fn has_room(&mut self, bytes: usize) -> usize {
        std::mem::replace(&mut self.room, bytes)
    }

    /// How many of `bytes` may pass, and the room that is needed for more. A message of more than
    /// `most` bytes needs none: it is refused by its head.
    pub(super) fn pass(&mut self, bytes: &[u8], most: usize) -> Pass {
        let mut passed: usize = 0;
        while let Some(byte) = bytes.get(passed) {
            if self.payload > 0 {
                let left = bytes.len().saturating_sub(passed);
                let part = usize::try_from(self.payload).unwrap_or(usize::MAX).min(left);
                self.payload = self.payload.saturating_sub(part as u64);
                passed = passed.saturating_add(part);
                continue;
            }
            self.head.push(*byte);
            if let Some(head) = Head::read(&self.head) {
                let length = if head.is_control { 0 } else { head.payload };
                let message = self.message.saturating_add(length);
                let needed = usize::try_from(message).unwrap_or(usize::MAX);
                if needed > SMALL_REQUEST.max(self.room) && needed <= most {
                    // The byte that ends the head waits, and is seen again.
                    self.head.pop();
                    // A message in many frames asks a few times, not for each of them.
                    let room = needed.max(self.room.saturating_mul(2)).min(most);
                    return Pass { bytes: passed, room: Some(room) };
                }
                self.begin(head, message);
            }
            passed = passed.saturating_add(1);
        }
        Pass { bytes: passed, room: None }
    }

    fn begin(&mut self, head: Head, message: u64) {
        self.head.clear();
        self.payload = head.payload;
        if head.is_control {
            return;
        }
        if head.is_last {
            (self.message, self.room) = (0, 0);
        } else {
            self.message = message;
        }
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
struct Head {
    is_last: bool,
    is_control: bool,
    payload: u64,
}

impl Head {
    /// A whole one; `None` while bytes of it are missing.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (first, second) = (bytes.first()?, bytes.get(1)?);
        let length = second & 0x7f;
        let (wide, payload) = match length {
            126 => (2, bytes.get(2..4)?),
            127 => (8, bytes.get(2..10)?),
            _ => (0, [].as_slice()),
        };
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        if bytes.len() < 2 + wide + mask {
            return None;
        }
        let long = payload.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        let payload = if wide == 0 { u64::from(length) } else { long };
        Some(Self { is_last: first & 0x80 != 0, is_control: first & 0x08 != 0, payload })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 1 << 20;

    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        if let Ok(short @ 0..126) = u8::try_from(payload) {
            bytes.push(0x80 | short);
        } else if let Ok(length) = u16::try_from(payload) {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        } else {
            bytes.push(0x80 | 127);
            bytes.extend((payload as u64).to_be_bytes());
        }
        bytes.extend([0; 4]);
        bytes.resize(bytes.len() + payload, 0xff);
        bytes
    }

    #[test]
    fn the_end_of_a_head_is_the_end_of_what_passes() {
        let mut heads = Heads::default();
        assert_eq!(heads.pass(b"GET / HTTP/1.1\r\nhost: x\r"), 24);
        assert_eq!(heads.pass(b"\n\r\n\x81\x00"), 3);
        assert_eq!(heads.pass(b"\r\r\n\r\nx"), 5);
        assert_eq!(heads.pass(b"\r\nx\r\n"), 5);
    }

    #[test]
    fn a_head_waits_for_room_for_its_message() {
        let mut frames = Frames::default();
        let bytes = frame(0x81, 100_000);
        let head = bytes.len() - 100_000;
        for _ in 0..2 {
            let pass = frames.pass(&bytes, MOST);
            assert_eq!(pass, Pass { bytes: head - 1, room: Some(100_000) });
            assert_eq!(frames.pass(&bytes[head - 1..], MOST).bytes, 0, "it waits on");
            frames.has_room(100_000);
            let rest = frames.pass(&bytes[head - 1..], MOST);
            assert_eq!(rest, Pass { bytes: bytes.len() - head + 1, room: None });
        }
        let refused = frame(0x81, MOST + 1);
        assert_eq!(frames.pass(&refused, MOST).room, None);
    }

    #[test]
    fn frames_of_a_message_need_room_together_and_pings_need_none() {
        let mut frames = Frames::default();
        let small = SMALL_REQUEST;
        assert_eq!(frames.pass(&frame(0x01, small), MOST).room, None);
        assert_eq!(frames.pass(&frame(0x89, 125), MOST).room, None);
        let next = frame(0x00, 10);
        assert_eq!(frames.pass(&next, MOST).room, Some(small + 10));
        frames.has_room(small + 10);
        assert_eq!(frames.pass(&next[next.len() - 11..], MOST).room, None);
        assert_eq!(frames.pass(&frame(0x80, small), MOST).room, Some(2 * small + 20));
    }

    #[test]
    fn a_message_in_many_frames_asks_for_room_a_few_times() {
        let (mut frames, mut asked) = (Frames::default(), Vec::new());
        let bytes = frame(0x00, 1_000).repeat(1_000);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let pass = frames.pass(rest, MOST);
            if let Some(room) = pass.room {
                assert_eq!(frames.has_room(room), asked.last().copied().unwrap_or(0));
                asked.push(room);
            }
            rest = &rest[pass.bytes..];
        }
        assert!(asked.len() <= 7 && asked.last() <= Some(&MOST), "{asked:?}");
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_does_not_matter(
            payloads in prop::collection::vec((any::<bool>(), 0_usize..40_000), 1..5),
            cuts in prop::collection::vec(1_usize..5_000, 1..50),
        ) {
            let one = |(last, payload): &(bool, usize)| frame(u8::from(*last) << 7, *payload);
            let bytes: Vec<u8> = payloads.iter().flat_map(one).collect();
            let ask = |cuts: &[usize]| {
                let (mut frames, mut rest, mut asked) = (Frames::default(), &bytes[..], Vec::new());
                let mut sizes = cuts.iter().cycle();
                while !rest.is_empty() {
                    let size = sizes.next().map_or(rest.len(), |size| *size).min(rest.len());
                    let pass = frames.pass(&rest[..size], MOST);
                    if let Some(room) = pass.room {
                        asked.push(room);
                        frames.has_room(room);
                    }
                    rest = &rest[pass.bytes..];
                }
                asked
            };
            prop_assert_eq!(ask(&cuts), ask(&[]));
        }
    }
}
