//! What an imported chain of Ethereum's has and ours has not: for conformance tests.

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256};

use super::RpcContext;
use crate::store::Block;

/// The rest of an imported block. Our own blocks have no ommers and an empty list of withdrawals,
/// so that the store keeps neither.
#[derive(Clone, Debug, Default)]
pub struct ForeignBody {
    /// Uncles.
    pub ommers: Vec<Header>,
    /// EIP-4895; `None` before Shanghai.
    pub withdrawals: Option<Vec<Withdrawal>>,
}

/// The rest of an imported chain.
#[derive(Clone, Debug, Default)]
pub struct ForeignChain {
    /// By block hash.
    pub bodies: BTreeMap<B256, ForeignBody>,
    /// Where EIP-6110 deposits are made.
    pub deposit_contract: Address,
}

/// What a block holds beside its transactions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a> {
    pub(super) ommers: &'a [Header],
    pub(super) withdrawals: Option<&'a [Withdrawal]>,
}

impl RpcContext {
    pub(super) fn rest_of(&self, block: &Block) -> Rest<'_> {
        let foreign = self.foreign.as_ref().and_then(|chain| chain.bodies.get(&block.hash));
        match foreign {
            Some(ForeignBody { ommers, withdrawals }) => {
                Rest { ommers, withdrawals: withdrawals.as_deref() }
            }
            None => Rest::of_ours(block),
        }
    }
}

impl Rest<'_> {
    /// Nothing: one of our own blocks.
    pub(super) fn of_ours(block: &Block) -> Self {
        let withdrawals = block.header.withdrawals_root.is_some().then_some(&[][..]);
        Self { ommers: &[], withdrawals }
    }
}
