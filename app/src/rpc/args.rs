//! Positional parameters, read strictly.

use alloy_eips::BlockId;
use alloy_primitives::B256;
use jsonrpsee::types::{Params, params::ParamsSequence};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::RpcError;

/// The parameters of one call, in order.
pub(super) struct Args<'a>(ParamsSequence<'a>);

impl<'a> Args<'a> {
    /// # Errors
    /// The parameters are an object: no method here takes names.
    pub(super) fn new(params: &'a Params<'_>) -> Result<Self, RpcError> {
        if params.is_object() {
            return Err(RpcError::params("non-array args"));
        }
        Ok(Self(params.sequence()))
    }

    /// The next parameter.
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, RpcError> {
        self.optional(name)?
            .ok_or_else(|| RpcError::params(format!("missing value for required argument {name}")))
    }

    /// The next parameter, `None` when it is absent or null.
    pub(super) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, RpcError> {
        self.0.optional_next().map_err(|error| {
            let cause = error.data().map_or_else(|| error.message(), |data| data.get());
            RpcError::params(format!("invalid argument {name}: {}", cause.trim_matches('"')))
        })
    }

    /// The next parameter as a block, the newest when it is absent.
    pub(super) fn block(&mut self) -> Result<BlockId, RpcError> {
        Ok(self.optional("block")?.unwrap_or_else(BlockId::latest))
    }

    /// The next parameter as a hash, which starts with 0x.
    pub(super) fn hash(&mut self, name: &str) -> Result<B256, RpcError> {
        let text: String = self.required(name)?;
        let hash = text.starts_with("0x").then(|| text.parse().ok()).flatten();
        hash.ok_or_else(|| {
            RpcError::params(format!("invalid argument {name}: {text:?} is no hash of 32 bytes"))
        })
    }

    /// The next parameter as a number: a hex quantity or a plain JSON number.
    pub(super) fn number(&mut self, name: &str) -> Result<u64, RpcError> {
        Number::of(self.required(name)?)
    }
}

/// Numbers as tools write them.
pub(super) struct Number;

impl Number {
    /// Reads a hex quantity, a decimal string or a JSON number.
    pub(super) fn of(value: Value) -> Result<u64, RpcError> {
        let parsed = match &value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).ok(),
                None => text.parse().ok(),
            },
            _ => None,
        };
        parsed.ok_or_else(|| RpcError::params(format!("{value} is not a number of 64 bits")))
    }
}
