//! A door for `make fuzz`: the decoding of what lies on the disk. It panics when a rule is broken.

use super::record::{self, Malformed};

/// Reads a record of the type that `kind` chooses: one that is read is written and read again as
/// the same.
///
/// # Panics
/// When that does not hold.
pub fn record(kind: u8, bytes: &[u8]) {
    match kind % 9 {
        0 => again(bytes, record::account, record::seal_account),
        1 => again(bytes, record::past_account, |past| record::seal_past_account(past.as_ref())),
        2 => again(bytes, record::word, |word| record::seal_word(*word)),
        3 => again(bytes, record::tip, record::seal_tip),
        4 => again(bytes, record::transactions, |list| record::seal_transactions(list)),
        5 => again(bytes, record::receipts, |list| record::seal_receipts(list)),
        6 => again(bytes, record::position, |at| record::seal_position(at.height, at.index)),
        7 => again(bytes, record::exit, record::seal_exit),
        _ => {
            let _ = record::open(bytes).map(|body| {
                (record::schema(body).is_ok(), record::hash(body).is_ok(), record::height(body))
            });
        }
    }
}

fn again<T>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, Malformed>,
    seal: impl Fn(&T) -> Vec<u8>,
) {
    let Ok(value) = record::open(bytes).and_then(&read) else { return };
    let sealed = seal(&value);
    let again = record::open(&sealed).and_then(&read).expect("what was written can be read");
    assert_eq!(seal(&again), sealed, "it is the same again");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn random_bytes_break_nothing(
            kind in any::<u8>(),
            mut bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x80..=0xc8_u8], 1..100),
        ) {
            bytes[0] = 1;
            record(kind, &bytes);
        }
    }
}
