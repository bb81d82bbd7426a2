//! The info, query and mempool connections: read-only, concurrent.

use bytes::Bytes;
use mooring_abci::proto::abci::{
    RequestCheckTx, RequestInfo, RequestQuery, ResponseCheckTx, ResponseInfo, ResponseQuery,
};
use mooring_abci::{Fault, InfoApp, MempoolApp};

use super::Chain;
use crate::mempool::{Mempool, Origin, Rejection, SubmitError};

/// The application's protocol version, in every consensus header.
pub const APP_VERSION: u64 = 1;

/// Code of a query for a path that is not served.
const UNKNOWN_PATH: u32 = 1;

/// Answers about committed state.
#[derive(Clone, Debug)]
pub struct Queries {
    chain: Chain,
    pool: Mempool,
}

impl Queries {
    /// Answers about `chain`; transactions go to `pool`.
    pub const fn new(chain: Chain, pool: Mempool) -> Self {
        Self { chain, pool }
    }
}

impl InfoApp for Queries {
    fn info(&self, _: RequestInfo) -> Result<ResponseInfo, Fault> {
        let view = self.chain.store.latest();
        let height = i64::try_from(view.number())
            .map_err(|e| Fault::from_cause("count blocks in 63 bits", e))?;
        // At height 0 the engine must call `InitChain`, which gives the app hash.
        let app_hash = if height == 0 {
            Bytes::new()
        } else {
            Bytes::copy_from_slice(view.tip().app_hash.as_slice())
        };
        Ok(ResponseInfo {
            data: "mooring".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            app_version: APP_VERSION,
            last_block_height: height,
            last_block_app_hash: app_hash,
        })
    }

    /// Serves `/header`: the RLP of the newest Ethereum header. All else is JSON-RPC's.
    fn query(&self, request: RequestQuery) -> Result<ResponseQuery, Fault> {
        if request.path != "/header" {
            return Ok(ResponseQuery {
                code: UNKNOWN_PATH,
                log: format!("no query {}; ask the node's JSON-RPC", request.path),
                ..ResponseQuery::default()
            });
        }
        let view = self.chain.store.latest();
        Ok(ResponseQuery {
            value: alloy_rlp::encode(view.header()).into(),
            height: i64::try_from(view.number()).unwrap_or(i64::MAX),
            ..ResponseQuery::default()
        })
    }
}

impl MempoolApp for Queries {
    /// Offers the transaction to the node's own pool, which fills the proposals of every engine.
    fn check_tx(&self, request: RequestCheckTx) -> Result<ResponseCheckTx, Fault> {
        match self.pool.submit_blocking(request.tx, Origin::Local) {
            Ok(hash) => Ok(ResponseCheckTx {
                data: Bytes::copy_from_slice(hash.as_slice()),
                ..ResponseCheckTx::default()
            }),
            Err(SubmitError::Rejected(rejection)) => Ok(refused(&rejection)),
            Err(SubmitError::Fault(fault)) => Err(Fault::from_cause("check a transaction", fault)),
        }
    }
}

fn refused(rejection: &Rejection) -> ResponseCheckTx {
    ResponseCheckTx { code: 1, log: rejection.to_string(), ..ResponseCheckTx::default() }
}
