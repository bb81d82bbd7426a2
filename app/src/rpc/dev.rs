//! `dev_*`: steering a dev chain. Registered on no other chain.

use jsonrpsee::{RpcModule, server::RegisterMethodError, types::ErrorObjectOwned};
use serde_json::{Value, json};

use super::{Args, RpcContext, RpcError, args::Number, json::quantity};
use crate::dev::{DevControl, DevEnded};

impl From<DevEnded> for RpcError {
    fn from(ended: DevEnded) -> Self {
        Self::server(ended.to_string())
    }
}

/// Registers the methods.
pub(super) fn register(
    module: &mut RpcModule<RpcContext>,
    control: &DevControl,
) -> Result<(), RegisterMethodError> {
    let dev = control.clone();
    module.register_async_method("dev_seal", move |_, _, _| {
        let dev = dev.clone();
        async move {
            let height = dev.seal().await.map_err(RpcError::from)?;
            Ok::<Value, ErrorObjectOwned>(quantity(height))
        }
    })?;
    let dev = control.clone();
    module.register_async_method("dev_reorg", move |params, _, _| {
        let dev = dev.clone();
        async move {
            let depth = Args::new(&params)?.required("depth").and_then(Number::of)?;
            let depth = usize::try_from(depth).unwrap_or(usize::MAX);
            let dropped = dev.reorg(depth).await.map_err(RpcError::from)?;
            Ok::<Value, ErrorObjectOwned>(json!(dropped))
        }
    })?;
    Ok(())
}
