//! Holds answers against the document that the server gives of itself (`rpc.discover`).

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

/// The result schema of each method.
#[derive(Debug)]
pub(crate) struct Document {
    results: BTreeMap<String, Value>,
    schemas: Value,
}

impl Document {
    /// Reads the answer to `rpc.discover`.
    pub(crate) fn read(answer: &Value) -> Self {
        let document = &answer["result"];
        let methods = document["methods"].as_array().expect("methods").iter();
        let result = |method: &Value| {
            let name = method["name"].as_str().expect("a name").to_owned();
            (name, method["result"]["schema"].clone())
        };
        Self {
            results: methods.map(result).collect(),
            schemas: document["components"]["schemas"].clone(),
        }
    }

    /// What of `answer` is not as described; `None` for errors and for what is as described.
    pub(crate) fn violation(&self, request: &str, answer: &Value) -> Option<String> {
        let request: Value = serde_json::from_str(request).expect("a request in JSON");
        let method = request["method"].as_str().expect("a method");
        let result = answer.get("result")?;
        match self.results.get(method) {
            Some(schema) => self.check("result", schema, result),
            None => Some(format!("{method} is answered but not described")),
        }
    }

    fn check(&self, path: &str, schema: &Value, value: &Value) -> Option<String> {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let name = name.rsplit('/').next().expect("a name");
            return self.check(path, &self.schemas[name], value);
        }
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            let failed = choices.iter().map(|choice| self.check(path, choice, value));
            let failed: Option<Vec<String>> = failed.collect();
            return failed.map(|all| format!("{path} is none of: {}", all.join(" | ")));
        }
        let kind = schema.get("type").and_then(Value::as_str);
        if let Some(kind) = kind.filter(|kind| !is_of(kind, value)) {
            return Some(format!("{path} is {value}, not of type {kind}"));
        }
        self.check_text(path, schema, value)
            .or_else(|| self.check_fields(path, schema, value))
            .or_else(|| self.check_items(path, schema, value))
    }

    fn check_text(&self, path: &str, schema: &Value, value: &Value) -> Option<String> {
        let (text, pattern) = (value.as_str()?, schema.get("pattern")?.as_str()?);
        let matches = Regex::new(pattern).expect("a pattern").is_match(text);
        (!matches).then(|| format!("{path} is {text:?}, which {pattern} does not match"))
    }

    fn check_fields(&self, path: &str, schema: &Value, value: &Value) -> Option<String> {
        let fields = value.as_object()?;
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let required = required.filter_map(Value::as_str);
        if let Some(missing) = required.into_iter().find(|name| !fields.contains_key(*name)) {
            return Some(format!("{path} has no {missing}"));
        }
        let described = schema.get("properties").and_then(Value::as_object)?;
        fields.iter().find_map(|(name, value)| match described.get(name) {
            Some(schema) => self.check(&format!("{path}.{name}"), schema, value),
            None if schema["additionalProperties"] == false => {
                Some(format!("{path}.{name} is not described"))
            }
            None => None,
        })
    }

    fn check_items(&self, path: &str, schema: &Value, value: &Value) -> Option<String> {
        let (items, schema) = (value.as_array()?, schema.get("items")?);
        let mut items = items.iter().enumerate();
        items.find_map(|(index, item)| self.check(&format!("{path}[{index}]"), schema, item))
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}
