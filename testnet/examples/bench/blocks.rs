//! How often blocks come, how long consensus takes, how long a person waits for a receipt.

use std::{
    collections::BTreeMap,
    fs,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::U256;
use mooring_client::{
    Endpoint, Wallet,
    wallet::{Action, Fees},
};
use mooring_testnet::status;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Result,
    devnet::{Devnet, PATIENCE, POLL, fresh},
};

/// Gas of a plain transfer.
pub(crate) const TRANSFER_GAS: u64 = 21_000;
/// Far above any base fee that a bench can cause, so that no transaction waits for a price.
pub(crate) const FEES: Fees = Fees { max_fee: 1_000_000_000, tip: 1 };

/// When each height was first seen at a node.
pub(crate) type Arrivals = BTreeMap<u64, Instant>;

/// Records the arrival of blocks at `node` until cancelled.
pub(crate) async fn watch(node: Endpoint, stop: CancellationToken) -> Result<Arrivals> {
    let mut arrivals = Arrivals::new();
    let mut last = node.block_number().await?;
    while !stop.is_cancelled() {
        tokio::time::sleep(POLL).await;
        let height = node.block_number().await?;
        let now = Instant::now();
        arrivals.extend((last + 1..=height).map(|height| (height, now)));
        last = last.max(height);
    }
    Ok(arrivals)
}

/// Blocks a second over `windows` windows of `length` each.
pub(crate) async fn cadence(
    devnet: &Devnet,
    windows: usize,
    length: Duration,
) -> Result<(Vec<f64>, RangeInclusive<u64>)> {
    let node = devnet.node(0)?;
    let first = node.block_number().await? + 1;
    let mut rates = Vec::new();
    let mut last = first;
    for _ in 0..windows {
        let stop = CancellationToken::new();
        let watching = tokio::spawn(watch(node.clone(), stop.clone()));
        tokio::time::sleep(length).await;
        stop.cancel();
        let arrivals = watching.await??;
        rates.extend(rate(&arrivals));
        last = arrivals.keys().next_back().copied().unwrap_or(last);
    }
    Ok((rates, first..=last))
}

/// Blocks a second from the first arrival to the last.
pub(crate) fn rate(arrivals: &Arrivals) -> Option<f64> {
    let (first, start) = arrivals.first_key_value()?;
    let (last, end) = arrivals.last_key_value()?;
    let blocks = u32::try_from(last - first).ok().filter(|blocks| *blocks > 0)?;
    Some(f64::from(blocks) / end.duration_since(*start).as_secs_f64())
}

/// Milliseconds from submitting a transfer to its receipt at the same node: at every node at the
/// same time up to `each` transfers, one after the other, none begun after `stop`.
pub(crate) async fn receipts(
    devnet: &Devnet,
    each: usize,
    stop: &CancellationToken,
) -> Result<Vec<f64>> {
    let mut tasks = JoinSet::new();
    for index in 0..devnet.network.nodes.len() {
        // The last accounts: the first ones are busy elsewhere.
        let user = devnet.network.accounts.len() - 1 - index;
        let wallet = devnet.user(devnet.node(index)?, user).await?;
        tasks.spawn(probe(wallet, each, stop.clone()));
    }
    let mut times = Vec::new();
    while let Some(outcome) = tasks.join_next().await {
        times.extend(outcome??);
    }
    Ok(times)
}

async fn probe(wallet: Wallet, count: usize, stop: CancellationToken) -> Result<Vec<f64>> {
    let node = wallet.endpoint();
    let to = fresh("receipt", 0)?;
    let action = Action { to: Some(to), value: U256::ONE, ..Action::default() };
    let mut nonce = node.nonce(wallet.address(), BlockNumberOrTag::Pending).await?;
    let mut times = Vec::new();
    while times.len() < count && !stop.is_cancelled() {
        let (hash, raw) = wallet.sign(&action, nonce, TRANSFER_GAS, FEES)?;
        let start = Instant::now();
        node.send_raw(raw).await?;
        while node.receipt(hash).await?.is_none() {
            if start.elapsed() > PATIENCE {
                return Err(format!("{hash} is in no block").into());
            }
            tokio::time::sleep(POLL).await;
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
        nonce += 1;
    }
    Ok(times)
}

/// Milliseconds from the line `proposing` in the proposer's log to the line `committed block` in
/// each node's, for the blocks of these heights. All nodes share one clock.
pub(crate) fn finality(devnet: &Devnet, heights: &RangeInclusive<u64>) -> Result<Vec<f64>> {
    let mut proposed = BTreeMap::new();
    let mut committed = Vec::new();
    for node in &devnet.network.nodes {
        let log = fs::read_to_string(status::log_path(devnet.path(), &node.name))?;
        for line in log.lines().map(plain) {
            let Some(entry) = Entry::read(&line).filter(|e| heights.contains(&e.height)) else {
                continue;
            };
            if entry.commit {
                committed.push((entry.id, entry.millis));
            } else {
                proposed.entry(entry.id).or_insert(entry.millis);
            }
        }
    }
    let spans = committed.into_iter().filter_map(|(id, end)| {
        // The log has the time of day: midnight may lie between the two.
        proposed.get(&id).map(|start| (end - start).rem_euclid(86_400_000.0))
    });
    Ok(spans.collect())
}

struct Entry {
    millis: f64,
    commit: bool,
    height: u64,
    id: String,
}

impl Entry {
    fn read(line: &str) -> Option<Self> {
        let commit = line.contains(": committed block ");
        if !commit && !line.contains(": proposing ") {
            return None;
        }
        let value = |key: &str| {
            let at = line.find(&format!(" {key}="))? + key.len() + 2;
            line[at..].split_whitespace().next()
        };
        let (_, time) = line.split_whitespace().next()?.split_once('T')?;
        let mut parts = time.trim_end_matches('Z').split(':');
        let mut part = || parts.next()?.parse::<f64>().ok();
        let (hours, minutes, seconds) = (part()?, part()?, part()?);
        Some(Self {
            millis: ((hours * 60.0 + minutes) * 60.0 + seconds) * 1e3,
            commit,
            height: value("height")?.parse().ok()?,
            id: value("id")?.to_owned(),
        })
    }
}

/// The line without the escapes that colour it.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}
