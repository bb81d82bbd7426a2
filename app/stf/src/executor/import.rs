//! Blocks of other Ethereum chains, executed again. No node does this: conformance tests import
//! Ethereum's own test chains. Rules that those have and ours has not are here alone: rewards,
//! ommers, withdrawals, the beacon root, requests and receipts with state roots.

use std::collections::BTreeMap;

use alloy_consensus::{
    Header,
    constants::ETH_TO_WEI,
    proofs::{calculate_ommers_root, calculate_withdrawals_root},
};
use alloy_eips::{
    eip1559::{BaseFeeParams, INITIAL_BASE_FEE},
    eip4788::BEACON_ROOTS_ADDRESS,
    eip4895::Withdrawal,
    eip6110::DEPOSIT_REQUEST_TYPE,
    eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE},
    eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE},
    eip7685::Requests,
};
use alloy_evm::{block::calc, eth::eip6110};
use alloy_primitives::{Address, B256, Bytes, U256};
use mooring_trie::EMPTY_ROOT_HASH;

use super::{BlockExecutor, HISTORY_GAS, Lists, Parent, seal};
use crate::{
    BlockContext, ChainParams, ExecError, ExecutedBlock, Fault, InvalidTx, SpecId, evm,
    genesis::Void,
    overlay::{Account, Overlay},
    state::BlockState,
    tx::{ConsensusTx, SignedTx},
};

/// A block as another chain sealed it.
#[derive(Clone, Debug)]
pub struct ForeignBlock {
    /// The header, which every computed field is held against.
    pub header: Header,
    /// The transactions.
    pub transactions: Vec<SignedTx>,
    /// Uncles; none since the Merge.
    pub ommers: Vec<Header>,
    /// EIP-4895; `None` before Shanghai.
    pub withdrawals: Option<Vec<Withdrawal>>,
}

/// An account of another chain's genesis.
#[derive(Clone, Debug, Default)]
pub struct ForeignAccount {
    /// Wei.
    pub balance: U256,
    /// Nonce.
    pub nonce: u64,
    /// Code.
    pub code: Bytes,
    /// Storage.
    pub storage: BTreeMap<U256, U256>,
}

/// Why a block of another chain is not executed as it was there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A transaction is invalid.
    #[error("transaction {index} is invalid")]
    Invalid {
        /// Place in the block.
        index: usize,
        /// Why.
        #[source]
        reason: InvalidTx,
    },
    /// Execution gives another header.
    #[error("{field} is {found}, the chain has {expected}")]
    Differs {
        /// The first header field that differs.
        field: &'static str,
        /// The chain's value.
        expected: String,
        /// The value computed.
        found: String,
    },
    /// The node's own fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Executes `block` on the state after `parent`, and checks each computed field of its header.
/// EIP-6110 deposits are those that `deposit_contract` logs.
///
/// # Errors
/// The block is not what execution by `params` gives, or the store cannot be read.
pub fn import_block(
    params: &ChainParams,
    state: &dyn BlockState,
    parent: &Header,
    block: ForeignBlock,
    deposit_contract: Address,
) -> Result<ExecutedBlock, ImportError> {
    let ForeignBlock { header, transactions, ommers, withdrawals } = block;
    let at =
        Parent { number: parent.number, hash: parent.hash_slow(), state_root: parent.state_root };
    let mut executor = BlockExecutor::open(params, state, at, BlockContext::of(&header));
    executor.record_beacon_root(&header)?;
    executor.record_parent()?;
    for (index, tx) in transactions.into_iter().enumerate() {
        executor.apply(ConsensusTx::Ethereum(tx)).map_err(|error| match error {
            ExecError::Invalid(reason) => ImportError::Invalid { index, reason },
            ExecError::Fault(fault) => ImportError::Fault(fault),
        })?;
        executor.record_post_state()?;
    }
    let requests_hash = executor.requests_hash(deposit_contract)?;
    executor.reward(&ommers)?;
    for withdrawal in withdrawals.iter().flatten() {
        executor.pay(withdrawal.address, withdrawal.amount_wei())?;
    }
    let rules = executor.rules;
    let executed = executor.seal(&seal::no_exits(), |computed| Header {
        ommers_hash: calculate_ommers_root(&ommers),
        withdrawals_root: withdrawals.as_deref().map(calculate_withdrawals_root),
        base_fee_per_gas: rules.has(SpecId::LONDON).then(|| base_fee(parent)),
        excess_blob_gas: rules
            .has(SpecId::CANCUN)
            .then(|| parent.next_block_excess_blob_gas(rules.blobs).unwrap_or_default()),
        requests_hash,
        ..decided(&header, computed)
    })?;
    match difference(&header, &executed.header) {
        Some(differs) => Err(differs),
        None => Ok(executed),
    }
}

/// Block 0 of another chain: `header` with the state root of `alloc` in place of its own.
///
/// # Errors
/// A [`Fault`] when code in `alloc` cannot be analysed.
pub fn import_genesis(
    params: &ChainParams,
    header: Header,
    alloc: BTreeMap<Address, ForeignAccount>,
) -> Result<ExecutedBlock, Fault> {
    let mut overlay = Overlay::new(&Void);
    for (address, ForeignAccount { balance, nonce, code, storage }) in alloc {
        let code_hash = overlay.add_code(code)?;
        overlay.set_account(address, Account { nonce, balance, code_hash })?;
        for (slot, value) in storage {
            overlay.set_slot(address, slot, value)?;
        }
    }
    let state = seal::commit_state(&Void, &overlay, EMPTY_ROOT_HASH, 0)?;
    let header = Header { state_root: state.trie.root(), ..header };
    Ok(seal::sealed(params, header, state, &seal::no_exits(), Lists::default()))
}

impl BlockExecutor<'_> {
    /// EIP-4788.
    fn record_beacon_root(&mut self, header: &Header) -> Result<(), Fault> {
        let Some(root) = header.parent_beacon_block_root else { return Ok(()) };
        self.predeploy(BEACON_ROOTS_ADDRESS, Bytes::copy_from_slice(root.as_slice())).map(drop)
    }

    /// Calls a predeploy as the system; its output.
    fn predeploy(&mut self, address: Address, data: Bytes) -> Result<Bytes, Fault> {
        let done = evm::system_call(&mut self.evm, address, data, HISTORY_GAS)?;
        self.overlay().commit(done.state)?;
        Ok(done.result.into_output().unwrap_or_default())
    }

    /// Before EIP-658 a receipt holds the state root after its transaction.
    fn record_post_state(&mut self) -> Result<(), Fault> {
        if self.rules.has(SpecId::BYZANTIUM) {
            return Ok(());
        }
        let (root, number) = (self.parent.state_root, self.block.number);
        let state = self.state;
        let root = seal::commit_state(state, self.overlay(), root, number)?.trie.root();
        if let Some(receipt) = self.lists.receipts.last_mut() {
            receipt.post_state = Some(root);
        }
        Ok(())
    }

    /// EIP-7685: deposits, withdrawal requests and consolidation requests.
    fn requests_hash(&mut self, deposit_contract: Address) -> Result<Option<B256>, Fault> {
        if !self.rules.has(SpecId::PRAGUE) {
            return Ok(None);
        }
        let mut deposits = Vec::new();
        let logs = self.lists.receipts.iter().flat_map(|receipt| &receipt.logs);
        eip6110::accumulate_deposits_from_logs(deposit_contract, logs, &mut deposits)
            .map_err(|error| Fault::from_cause("read a deposit of the beacon chain", error))?;
        let withdrawals = self.predeploy(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, Bytes::new())?;
        let consolidations =
            self.predeploy(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, Bytes::new())?;
        let mut requests = Requests::default();
        requests.push_request_with_type(DEPOSIT_REQUEST_TYPE, deposits);
        requests.push_request_with_type(WITHDRAWAL_REQUEST_TYPE, withdrawals);
        requests.push_request_with_type(CONSOLIDATION_REQUEST_TYPE, consolidations);
        Ok(Some(requests.requests_hash()))
    }

    /// The rewards of proof of work (Yellow Paper, 11.3).
    fn reward(&mut self, ommers: &[Header]) -> Result<(), Fault> {
        let base = match &self.rules {
            rules if rules.has(SpecId::MERGE) => return Ok(()),
            rules if rules.has(SpecId::PETERSBURG) => ETH_TO_WEI * 2,
            rules if rules.has(SpecId::BYZANTIUM) => ETH_TO_WEI * 3,
            _ => ETH_TO_WEI * 5,
        };
        let (number, miner) = (self.block.number, self.block.beneficiary);
        for ommer in ommers {
            let reward = calc::ommer_reward(base, number, ommer.number);
            self.pay(ommer.beneficiary, U256::from(reward))?;
        }
        self.pay(miner, U256::from(calc::block_reward(base, ommers.len())))
    }
}

/// EIP-1559, from the fork on.
fn base_fee(parent: &Header) -> u64 {
    parent.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or(INITIAL_BASE_FEE)
}

/// The computed header with the fields that execution does not decide.
fn decided(header: &Header, computed: Header) -> Header {
    Header {
        extra_data: header.extra_data.clone(),
        nonce: header.nonce,
        parent_beacon_block_root: header.parent_beacon_block_root,
        ..computed
    }
}

/// The first field that differs.
fn difference(expected: &Header, found: &Header) -> Option<ImportError> {
    let text = |header: &Header| -> [(&'static str, String); 11] {
        [
            ("parent hash", header.parent_hash.to_string()),
            ("gas used", header.gas_used.to_string()),
            ("receipts root", header.receipts_root.to_string()),
            ("state root", header.state_root.to_string()),
            ("transactions root", header.transactions_root.to_string()),
            ("ommers hash", header.ommers_hash.to_string()),
            ("withdrawals root", format!("{:?}", header.withdrawals_root)),
            ("base fee", format!("{:?}", header.base_fee_per_gas)),
            ("blob gas", format!("{:?}", (header.blob_gas_used, header.excess_blob_gas))),
            ("requests hash", format!("{:?}", header.requests_hash)),
            ("hash", header.hash_slow().to_string()),
        ]
    };
    let fields = text(expected).into_iter().zip(text(found));
    let mut differing = fields.filter(|(expected, found)| expected != found);
    differing.next().map(|((field, expected), (_, found))| ImportError::Differs {
        field,
        expected,
        found,
    })
}
