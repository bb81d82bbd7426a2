//! JSON-RPC over HTTP, as a client sends it: whatever a request says, it is answered in JSON and
//! the node is not at fault.

#![no_main]

mod node;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

use node::Node;

/// JSON-RPC's code of the server's own fault.
const INTERNAL_ERROR: i64 = -32603;

static NODES: LazyLock<[Node; 2]> = LazyLock::new(|| [Node::ethereum(), Node::pegged()]);

fuzz_target!(|input: &[u8]| {
    // The first byte: which chain is asked.
    let Some((kind, body)) = input.split_first() else { return };
    let answer = NODES[usize::from(*kind % 2)].ask(body);
    match serde_json::from_slice(&answer) {
        // jsonrpsee's answer to a notification; a batch of them has none.
        Ok(Value::Null) => {}
        Err(_) if answer.is_empty() => {}
        Ok(Value::Array(answers)) => answers.iter().for_each(check),
        Ok(answer) => check(&answer),
        Err(error) => panic!("{error} in the answer {}", String::from_utf8_lossy(&answer)),
    }
});

fn check(answer: &Value) {
    let error = &answer["error"];
    assert_ne!(error["code"].as_i64(), Some(INTERNAL_ERROR), "{error}");
    assert!(error.is_object() != answer.get("result").is_some(), "an error or a result: {answer}");
}
