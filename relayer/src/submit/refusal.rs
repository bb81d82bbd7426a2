//! What a node means when it does not take a transaction. JSON-RPC has no codes for it, so this is
//! the one place that reads words: those of geth, which other nodes and anvil repeat.

use mooring_client::{ClientError, Verdict};

use super::state::Refusal;

/// Why the transaction was not taken; `None` when it was, or may have been.
pub(super) fn of(error: &ClientError) -> Option<Refusal> {
    if error.verdict() == Verdict::Retry {
        // No answer came: the node may have it. Looking for it tells.
        return None;
    }
    let ClientError::Refused { message, .. } = error else { return Some(Refusal::Refused) };
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["already known", "already imported", "known transaction"]) {
        return None;
    }
    if says(&["nonce too low", "invalid nonce", "nonce is too low"]) {
        return Some(Refusal::NonceUsed);
    }
    if says(&["underpriced", "replacement"]) {
        return Some(Refusal::Underpriced);
    }
    Some(Refusal::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> ClientError {
        ClientError::Refused {
            url: "http://x".into(),
            method: "eth_sendRawTransaction",
            code: -32000,
            message: message.into(),
            data: None,
        }
    }

    #[test]
    fn words_become_types() {
        for (words, meaning) in [
            ("already known", None),
            ("nonce too low: next nonce 5, tx nonce 4", Some(Refusal::NonceUsed)),
            ("replacement transaction underpriced", Some(Refusal::Underpriced)),
            ("insufficient funds for gas * price + value", Some(Refusal::Refused)),
        ] {
            assert_eq!(of(&refused(words)), meaning, "{words}");
        }
    }

    #[test]
    fn silence_is_no_refusal() {
        let silent = ClientError::Unreachable {
            url: "http://x".into(),
            method: "eth_sendRawTransaction",
            reason: "timed out".into(),
        };
        assert_eq!(of(&silent), None);
    }
}
