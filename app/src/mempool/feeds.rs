//! What consensus and gossip take from the pool and give it.

use alloy_primitives::{Address, B256, keccak256};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use mooring_bridge::{addresses::PEG, federation::FEDERATION_TX_TYPE};
use mooring_stf::{Fault, tx::SignedTx};
use tokio::sync::{broadcast, watch};
use tracing::{debug, error};

use super::{Account, Mempool, Origin, Room, SubmitError, check};
use crate::{
    application::{Budget, Candidates, Touched, TxSource},
    p2p::{GossipPool, Verdict},
    store::View,
};

impl TxSource for Mempool {
    fn propose(&self, budget: Budget) -> Candidates {
        let state = self.lock();
        let mut left = budget.bytes;
        let mut federation = Vec::new();
        for message in state.pool.federation() {
            let Some(rest) = left.checked_sub(message.raw.len() as u64) else { continue };
            left = rest;
            federation.push(message.raw.clone().into());
        }
        let room = Room { bytes: left, gas: budget.gas, base_fee: budget.base_fee };
        let ethereum = state.pool.best(room).iter().map(|tx| tx.raw.clone().into()).collect();
        Candidates { federation, ethereum }
    }

    fn recovered(&self, hashes: &[B256]) -> Vec<Option<SignedTx>> {
        let state = self.lock();
        let known = |hash| state.pool.get(hash).map(|tx| tx.recovered.clone());
        hashes.iter().map(known).collect()
    }

    fn committed(&self, view: &View, included: &[Bytes], touched: &[Touched]) {
        let accounts = touched.iter().map(|(address, record)| {
            (*address, record.as_ref().map(Account::from).unwrap_or_default())
        });
        let mut state = self.lock();
        state.advance(self.params(), view, accounts);
        for message in included.iter().filter(|tx| tx.first() == Some(&FEDERATION_TX_TYPE)) {
            state.pool.remove_federation(&keccak256(message));
        }
        // The peg's rules read nothing but its account.
        if touched.iter().any(|(address, _)| *address == PEG) {
            report(state.recheck_federation(self.params()));
        }
    }

    fn reorged(&self, view: &View, returned: &[Bytes]) {
        report(self.reset(view));
        for raw in returned {
            if let Err(error) = self.submit_blocking(raw.clone(), Origin::Reorg) {
                debug!(%error, "transaction of a dropped block not pooled again");
            }
        }
    }

    fn arrivals(&self) -> watch::Receiver<u64> {
        self.subscribe_arrivals()
    }
}

impl Mempool {
    /// Puts the pool on top of `view`, which may be anything: every sender is read again.
    fn reset(&self, view: &View) -> Result<(), Fault> {
        let mut state = self.lock();
        let senders: Vec<Address> = state.pool.senders().collect();
        let accounts =
            senders.into_iter().map(|sender| Ok((sender, check::account(view, sender)?)));
        let accounts: Vec<_> = accounts.collect::<Result<_, Fault>>()?;
        state.advance(self.params(), view, accounts);
        state.recheck_federation(self.params())
    }

    /// Takes what it can of a peer's batch.
    fn judge(&self, batch: Vec<Bytes>) -> Verdict {
        let mut verdict = Verdict::Ignore;
        for raw in batch {
            match self.submit_blocking(raw, Origin::Peer) {
                Ok(_) => verdict = Verdict::Accept,
                Err(SubmitError::Rejected(rejection)) if rejection.is_malformed() => {
                    return Verdict::Reject;
                }
                Err(SubmitError::Rejected(_)) => {}
                Err(SubmitError::Fault(fault)) => {
                    error!(%fault, "gossiped transaction could not be checked");
                }
            }
        }
        verdict
    }
}

fn report(done: Result<(), Fault>) {
    if let Err(fault) = done {
        error!(%fault, "pool cannot read the state; it keeps what it had");
    }
}

impl GossipPool for Mempool {
    fn offer(&self, batch: Vec<Bytes>) -> BoxFuture<'static, Verdict> {
        let pool = self.clone();
        async move {
            let judged = pool.checking_peers(move |pool| pool.judge(batch)).await;
            judged.unwrap_or_else(|fault| {
                error!(%fault, "gossiped batch could not be checked");
                Verdict::Ignore
            })
        }
        .boxed()
    }

    fn local(&self) -> broadcast::Receiver<Bytes> {
        self.subscribe_local()
    }

    fn backlog(&self, round: u64, limit: usize) -> Vec<Bytes> {
        let state = self.lock();
        let federation = state.pool.federation().map(|message| message.raw.clone());
        let mut backlog: Vec<Bytes> = federation.take(limit).map(Bytes::from).collect();
        let room = limit.saturating_sub(backlog.len());
        let pending: Vec<_> =
            state.pool.content().filter(|(_, pending)| *pending).map(|(tx, _)| tx).collect();
        let start = page_start(round, room, pending.len());
        let page = pending.iter().skip(start).take(room);
        backlog.extend(page.map(|tx| Bytes::from(tx.raw.clone())));
        backlog
    }
}

/// Where page `round` of `len` items begins when pages of `size` take turns.
fn page_start(round: u64, size: usize, len: usize) -> usize {
    let pages = len.div_ceil(size.max(1)).max(1) as u64;
    usize::try_from(round % pages).unwrap_or_default().saturating_mul(size)
}
