//! A key that signs transactions, sends them and waits for them.

use std::time::{Duration, Instant};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::{BlockNumberOrTag, eip2718::Encodable2718};
use alloy_network::{AnyTransactionReceipt, ReceiptResponse};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

use crate::{ClientError, Endpoint};

/// How often an open transaction is looked for.
const POLL: Duration = Duration::from_millis(100);

/// A key with the chain it acts on.
#[derive(Clone, Debug)]
pub struct Wallet {
    endpoint: Endpoint,
    chain_id: u64,
    signer: PrivateKeySigner,
}

/// What a transaction does.
#[derive(Clone, Debug, Default)]
pub struct Action {
    /// The callee; `None` deploys `input`.
    pub to: Option<Address>,
    /// Wei sent along.
    pub value: U256,
    /// Calldata, or init code.
    pub input: Bytes,
}

/// What the sender pays at most for a unit of gas, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// Everything.
    pub max_fee: u128,
    /// The part for the block's builder.
    pub tip: u128,
}

impl Wallet {
    /// A wallet on the chain that `endpoint` serves.
    ///
    /// # Errors
    /// When the endpoint does not tell its chain id.
    pub async fn new(endpoint: Endpoint, signer: PrivateKeySigner) -> Result<Self, ClientError> {
        let chain_id = endpoint.chain_id().await?;
        Ok(Self { endpoint, chain_id, signer })
    }

    /// The address that pays.
    pub const fn address(&self) -> Address {
        self.signer.address()
    }

    /// The endpoint it sends to.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Fees that are taken at once: twice the base fee, and the tip that the endpoint suggests.
    ///
    /// # Errors
    /// The endpoint's.
    pub async fn fees(&self) -> Result<Fees, ClientError> {
        let block = self.endpoint.block(BlockNumberOrTag::Latest).await?;
        let base = block.and_then(|b| b.header.base_fee_per_gas).unwrap_or_default();
        let tip: U256 = self.endpoint.request("eth_maxPriorityFeePerGas", ()).await?;
        let tip = u128::try_from(tip)
            .map_err(|_| self.endpoint.unexpected("eth_maxPriorityFeePerGas", "too large a tip"))?;
        Ok(Fees { max_fee: u128::from(base).saturating_mul(2).saturating_add(tip), tip })
    }

    /// Gas that `action` needs, with a fifth to spare.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the revert data when it would revert.
    pub async fn gas(&self, action: &Action) -> Result<u64, ClientError> {
        let mut request = TransactionRequest::default()
            .from(self.address())
            .value(action.value)
            .input(action.input.clone().into());
        request.to = Some(action.to.map_or(TxKind::Create, TxKind::Call));
        let gas = self.endpoint.estimate(request).await?;
        Ok(gas.saturating_add(gas / 5))
    }

    /// Signs `action`; returns its hash and its raw bytes. Nothing is sent.
    ///
    /// # Errors
    /// [`ClientError::Sign`].
    pub fn sign(
        &self,
        action: &Action,
        nonce: u64,
        gas: u64,
        fees: Fees,
    ) -> Result<(B256, Bytes), ClientError> {
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: gas,
            max_fee_per_gas: fees.max_fee,
            max_priority_fee_per_gas: fees.tip,
            to: action.to.map_or(TxKind::Create, TxKind::Call),
            value: action.value,
            access_list: Default::default(),
            input: action.input.clone(),
        };
        let signature = self.signer.sign_hash_sync(&transaction.signature_hash())?;
        let signed = TxEnvelope::from(transaction.into_signed(signature));
        Ok((*signed.tx_hash(), signed.encoded_2718().into()))
    }

    /// Sends `action` with the next nonce; returns the hash.
    ///
    /// # Errors
    /// The endpoint's; nothing was sent then.
    pub async fn send(&self, action: &Action) -> Result<B256, ClientError> {
        let nonce = self.endpoint.nonce(self.address(), BlockNumberOrTag::Pending).await?;
        self.send_at(action, nonce).await
    }

    /// Sends `action` with this nonce; returns the hash.
    ///
    /// # Errors
    /// The endpoint's; nothing was sent then.
    pub async fn send_at(&self, action: &Action, nonce: u64) -> Result<B256, ClientError> {
        let gas = self.gas(action).await?;
        let (hash, raw) = self.sign(action, nonce, gas, self.fees().await?)?;
        self.endpoint.send_raw(raw).await?;
        Ok(hash)
    }

    /// Waits until the transaction is included and has succeeded.
    ///
    /// # Errors
    /// [`ClientError::Reverted`], [`ClientError::NotIncluded`], or the endpoint's.
    pub async fn wait(
        &self,
        hash: B256,
        limit: Duration,
    ) -> Result<AnyTransactionReceipt, ClientError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(receipt) = self.endpoint.receipt(hash).await? {
                return if receipt.status() {
                    Ok(receipt)
                } else {
                    Err(ClientError::Reverted { hash })
                };
            }
            if Instant::now() >= deadline {
                return Err(ClientError::NotIncluded { hash, seconds: limit.as_secs() });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends `action` and waits for it.
    ///
    /// # Errors
    /// See [`Self::send`] and [`Self::wait`].
    pub async fn execute(
        &self,
        action: &Action,
        limit: Duration,
    ) -> Result<AnyTransactionReceipt, ClientError> {
        let hash = self.send(action).await?;
        self.wait(hash, limit).await
    }
}
