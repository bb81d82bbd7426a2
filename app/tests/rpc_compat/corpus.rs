//! The `.io` files: requests, and the answers that a client must give.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// One file.
#[derive(Debug)]
pub(crate) struct Case {
    /// Directory and file name without the extension.
    pub(crate) name: String,
    /// Whether the recorded answer is only an example of the right form.
    pub(crate) speconly: bool,
    /// Requests as they are sent, each with the answer expected.
    pub(crate) exchanges: Vec<(String, Value)>,
}

/// All files below `root`, sorted by name.
pub(crate) fn load(root: &Path) -> Vec<Case> {
    let mut files = Vec::new();
    find(root, &mut files);
    files.sort();
    files.iter().map(|path| Case::read(root, path)).collect()
}

fn find(dir: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    for entry in entries {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "io") {
            files.push(path);
        }
    }
}

impl Case {
    fn read(root: &Path, path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a text file");
        let name = path.strip_prefix(root).expect("below the root").with_extension("");
        let mut case =
            Self { name: name.display().to_string(), speconly: false, exchanges: Vec::new() };
        let mut request = None;
        for line in text.lines().map(str::trim) {
            if let Some(comment) = line.strip_prefix("//") {
                case.speconly |= comment.trim_start().starts_with("speconly:");
            } else if let Some(sent) = line.strip_prefix(">> ") {
                request = Some(sent.to_owned());
            } else if let Some(answer) = line.strip_prefix("<< ") {
                let answer = serde_json::from_str(answer).expect("an answer in JSON");
                case.exchanges.push((request.take().expect("a request first"), answer));
            } else {
                assert!(line.is_empty(), "{name:?}: what is {line:?}?");
            }
        }
        assert!(request.is_none() && !case.exchanges.is_empty(), "{name:?} is incomplete");
        case
    }
}

/// Where `found` is not what `expected` demands; `None` when it is.
///
/// The rules are those of the official runner: everything is equal but the wording of errors. An
/// answer that is only an example is held against the example's form: the same fields, of the same
/// kinds.
pub(crate) fn difference(expected: &Value, found: &Value, speconly: bool) -> Option<String> {
    if speconly && found.get("error").is_none() && expected.get("error").is_none() {
        return form("", expected, found);
    }
    let (mut expected, mut found) = (expected.clone(), found.clone());
    forget_messages(&mut expected, &mut found);
    unequal("", &expected, &found)
}

/// Removes `error.message` wherever both sides have one.
fn forget_messages(expected: &mut Value, found: &mut Value) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, expected) in expected.iter_mut() {
                let Some(found) = found.get_mut(key) else { continue };
                if key != "error" {
                    forget_messages(expected, found);
                } else if let (Some(expected), Some(found)) =
                    (expected.as_object_mut(), found.as_object_mut())
                    && expected.contains_key("message")
                    && found.contains_key("message")
                {
                    expected.remove("message");
                    found.remove("message");
                }
            }
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.iter_mut().zip(found).for_each(|(a, b)| forget_messages(a, b));
        }
        _ => {}
    }
}

fn unequal(path: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(want), Value::Object(have)) => {
            for (key, want) in want {
                let path = format!("{path}.{key}");
                let Some(have) = have.get(key) else { return Some(format!("{path} is missing")) };
                if let Some(difference) = unequal(&path, want, have) {
                    return Some(difference);
                }
            }
            let extra = have.keys().find(|key| !want.contains_key(*key))?;
            Some(format!("{path}.{extra} is too much"))
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            let mut pairs = want.iter().zip(have).enumerate();
            pairs.find_map(|(index, (want, have))| unequal(&format!("{path}[{index}]"), want, have))
        }
        (Value::Number(want), Value::Number(have)) if want.as_f64() == have.as_f64() => None,
        (want, have) if want == have => None,
        (want, have) => Some(format!("{path} is {}, expected {}", short(have), short(want))),
    }
}

/// Whether `found` has the form of the example.
fn form(path: &str, example: &Value, found: &Value) -> Option<String> {
    match (example, found) {
        (Value::Object(example), Value::Object(found)) => {
            example.iter().find_map(|(key, example)| {
                let path = format!("{path}.{key}");
                match found.get(key) {
                    Some(found) => form(&path, example, found),
                    None => Some(format!("{path} is missing")),
                }
            })
        }
        (Value::Array(example), Value::Array(found)) => {
            let first = example.first()?;
            let mut found = found.iter().enumerate();
            // One element stands for all where they are alike.
            let alike = example.iter().all(|other| form("", first, other).is_none());
            found.find_map(|(index, found)| {
                alike.then(|| form(&format!("{path}[{index}]"), first, found)).flatten()
            })
        }
        (Value::String(example), Value::String(found)) => {
            let (hex, is_hex) = (example.starts_with("0x"), found.starts_with("0x"));
            (hex != is_hex)
                .then(|| format!("{path} is {found:?}, expected something like {example:?}"))
        }
        (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Null, Value::Null) => None,
        (example, found) => {
            Some(format!("{path} is {}, expected something like {}", short(found), short(example)))
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
