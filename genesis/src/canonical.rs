//! Canonical JSON (spec 2.1): keys sorted by byte, no white space, no floats, integers above 2^53
//! as strings. One document has one text, whatever wrote it.

use serde_json::{Number, Value};

/// Integers above this are not exact in every JSON reader.
const MAX_EXACT: u64 = 1 << 53;

/// The canonical text of a value.
///
/// # Panics
///
/// On a number that is not an integer: the documents of this crate have none.
pub(crate) fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            let write_item = |item: &Value, out: &mut String| write(item, out);
            write_list('[', ']', items, write_item, out);
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_bytes());
            let write_entry = |(key, item): &(&String, &Value), out: &mut String| {
                write_text(key, out);
                out.push(':');
                write(item, out);
            };
            write_list('{', '}', &entries, write_entry, out);
        }
    }
}

fn write_list<T>(
    open: char,
    close: char,
    items: &[T],
    mut write_item: impl FnMut(&T, &mut String),
    out: &mut String,
) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_item(item, out);
    }
    out.push(close);
}

fn write_number(number: &Number, out: &mut String) {
    let integer = number.as_u64().expect("the documents' numbers are unsigned integers");
    if integer > MAX_EXACT {
        write_text(&integer.to_string(), out);
    } else {
        out.push_str(&integer.to_string());
    }
}

fn write_text(text: &str, out: &mut String) {
    // serde_json escapes the quotation mark, the backslash and control characters, nothing else.
    out.push_str(&Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_large_integers_are_text() {
        let value =
            json!({ "b": [1, true, null], "a": { "z": (1u64 << 53) + 1, "y": 1u64 << 53 } });
        let text = r#"{"a":{"y":9007199254740992,"z":"9007199254740993"},"b":[1,true,null]}"#;
        assert_eq!(to_string(&value), text);
    }

    #[test]
    fn text_is_escaped_only_where_json_must() {
        assert_eq!(to_string(&json!("ö\"\\\n/")), r#""ö\"\\\n/""#);
    }
}
