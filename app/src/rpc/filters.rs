//! Filters that a client installs and polls.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use alloy_primitives::{B256, U128};
use alloy_rpc_types_eth::{Filter, FilterBlockOption};
use serde_json::{Value, json, value::RawValue};
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

use super::{Args, LongMethod, Method, RpcContext, RpcError, Time, json::to_raw, logs};
use crate::{mempool::Accepted, store::View};

pub(super) const METHODS: &[Method] = &[
    ("eth_newFilter", new_log_filter),
    ("eth_newBlockFilter", new_block_filter),
    ("eth_newPendingTransactionFilter", new_pending_filter),
    ("eth_uninstallFilter", uninstall),
];

pub(super) const LONG_METHODS: &[LongMethod] =
    &[("eth_getFilterChanges", changes), ("eth_getFilterLogs", filter_logs)];

/// A filter that nobody polls for this long is gone.
const IDLE: Duration = Duration::from_secs(300);

/// What a filter reports.
#[derive(Debug)]
enum Kind {
    Blocks(Cursor),
    Logs(Cursor, Box<Filter>),
    Pending(Receiver<Accepted>),
}

/// The last block that was reported.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    height: u64,
    hash: B256,
}

impl Cursor {
    fn at(view: &View) -> Self {
        Self { height: view.number(), hash: view.hash() }
    }

    /// The blocks after the cursor, which moves to the view's end. Where the dev engine has dropped
    /// the cursor's block, those above the newest block that cannot be dropped come again.
    fn advance(&mut self, view: &View) -> Result<(u64, u64), RpcError> {
        let known = view.hash_of(self.height)? == Some(self.hash);
        let after = if known { self.height } else { self.height.min(view.finalized_number()) };
        *self = Self::at(view);
        Ok((after.saturating_add(1), view.number()))
    }
}

#[derive(Debug)]
struct Installed {
    kind: Kind,
    polled: Instant,
}

/// The installed filters, by id.
#[derive(Debug)]
pub(super) struct Filters {
    limit: usize,
    installed: Mutex<BTreeMap<U128, Installed>>,
}

impl Filters {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, installed: Mutex::new(BTreeMap::new()) }
    }

    fn install(&self, kind: Kind) -> Result<Value, RpcError> {
        let mut installed = self.lock();
        installed.retain(|_, filter| filter.polled.elapsed() < IDLE);
        if installed.len() >= self.limit {
            return Err(RpcError::limit("too many filters are installed"));
        }
        let id = U128::from(rand::random::<u128>());
        installed.insert(id, Installed { kind, polled: Instant::now() });
        Ok(json!(id))
    }

    // Each filter is changed whole, so a poisoned lock guards nothing half-done.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<U128, Installed>> {
        self.installed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the filter out while it is being answered, so that a long search blocks nobody.
    fn take(&self, id: U128) -> Result<Installed, RpcError> {
        let filter = self.lock().remove(&id).filter(|filter| filter.polled.elapsed() < IDLE);
        filter.ok_or_else(|| RpcError::server("filter not found"))
    }

    fn put_back(&self, id: U128, kind: Kind) {
        self.lock().insert(id, Installed { kind, polled: Instant::now() });
    }
}

fn new_log_filter(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let filter: Filter = args.required("filter")?;
    if let FilterBlockOption::AtBlockHash(_) = filter.block_option {
        return Err(RpcError::params("a filter cannot wait for a block by its hash"));
    }
    context.filters.install(Kind::Logs(Cursor::at(&context.latest()), Box::new(filter)))
}

fn new_block_filter(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    context.filters.install(Kind::Blocks(Cursor::at(&context.latest())))
}

fn new_pending_filter(context: &RpcContext, _: &mut Args<'_>) -> Result<Value, RpcError> {
    context.filters.install(Kind::Pending(context.pool.subscribe()))
}

fn changes(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let id = args.required("filter id")?;
    let Installed { mut kind, .. } = context.filters.take(id)?;
    let answer = poll(context, &mut kind, time);
    context.filters.put_back(id, kind);
    answer
}

fn poll(context: &RpcContext, kind: &mut Kind, time: &Time) -> Result<Box<RawValue>, RpcError> {
    let view = context.latest();
    match kind {
        Kind::Blocks(cursor) => {
            let (first, last) = cursor.advance(&view)?;
            let first = first.max(last.saturating_sub(context.limits.log_blocks));
            let mut hashes = Vec::new();
            for height in first..=last {
                hashes.extend(view.hash_of(height)?);
            }
            to_raw(hashes)
        }
        Kind::Logs(cursor, filter) => {
            let (first, last) = cursor.advance(&view)?;
            let (from, to) = filter.extract_block_range();
            let first = first.max(from.unwrap_or_default());
            let last = last.min(to.unwrap_or(u64::MAX));
            if first > last {
                return to_raw(json!([]));
            }
            to_raw(logs::in_range(context, &view, filter, first..=last, time)?)
        }
        Kind::Pending(accepted) => to_raw(drain(accepted)),
    }
}

fn drain(accepted: &mut Receiver<Accepted>) -> Vec<B256> {
    let mut hashes = Vec::new();
    loop {
        match accepted.try_recv() {
            Ok(Accepted { hash, tx: Some(_), .. }) => hashes.push(hash),
            Ok(_) | Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return hashes,
        }
    }
}

fn filter_logs(
    context: &RpcContext,
    args: &mut Args<'_>,
    time: &Time,
) -> Result<Box<RawValue>, RpcError> {
    let id = args.required("filter id")?;
    let Installed { kind, .. } = context.filters.take(id)?;
    let answer = match &kind {
        Kind::Logs(_, filter) => logs::search(context, filter, time).and_then(to_raw),
        Kind::Blocks(_) | Kind::Pending(_) => Err(RpcError::server("filter not found")),
    };
    context.filters.put_back(id, kind);
    answer
}

fn uninstall(context: &RpcContext, args: &mut Args<'_>) -> Result<Value, RpcError> {
    let id: U128 = args.required("filter id")?;
    Ok(json!(context.filters.lock().remove(&id).is_some()))
}
