//! One JSON-RPC endpoint of an Ethereum-like chain.

use std::time::Duration;

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_network::{AnyNetwork, AnyRpcBlock, AnyTransactionReceipt};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_client::RpcClient;
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, Filter, Log, TransactionRequest};
use alloy_sol_types::SolCall;
use alloy_transport_http::Http;
use serde::{Serialize, de::DeserializeOwned};

use crate::{ClientError, http};

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// One JSON-RPC endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: String,
    provider: RootProvider<AnyNetwork>,
}

impl Endpoint {
    /// An endpoint at an http(s) URL. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`].
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let bad = || ClientError::BadUrl { url: url.to_owned() };
        let parsed: reqwest::Url = url.parse().map_err(|_| bad())?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(bad());
        }
        let http = http::client(TIMEOUT).map_err(|error| ClientError::Unreachable {
            url: url.to_owned(),
            method: "connect",
            reason: error.to_string(),
        })?;
        let local =
            parsed.host_str().is_some_and(|host| host == "127.0.0.1" || host == "localhost");
        let client = RpcClient::new(Http::with_client(http, parsed), local);
        Ok(Self { url: url.to_owned(), provider: RootProvider::new(client) })
    }

    /// The URL, as given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Any JSON-RPC call.
    ///
    /// # Errors
    /// The transport's, the endpoint's, or an answer of another shape.
    pub async fn request<P, R>(&self, method: &'static str, params: P) -> Result<R, ClientError>
    where
        P: Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin + 'static,
        R: DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static,
    {
        self.provider
            .client()
            .request::<P, R>(method, params)
            .await
            .map_err(|error| ClientError::rpc(&self.url, method, error))
    }

    /// `eth_chainId`.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn chain_id(&self) -> Result<u64, ClientError> {
        let id: U256 = self.request("eth_chainId", ()).await?;
        u64::try_from(id).map_err(|_| self.unexpected("eth_chainId", "an id beyond 64 bits"))
    }

    /// Fails unless the endpoint serves `want`.
    ///
    /// # Errors
    /// [`ClientError::WrongChain`], or see [`Self::request`].
    pub async fn expect_chain(&self, want: u64) -> Result<(), ClientError> {
        let got = self.chain_id().await?;
        if got == want {
            return Ok(());
        }
        Err(ClientError::WrongChain { url: self.url.clone(), want, got })
    }

    /// The block with a tag or number, without transactions; `None` when unknown.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn block(&self, block: BlockNumberOrTag) -> Result<Option<AnyRpcBlock>, ClientError> {
        self.request("eth_getBlockByNumber", (block, false)).await
    }

    /// The block with a hash, without transactions; `None` when unknown.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn block_by_hash(&self, hash: B256) -> Result<Option<AnyRpcBlock>, ClientError> {
        self.request("eth_getBlockByHash", (hash, false)).await
    }

    /// The newest block's number.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn block_number(&self) -> Result<u64, ClientError> {
        let number: U256 = self.request("eth_blockNumber", ()).await?;
        u64::try_from(number).map_err(|_| self.unexpected("eth_blockNumber", "too large a number"))
    }

    /// Account and storage proofs at one block.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn proof(
        &self,
        address: Address,
        slots: Vec<B256>,
        block: B256,
    ) -> Result<EIP1186AccountProofResponse, ClientError> {
        self.request("eth_getProof", (address, slots, BlockId::from(block))).await
    }

    /// Logs that match `filter`: hints, to be proved by whoever relies on them.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>, ClientError> {
        self.request("eth_getLogs", (filter.clone(),)).await
    }

    /// Balance at the newest block, in wei.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn balance(&self, address: Address) -> Result<U256, ClientError> {
        self.request("eth_getBalance", (address, BlockNumberOrTag::Latest)).await
    }

    /// The account's nonce; `pending` counts the endpoint's pool too.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn nonce(&self, address: Address, tag: BlockNumberOrTag) -> Result<u64, ClientError> {
        let nonce: U256 = self.request("eth_getTransactionCount", (address, tag)).await?;
        u64::try_from(nonce)
            .map_err(|_| self.unexpected("eth_getTransactionCount", "a nonce beyond 64 bits"))
    }

    /// The code at an address, empty when there is none.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn code(&self, address: Address) -> Result<Bytes, ClientError> {
        self.request("eth_getCode", (address, BlockNumberOrTag::Latest)).await
    }

    /// Calls a contract's view function at the newest block.
    ///
    /// # Errors
    /// See [`Self::request`]; [`ClientError::Unexpected`] when the output does not decode.
    pub async fn view<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return, ClientError> {
        let request = TransactionRequest::default().to(to).input(call.abi_encode().into());
        let output: Bytes = self.request("eth_call", (request, BlockNumberOrTag::Latest)).await?;
        C::abi_decode_returns(&output)
            .map_err(|error| self.unexpected("eth_call", &format!("{}: {error}", C::SIGNATURE)))
    }

    /// The gas a call would use.
    ///
    /// # Errors
    /// See [`Self::request`]; a revert is [`ClientError::Refused`] with its data.
    pub async fn estimate(&self, request: TransactionRequest) -> Result<u64, ClientError> {
        let gas: U256 = self.request("eth_estimateGas", (request,)).await?;
        u64::try_from(gas).map_err(|_| self.unexpected("eth_estimateGas", "too large a number"))
    }

    /// Sends a signed transaction.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn send_raw(&self, raw: Bytes) -> Result<B256, ClientError> {
        self.request("eth_sendRawTransaction", (raw,)).await
    }

    /// The receipt, `None` while the transaction is not included.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub async fn receipt(&self, hash: B256) -> Result<Option<AnyTransactionReceipt>, ClientError> {
        self.request("eth_getTransactionReceipt", (hash,)).await
    }

    pub(crate) fn unexpected(&self, method: &'static str, what: &str) -> ClientError {
        ClientError::Unexpected { url: self.url.clone(), method, what: what.to_owned() }
    }
}
