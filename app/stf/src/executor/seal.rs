//! The end of a block: fees, the supply check, roots and the header.

use std::collections::BTreeSet;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, constants::EMPTY_WITHDRAWALS};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B256, Bloom, U256};
use mooring_bridge::{Height, exit};
use mooring_trie::{Applied, NodeAt, StateTrie};

use super::{
    BlockExecutor, Ledger, Lists,
    beside::{Beside, Closed},
};
use crate::{
    ChainParams, ChangeSet, ExecutedBlock, Fault, FeeRule, Rules, SpecId,
    evm::BlockContext,
    overlay::{Overlay, Supply},
    peg::view::ExitHead,
    state::BlockState,
    tx::{self, EthReceipt, EthTx},
};

impl BlockExecutor<'_> {
    /// Ends the block and computes what commits to it.
    ///
    /// # Errors
    /// A [`Fault`] when the store cannot be read or is damaged.
    pub fn finish(self) -> Result<ExecutedBlock, Fault> {
        self.finish_with(None)
    }

    /// As [`finish`](Self::finish), with the tries as far as they were hashed beside.
    pub(super) fn finish_with(
        mut self,
        beside: Option<Beside<'_, '_>>,
    ) -> Result<ExecutedBlock, Fault> {
        self.enter_ethereum()?;
        let burnt = self.pay_base_fees()?;
        self.end_peg(burnt)?;
        let exit_head = self.exit_head()?;
        match beside.and_then(|beside| beside.close(self.overlay())) {
            None => self.seal(&exit_head, |header| header),
            Some(tries) => self.seal_with(&exit_head, tries),
        }
    }

    /// Commits to the state that was hashed beside.
    fn seal_with(self, exit_head: &ExitHead, tries: Closed<'_>) -> Result<ExecutedBlock, Fault> {
        let Self { params, parent, block, rules, evm, lists, .. } = self;
        let changes = evm.into_overlay().changes();
        let body = BodyRoots::of(&lists.transactions, &lists.receipts);
        let state = committed(changes, tries.wait()?)?;
        let header = header(parent.hash, &block, &rules, state.trie.root(), body);
        Ok(sealed(params, header, state, exit_head, lists))
    }

    /// Commits to the state, under the header that `amend` makes of the computed one.
    pub(super) fn seal(
        self,
        exit_head: &ExitHead,
        amend: impl FnOnce(Header) -> Header,
    ) -> Result<ExecutedBlock, Fault> {
        let Self { params, state, parent, block, rules, evm, lists, .. } = self;
        let overlay = evm.into_overlay();
        let (body, state) = rayon::join(
            || BodyRoots::of(&lists.transactions, &lists.receipts),
            || commit_state(state, &overlay, parent.state_root, block.number),
        );
        let state = state?;
        let header = amend(header(parent.hash, &block, &rules, state.trie.root(), body));
        Ok(sealed(params, header, state, exit_head, lists))
    }

    /// Pays the base fees of the block's transactions to its builder, or leaves them burnt. Wei
    /// burnt.
    fn pay_base_fees(&mut self) -> Result<U256, Fault> {
        let fees = U256::from(self.block.base_fee).saturating_mul(U256::from(self.paid_gas));
        match self.params.fee_rule {
            FeeRule::Ethereum => Ok(fees),
            FeeRule::Pegged => {
                self.pay(self.block.beneficiary, fees)?;
                Ok(U256::ZERO)
            }
        }
    }

    /// Invariant I1 for the native coin, then the naming of a checkpoint.
    fn end_peg(&mut self, burnt: U256) -> Result<(), Fault> {
        let Some(peg) = &self.params.peg else { return Ok(()) };
        let Ledger { destroyed, .. } = self.ledger;
        if !destroyed.is_zero() {
            self.peg(peg, |peg| peg.destroyed(destroyed))?;
        }
        let supply = self.overlay().supply()?;
        let balanced = is_balanced(supply, self.ledger, burnt);
        let (number, timestamp) = (self.block.number, self.block.timestamp);
        self.peg(peg, |peg| {
            if !balanced {
                peg.halt();
            }
            peg.end_block(Height::new(number), timestamp)
        })
    }

    fn exit_head(&mut self) -> Result<ExitHead, Fault> {
        match &self.params.peg {
            Some(peg) => self.peg(peg, |peg| peg.exit_head()),
            None => Ok(no_exits()),
        }
    }
}

/// The block under this header.
pub(crate) fn sealed(
    params: &ChainParams,
    header: Header,
    state: CommittedState,
    exit_head: &ExitHead,
    lists: Lists,
) -> ExecutedBlock {
    let Lists { transactions, receipts, outcomes, exits } = lists;
    let CommittedState { changes, trie, gone } = state;
    let hash = header.hash_slow();
    ExecutedBlock {
        app_hash: params.app_hash(header.number, hash, *exit_head),
        header,
        hash,
        transactions,
        receipts,
        outcomes,
        changes,
        trie,
        gone,
        exits,
        exit_root: exit_head.root,
        exit_count: exit_head.count,
    }
}

/// The exit head of a chain without a peg.
pub(crate) fn no_exits() -> ExitHead {
    ExitHead { count: 0, root: exit::Frontier::default().root() }
}

/// Whether the change of all balances is what was credited less what was exited, destroyed and
/// burnt.
fn is_balanced(supply: Supply, ledger: Ledger, burnt: U256) -> bool {
    let made = supply.before.checked_add(ledger.credited);
    let gone = [ledger.exited, ledger.destroyed, burnt]
        .into_iter()
        .try_fold(supply.after, |sum, amount| sum.checked_add(amount));
    made.is_some() && made == gone
}

/// The state after a block, with what the block changed.
#[derive(Debug)]
pub(crate) struct CommittedState {
    pub(crate) changes: ChangeSet,
    pub(crate) trie: StateTrie,
    pub(crate) gone: BTreeSet<NodeAt>,
}

/// Applies the overlay of the block at `height` to the tries.
pub(crate) fn commit_state(
    state: &dyn BlockState,
    overlay: &Overlay<'_>,
    parent_root: B256,
    height: u64,
) -> Result<CommittedState, Fault> {
    let parent = state.trie()?;
    if parent.root() != parent_root {
        return Err(Fault::new("execute a block on another state than its parent's"));
    }
    let changes = overlay.changes();
    let applied = parent
        .apply(&state, height, &changes.hashed())
        .map_err(|error| Fault::from_cause("apply a block to the state tries", error))?;
    committed(changes, applied)
}

/// The changes with the storage roots that the tries have.
fn committed(mut changes: ChangeSet, applied: Applied) -> Result<CommittedState, Fault> {
    let Applied { trie, storage_roots, gone } = applied;
    let addresses: Vec<_> = changes.accounts.keys().copied().collect();
    let hashed = mooring_keccak::all(&addresses);
    for ((address, change), hashed) in changes.accounts.iter_mut().zip(hashed) {
        let Some(account) = &mut change.account else { continue };
        let root = storage_roots.get(&hashed);
        let missing = || Fault::new(format!("find the storage root of the changed {address}"));
        account.storage_root = *root.ok_or_else(missing)?;
    }
    Ok(CommittedState { changes, trie, gone })
}

/// What a header says of the block's transactions and receipts.
#[derive(Debug)]
pub(crate) struct BodyRoots {
    transactions_root: B256,
    receipts_root: B256,
    logs_bloom: Bloom,
    gas_used: u64,
    blob_gas_used: u64,
}

impl BodyRoots {
    pub(crate) fn of(transactions: &[EthTx], receipts: &[EthReceipt]) -> Self {
        let (receipts_root, logs_bloom) = tx::receipts_root(receipts);
        Self {
            transactions_root: tx::transactions_root(transactions),
            receipts_root,
            logs_bloom,
            gas_used: receipts.last().map_or(0, |receipt| receipt.cumulative_gas_used),
            blob_gas_used: tx::blob_gas_used(transactions),
        }
    }
}

/// A real Ethereum header (design section 3), with the fields that the block's fork has.
pub(crate) fn header(
    parent_hash: B256,
    block: &BlockContext,
    rules: &Rules,
    state_root: B256,
    body: BodyRoots,
) -> Header {
    let since = |fork| rules.has(fork);
    Header {
        parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: block.beneficiary,
        state_root,
        transactions_root: body.transactions_root,
        receipts_root: body.receipts_root,
        logs_bloom: body.logs_bloom,
        difficulty: block.difficulty,
        number: block.number,
        gas_limit: block.gas_limit,
        gas_used: body.gas_used,
        timestamp: block.timestamp,
        mix_hash: block.prev_randao,
        base_fee_per_gas: since(SpecId::LONDON).then_some(block.base_fee),
        withdrawals_root: since(SpecId::SHANGHAI).then_some(EMPTY_WITHDRAWALS),
        blob_gas_used: since(SpecId::CANCUN).then_some(body.blob_gas_used),
        excess_blob_gas: since(SpecId::CANCUN).then_some(block.excess_blob_gas),
        parent_beacon_block_root: since(SpecId::CANCUN).then_some(B256::ZERO),
        requests_hash: since(SpecId::PRAGUE).then_some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn wei(amount: u64) -> U256 {
        U256::from_limbs([amount, 0, 0, 0])
    }

    #[test]
    fn supply_moves_only_by_what_the_ledger_names() {
        let ledger = Ledger { credited: wei(7), exited: wei(2), destroyed: wei(1) };
        let after = |after| Supply { before: wei(100), after: wei(after) };
        assert!(is_balanced(after(104), ledger, U256::ZERO));
        assert!(!is_balanced(after(105), ledger, U256::ZERO), "an increase from nowhere");
        assert!(!is_balanced(after(103), ledger, U256::ZERO), "a loss that nobody counted");
        assert!(is_balanced(after(103), ledger, wei(1)), "a burnt base fee");
        let lie = Ledger { credited: U256::MAX, ..Ledger::default() };
        assert!(!is_balanced(after(99), lie, U256::ZERO), "more than 256 bits");
    }
}
