//! The pool behind a lock, fed by RPC and gossip, read by consensus.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{Address, B256, keccak256};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use mooring_stf::{ChainParams, Fault};
use tokio::sync::{Semaphore, broadcast, watch};
use tracing::{debug, error};

use super::{
    Account, LaneMessage, MAX_TX_BYTES, Pool, PoolLimits, PooledTx, Rejection, Room, SubmitError,
    check::{self, Admissible},
};
use crate::{
    application::{Budget, Candidates, TxSource},
    p2p::{GossipPool, Verdict},
    store::View,
};

/// How many accepted transactions a slow listener may lag behind before it misses some.
const ACCEPTED_BUFFER: usize = 8_192;
/// Transactions checked at once: recovery is CPU work and shares two pools with everything else.
const CHECKS_AT_ONCE: usize = 16;
/// Senders without news whose accounts are read again each block: fees and calls of others may
/// have changed them.
const REFRESH_PER_BLOCK: usize = 128;

/// Where a transaction came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This node's own users and relayer, over RPC.
    Local,
    /// A peer, over gossip.
    Peer,
    /// A block that the dev engine dropped.
    Reorg,
}

/// A transaction or federation message that the pool has taken.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// keccak256 of the bytes.
    pub hash: B256,
    /// The bytes.
    pub raw: Bytes,
    /// Where it came from.
    pub origin: Origin,
    /// Its decoded form; `None` for a federation message.
    pub tx: Option<Arc<PooledTx>>,
}

/// The Ethereum transactions in the pool, by sender, in nonce order.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Those that the next block could execute.
    pub pending: BTreeMap<Address, Vec<Arc<PooledTx>>>,
    /// Those that wait for a lower nonce.
    pub queued: BTreeMap<Address, Vec<Arc<PooledTx>>>,
}

/// Access to the pool. Cheap to clone; all clones are one pool.
#[derive(Clone, Debug)]
pub struct Mempool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    params: Arc<ChainParams>,
    state: Mutex<State>,
    accepted: broadcast::Sender<Accepted>,
    local: broadcast::Sender<Bytes>,
    arrivals: watch::Sender<u64>,
    checks: Arc<Semaphore>,
}

/// The pool and the state it stands on, which change together.
#[derive(Debug)]
struct State {
    pool: Pool,
    view: View,
    /// The last sender whose account was read again for no reason but time.
    refreshed: Address,
}

impl Mempool {
    /// An empty pool on top of `view`.
    pub fn new(limits: PoolLimits, params: Arc<ChainParams>, view: View) -> Self {
        let pool = Pool::new(limits, view.number(), check::next_base_fee(&params, &view));
        Self(Arc::new(Inner {
            params,
            state: Mutex::new(State { pool, view, refreshed: Address::ZERO }),
            accepted: broadcast::channel(ACCEPTED_BUFFER).0,
            local: broadcast::channel(ACCEPTED_BUFFER).0,
            arrivals: watch::Sender::new(0),
            checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
        }))
    }

    /// Checks a transaction or federation message and takes it; returns its hash. The work is done
    /// off the async threads; dropping the future may leave it taken.
    ///
    /// # Errors
    /// Why it is not taken, or the node's own fault.
    pub async fn submit(&self, raw: Bytes, origin: Origin) -> Result<B256, SubmitError> {
        let checks = Arc::clone(&self.0.checks);
        let permit = checks.acquire_owned().await;
        let pool = self.clone();
        let work = move || {
            let _permit = permit;
            pool.submit_blocking(raw, origin)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| SubmitError::Fault(Fault::from_cause("check a transaction", error)))?
    }

    /// As [`Self::submit`], on the caller's thread.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn submit_blocking(&self, raw: Bytes, origin: Origin) -> Result<B256, SubmitError> {
        if raw.len() > MAX_TX_BYTES {
            let (size, limit) = (raw.len(), MAX_TX_BYTES);
            return Err(Rejection::Oversized { size, limit }.into());
        }
        let hash = keccak256(&raw);
        if self.lock().pool.contains(&hash) {
            return Err(Rejection::AlreadyKnown.into());
        }
        let tx = self.insert(&raw)?;
        self.announce(Accepted { hash, raw, origin, tx });
        Ok(hash)
    }

    /// The nonce after the sender's pending transactions; `None` when it has nothing here.
    pub fn pending_nonce(&self, sender: Address) -> Option<u64> {
        self.lock().pool.next_nonce(&sender)
    }

    /// The Ethereum transaction with this hash.
    pub fn get(&self, hash: &B256) -> Option<Arc<PooledTx>> {
        self.lock().pool.get(hash).cloned()
    }

    /// Who sent the Ethereum transaction with this hash, if it is here: recovered once.
    pub fn sender_of(&self, hash: &B256) -> Option<Address> {
        self.lock().pool.get(hash).map(|tx| tx.sender)
    }

    /// All Ethereum transactions.
    pub fn content(&self) -> Content {
        let mut content = Content::default();
        for (tx, pending) in self.lock().pool.content() {
            let part = if pending { &mut content.pending } else { &mut content.queued };
            part.entry(tx.sender).or_default().push(tx);
        }
        content
    }

    /// Number of pending and of queued Ethereum transactions.
    pub fn status(&self) -> (usize, usize) {
        let state = self.lock();
        let pending = state.pool.content().filter(|(_, pending)| *pending).count();
        (pending, state.pool.len().saturating_sub(pending))
    }

    /// The federation messages, in order of arrival.
    pub fn federation(&self) -> Vec<LaneMessage> {
        self.lock().pool.federation().cloned().collect()
    }

    /// What is taken from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Accepted> {
        self.0.accepted.subscribe()
    }

    /// Returns the transaction, or `None` for a federation message.
    fn insert(&self, raw: &Bytes) -> Result<Option<Arc<PooledTx>>, SubmitError> {
        loop {
            let view = self.lock().view.clone();
            let checked = check::admissible(&self.0.params, &view, raw)?;
            let mut state = self.lock();
            // A block came in between: what was checked may hold no more.
            if state.view.hash() != view.hash() {
                continue;
            }
            return Ok(match checked {
                Admissible::Ethereum(tx, account) => Some(state.pool.insert(tx, account)?.tx),
                Admissible::Federation(message) => {
                    state.pool.insert_federation(message)?;
                    None
                }
            });
        }
    }

    /// Nobody listening is fine.
    fn announce(&self, accepted: Accepted) {
        self.0.arrivals.send_modify(|count| *count = count.wrapping_add(1));
        if accepted.origin != Origin::Peer {
            drop(self.0.local.send(accepted.raw.clone()));
        }
        drop(self.0.accepted.send(accepted));
    }

    fn advance(&self, view: &View, mined: &BTreeSet<B256>, everyone: bool) -> Result<(), Fault> {
        let mut state = self.lock();
        state.view = view.clone();
        let senders = state.stale_senders(mined, everyone);
        let accounts: Vec<(Address, Account)> = senders
            .into_iter()
            .map(|sender| Ok((sender, check::account(view, sender)?)))
            .collect::<Result<_, Fault>>()?;
        let base_fee = check::next_base_fee(&self.0.params, view);
        let gone = state.pool.advance(view.number(), base_fee, accounts);
        state.recheck_federation(&self.0.params, mined)?;
        debug!(height = view.number(), gone = gone.len(), left = state.pool.len(), "pool advanced");
        Ok(())
    }

    // A poisoned lock: a panic in here ends the process anyway, and each change is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Senders whose accounts the block may have changed. A mined transaction that was never here
    /// could be anyone's, so then it is all of them.
    fn stale_senders(&mut self, mined: &BTreeSet<B256>, everyone: bool) -> BTreeSet<Address> {
        if everyone || mined.iter().any(|hash| !self.pool.contains(hash)) {
            return self.pool.senders().collect();
        }
        let mined = mined.iter().filter_map(|hash| self.pool.get(hash));
        let mut senders: BTreeSet<_> = mined.map(|tx| tx.sender).collect();
        let after: Vec<_> =
            self.pool.senders_after(self.refreshed).take(REFRESH_PER_BLOCK).collect();
        self.refreshed = match after.last() {
            Some(last) if after.len() == REFRESH_PER_BLOCK => *last,
            _ => Address::ZERO,
        };
        senders.extend(after);
        senders
    }

    fn recheck_federation(
        &mut self,
        params: &ChainParams,
        mined: &BTreeSet<B256>,
    ) -> Result<(), Fault> {
        let messages: Vec<_> = self.pool.federation().cloned().collect();
        for LaneMessage { hash, raw, .. } in messages {
            if mined.contains(&hash) || !check::still_valid(params, &self.view, &raw)? {
                self.pool.remove_federation(&hash);
            }
        }
        Ok(())
    }
}

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

    fn committed(&self, view: &View, included: &[Bytes]) {
        let mined = included.iter().map(keccak256).collect();
        if let Err(fault) = self.advance(view, &mined, false) {
            error!(%fault, "pool cannot read the state; it keeps what it had");
        }
    }

    fn reorged(&self, view: &View, returned: &[Bytes]) {
        if let Err(fault) = self.advance(view, &BTreeSet::new(), true) {
            error!(%fault, "pool cannot read the state; it keeps what it had");
        }
        for raw in returned {
            if let Err(error) = self.submit_blocking(raw.clone(), Origin::Reorg) {
                debug!(%error, "transaction of a dropped block not pooled again");
            }
        }
    }

    fn arrivals(&self) -> watch::Receiver<u64> {
        self.0.arrivals.subscribe()
    }
}

impl GossipPool for Mempool {
    fn offer(&self, raw: Bytes) -> BoxFuture<'static, Verdict> {
        let pool = self.clone();
        async move {
            match pool.submit(raw, Origin::Peer).await {
                Ok(_) => Verdict::Accept,
                Err(SubmitError::Rejected(rejection)) if rejection.is_malformed() => {
                    Verdict::Reject
                }
                Err(SubmitError::Rejected(_)) => Verdict::Ignore,
                Err(SubmitError::Fault(fault)) => {
                    error!(%fault, "gossiped transaction could not be checked");
                    Verdict::Ignore
                }
            }
        }
        .boxed()
    }

    fn local(&self) -> broadcast::Receiver<Bytes> {
        self.0.local.subscribe()
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
