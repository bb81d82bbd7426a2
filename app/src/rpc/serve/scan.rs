//! What a batch holds, found without parsing it: a hostile one is refused for the price of reading
//! it once.

/// Whether `body` is an array of more than `most` elements. What is no JSON is for the parser.
pub(super) fn is_batch_longer_than(body: &[u8], most: usize) -> bool {
    let mut elements: usize = 0;
    let mut walk = Walk::default();
    for byte in body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()) {
        let before = walk.depth;
        walk.step(byte);
        match (before, byte) {
            (0, b'[') => elements = 1,
            (0, _) => return false,
            (1, b',') if !walk.in_string => elements = elements.saturating_add(1),
            _ => {}
        }
        if elements > most {
            return true;
        }
        if walk.depth == 0 {
            return false;
        }
    }
    false
}

/// The bytes of the first element of the array `body`.
pub(super) fn first_element(body: &[u8]) -> Option<&[u8]> {
    let start = body.iter().position(|byte| *byte == b'[')?.saturating_add(1);
    let rest = body.get(start..)?;
    let mut walk = Walk { depth: 1, ..Walk::default() };
    let end = rest.iter().position(|byte| {
        let outer = walk.depth == 1 && !walk.in_string;
        walk.step(*byte);
        outer && (*byte == b',' || *byte == b']')
    })?;
    rest.get(..end)
}

/// A place in a JSON text.
#[derive(Debug, Default)]
struct Walk {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Walk {
    const fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth = self.depth.saturating_add(1),
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn strings_and_inner_arrays_count_as_one() {
        let batch = br#" [ {"id":[1,2,"],,\\\"["]} , "a,b" , 3 ] "#;
        assert!(is_batch_longer_than(batch, 2));
        assert!(!is_batch_longer_than(batch, 3));
        assert!(!is_batch_longer_than(b"{\"params\":[1,2,3]}", 1));
        assert_eq!(first_element(b" [ {\"id\":7}, 2]"), Some(&b" {\"id\":7}"[..]));
        assert_eq!(first_element(b"[1"), None);
    }

    proptest! {
        #[test]
        fn it_counts_as_a_parser_does(items in prop::collection::vec(".{0,12}", 1..20)) {
            let batch = serde_json::to_vec(&items).expect("strings are JSON");
            prop_assert!(is_batch_longer_than(&batch, items.len() - 1));
            prop_assert!(!is_batch_longer_than(&batch, items.len()));
            let first: Value = serde_json::from_slice(first_element(&batch).unwrap_or_default())
                .expect("an element");
            prop_assert_eq!(first, Value::from(items[0].clone()));
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            is_batch_longer_than(&bytes, 3);
            first_element(&bytes);
        }
    }
}
