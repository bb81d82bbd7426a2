//! The pool behind a lock, fed by RPC and gossip, read by consensus.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{Address, B256, keccak256};
use bytes::Bytes;
use mooring_stf::{ChainParams, Fault};
use rayon::prelude::*;
use tokio::sync::{Semaphore, broadcast, watch};
use tracing::debug;

use super::{
    Account, LaneMessage, MAX_TX_BYTES, Pool, PoolLimits, PooledTx, Rejection, SubmitError,
    check::{self, Admissible, Incoming},
};
use crate::store::View;

/// How many accepted transactions a slow listener may lag behind before it misses some.
const ACCEPTED_BUFFER: usize = 8_192;
/// Transactions of users, and batches of peers, checked at once: recovery is CPU work, and
/// consensus needs the CPU as well.
const CHECKS_AT_ONCE: usize = 4;
/// Transactions of the journal whose senders are recovered together.
const RESTORED_AT_ONCE: usize = 1_024;

/// Where a transaction came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This node's own users and relayer, over RPC.
    Local,
    /// A peer, over gossip.
    Peer,
    /// A block that the dev engine dropped.
    Reorg,
    /// What this node held before it was started again.
    Journal,
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
    user_checks: Arc<Semaphore>,
    /// Apart, so that a flood of gossip does not keep users waiting.
    peer_checks: Arc<Semaphore>,
}

/// The pool and the state it stands on, which change together.
#[derive(Debug)]
pub(super) struct State {
    pub(super) pool: Pool,
    pub(super) view: View,
}

impl Mempool {
    /// An empty pool on top of `view`.
    pub fn new(limits: PoolLimits, params: Arc<ChainParams>, view: View) -> Self {
        let pool = Pool::new(limits, view.number(), check::next_base_fee(&params, &view));
        Self(Arc::new(Inner {
            params,
            state: Mutex::new(State { pool, view }),
            accepted: broadcast::channel(ACCEPTED_BUFFER).0,
            local: broadcast::channel(ACCEPTED_BUFFER).0,
            arrivals: watch::Sender::new(0),
            user_checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
            peer_checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
        }))
    }

    /// Checks a transaction or federation message and takes it; returns its hash. The work is done
    /// off the async threads; dropping the future may leave it taken.
    ///
    /// # Errors
    /// Why it is not taken, or the node's own fault.
    pub async fn submit(&self, raw: Bytes, origin: Origin) -> Result<B256, SubmitError> {
        let work = move |pool: Self| pool.submit_blocking(raw, origin);
        self.blocking(Arc::clone(&self.0.user_checks), work).await?
    }

    /// As [`Self::submit`], on the caller's thread.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn submit_blocking(&self, raw: Bytes, origin: Origin) -> Result<B256, SubmitError> {
        self.insert(&self.decode(raw)?, origin)
    }

    /// Offers what the pool held before a restart, oldest first; returns how many it takes again.
    /// All is checked as if it came from a peer. Blocks the caller's thread.
    pub(super) fn restore(&self, records: &[Bytes]) -> usize {
        let mut taken = 0_usize;
        for chunk in records.chunks(RESTORED_AT_ONCE) {
            let decoded: Vec<_> = chunk.par_iter().map(|raw| self.decode(raw.clone())).collect();
            for incoming in decoded {
                let inserted = incoming
                    .map_err(SubmitError::from)
                    .and_then(|incoming| self.insert(&incoming, Origin::Journal));
                match inserted {
                    Ok(_) => taken = taken.saturating_add(1),
                    Err(error) => debug!(%error, "transaction of the journal not pooled again"),
                }
            }
        }
        taken
    }

    /// The nonce after the sender's pending transactions; `None` when it has nothing here.
    pub fn pending_nonce(&self, sender: Address) -> Option<u64> {
        self.lock().pool.next_nonce(&sender)
    }

    /// The Ethereum transaction with this hash.
    pub fn get(&self, hash: &B256) -> Option<Arc<PooledTx>> {
        self.lock().pool.get(hash).cloned()
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

    /// All bytes in the pool, in an order in which an empty one takes them.
    pub(super) fn everything(&self) -> Vec<Bytes> {
        let state = self.lock();
        let federation = state.pool.federation().map(|message| message.raw.clone());
        let ethereum = state.pool.content().map(|(tx, _)| tx.raw.clone());
        federation.chain(ethereum).map(Bytes::from).collect()
    }

    /// Number and bytes of all in the pool.
    pub(super) fn size(&self) -> (usize, usize) {
        let state = self.lock();
        let count = state.pool.len().saturating_add(state.pool.federation().count());
        (count, state.pool.bytes().saturating_add(state.pool.federation_bytes()))
    }

    /// The most bytes that a file of the pool's contents has, with as many again that are dead.
    pub(super) fn journal_limit(&self) -> u64 {
        let limits = *self.lock().pool.limits();
        let bytes = limits.max_bytes.saturating_add(limits.lane_bytes) as u64;
        let count = limits.max_count.saturating_add(limits.lane_count) as u64;
        // Each append may bring as much again as the channel holds before the next look.
        bytes.saturating_add(count.saturating_mul(64)).saturating_mul(4)
    }

    /// Runs `work` off the async threads, when `checks` has a permit.
    async fn blocking<T: Send + 'static>(
        &self,
        checks: Arc<Semaphore>,
        work: impl FnOnce(Self) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        // The semaphore is never closed; without a permit the work is still right, only less bounded.
        let permit = checks.acquire_owned().await;
        let pool = self.clone();
        let work = move || {
            let _permit = permit;
            work(pool)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Fault::from_cause("check a transaction", error))
    }

    /// Runs `work` on bytes of a peer, off the async threads.
    pub(super) async fn checking_peers<T: Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        self.blocking(Arc::clone(&self.0.peer_checks), work).await
    }

    fn decode(&self, raw: Bytes) -> Result<Incoming, Rejection> {
        if raw.len() > MAX_TX_BYTES {
            let (size, limit) = (raw.len(), MAX_TX_BYTES);
            return Err(Rejection::Oversized { size, limit });
        }
        let hash = keccak256(&raw);
        if self.lock().pool.contains(&hash) {
            return Err(Rejection::AlreadyKnown);
        }
        check::incoming(&self.0.params, hash, raw)
    }

    fn insert(&self, incoming: &Incoming, origin: Origin) -> Result<B256, SubmitError> {
        loop {
            let view = self.lock().view.clone();
            let checked = check::admissible(&self.0.params, &view, incoming)?;
            let mut state = self.lock();
            // A block came in between: what was checked may hold no more.
            if state.view.hash() != view.hash() {
                continue;
            }
            let tx = match checked {
                Admissible::Ethereum(tx, account) => Some(state.pool.insert(tx, account)?.tx),
                Admissible::Federation(message) => {
                    state.pool.insert_federation(message)?;
                    None
                }
            };
            drop(state);
            let Incoming { hash, raw, .. } = incoming;
            self.announce(Accepted { hash: *hash, raw: raw.clone(), origin, tx });
            return Ok(*hash);
        }
    }

    /// Nobody listening is fine.
    fn announce(&self, accepted: Accepted) {
        self.0.arrivals.send_modify(|count| *count = count.wrapping_add(1));
        match accepted.origin {
            Origin::Local | Origin::Reorg => drop(self.0.local.send(accepted.raw.clone())),
            // Gossip forwards what peers send; the backlog brings peers the rest.
            Origin::Peer | Origin::Journal => {}
        }
        drop(self.0.accepted.send(accepted));
    }

    /// What is taken from this node's own users.
    pub(super) fn subscribe_local(&self) -> broadcast::Receiver<Bytes> {
        self.0.local.subscribe()
    }

    /// Counts what is taken.
    pub(super) fn subscribe_arrivals(&self) -> watch::Receiver<u64> {
        self.0.arrivals.subscribe()
    }

    pub(super) fn params(&self) -> &ChainParams {
        &self.0.params
    }

    // A poisoned lock: a panic in here ends the process anyway, and each change is whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts the pool on top of `view`. `accounts` are the senders that may have changed.
    pub(super) fn advance(
        &mut self,
        params: &ChainParams,
        view: &View,
        accounts: impl IntoIterator<Item = (Address, Account)>,
    ) {
        self.view = view.clone();
        let base_fee = check::next_base_fee(params, view);
        let gone = self.pool.advance(view.number(), base_fee, accounts);
        debug!(height = view.number(), gone = gone.len(), left = self.pool.len(), "pool advanced");
    }

    /// Drops the messages that the peg's state no longer allows.
    pub(super) fn recheck_federation(&mut self, params: &ChainParams) -> Result<(), Fault> {
        let messages: Vec<_> = self.pool.federation().cloned().collect();
        for LaneMessage { hash, raw, .. } in messages {
            if !check::still_valid(params, &self.view, &raw)? {
                self.pool.remove_federation(&hash);
            }
        }
        Ok(())
    }
}
