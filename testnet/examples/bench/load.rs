//! Transfers a second, from a load that is signed before the clock starts.

use std::{
    collections::BTreeSet,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use mooring_bridge::{addresses, contracts::TestToken};
use mooring_client::{Endpoint, Wallet, wallet::Action};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Result,
    blocks::{self, Arrivals, FEES, TRANSFER_GAS},
    devnet::{Devnet, fresh, fresh_key, until},
    machine::Cpu,
};

/// Accounts that send; a multiple of the ten that fund them.
const SENDERS: usize = 200;
/// Batches that a node is given at the same time. Each has senders of its own, so that no
/// transaction overtakes one of the same sender.
const LANES: usize = 2;
/// The most calls that a node takes in one batch.
const BATCH: usize = 100;
/// Gas limit of a token transfer; what is not used is not paid.
const TOKEN_GAS: u64 = 100_000;
/// How often a paced load sends.
const TICK: Duration = Duration::from_millis(100);

/// What the load moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Native,
    Token,
}

/// Funded accounts, and the nonce that each uses next: all the same.
#[derive(Debug)]
pub(crate) struct Senders {
    wallets: Vec<Wallet>,
    nonce: u64,
}

/// What became of one load.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Transfers a second, successful ones only, while its blocks came.
    pub(crate) rate: f64,
    /// Blocks a second meanwhile.
    pub(crate) blocks: Option<f64>,
    /// The blocks that held it.
    pub(crate) heights: RangeInclusive<u64>,
    /// Counts and processor shares, for people.
    pub(crate) summary: String,
}

/// A load: signed transactions lane by lane, in the order in which they are sent.
type Signed = Vec<Vec<(B256, Bytes)>>;

impl Senders {
    /// Gives every sender a coin and a token, from the ten accounts and from account 0, which
    /// must hold the wrapped test token.
    pub(crate) async fn fund(devnet: &Devnet) -> Result<Self> {
        let node = devnet.node(0)?;
        let mut wallets = Vec::with_capacity(SENDERS);
        for index in 0..SENDERS {
            wallets.push(Wallet::new(node.clone(), fresh_key("sender", index)?).await?);
        }
        let ether = U256::from(10).pow(U256::from(18));
        let users = devnet.network.accounts.len();
        let mut signed = Vec::new();
        for index in 0..users {
            let user = devnet.user(node.clone(), index).await?;
            let mut nonce = node.nonce(user.address(), BlockNumberOrTag::Pending).await?;
            for wallet in wallets.iter().skip(index).step_by(users) {
                let coin = Action { to: Some(wallet.address()), value: ether, ..Action::default() };
                signed.push(user.sign(&coin, nonce, TRANSFER_GAS, FEES)?);
                nonce += 1;
            }
            for wallet in wallets.iter().filter(|_| index == 0) {
                let token = token_transfer(devnet, wallet.address(), 1_000_000);
                signed.push(user.sign(&token, nonce, TOKEN_GAS, FEES)?);
                nonce += 1;
            }
        }
        let client = client()?;
        // Small batches: a node checks the calls of one at the same time, in any order.
        for batch in signed.chunks(20) {
            let refused = send(&client, &node, batch).await?;
            if let Some(refusal) = refused.first() {
                return Err(format!("funding the senders: {refusal}").into());
            }
        }
        for (hash, _) in &signed {
            until("the senders' funds", async || Ok(node.receipt(*hash).await?)).await?;
        }
        Ok(Self { wallets, nonce: 0 })
    }

    /// Signs `each` transfers of every sender, each sender's for one lane.
    fn sign(&mut self, devnet: &Devnet, kind: Kind, each: u64) -> Result<Signed> {
        let lanes = devnet.network.nodes.len() * LANES;
        let to = fresh("payee", 0)?;
        let (action, gas) = match kind {
            Kind::Native => {
                (Action { to: Some(to), value: U256::ONE, ..Action::default() }, TRANSFER_GAS)
            }
            Kind::Token => (token_transfer(devnet, to, 1), TOKEN_GAS),
        };
        let mut signed: Signed = vec![Vec::new(); lanes];
        for nonce in self.nonce..self.nonce + each {
            for (index, wallet) in self.wallets.iter().enumerate() {
                signed[index % lanes].push(wallet.sign(&action, nonce, gas, FEES)?);
            }
        }
        self.nonce += each;
        Ok(signed)
    }

    /// Signs a load, sends it as fast as the nodes take it, or `pace` a second, and waits until
    /// it is in blocks.
    pub(crate) async fn run(
        &mut self,
        devnet: &Devnet,
        kind: Kind,
        each: u64,
        pace: Option<f64>,
    ) -> Result<Outcome> {
        let signed = self.sign(devnet, kind, each)?;
        let wanted: BTreeSet<B256> = signed.iter().flatten().map(|(hash, _)| *hash).collect();
        let node = devnet.node(0)?;
        let before = node.block_number().await?;
        let stop = CancellationToken::new();
        let _stop = stop.clone().drop_guard();
        let watching = tokio::spawn(blocks::watch(node.clone(), stop.clone()));
        let (start, cpu) = (Instant::now(), Cpu::now(devnet)?);
        let refused = submit(devnet, signed, pace).await?;
        let sent = start.elapsed();
        let loaded = included(&node, before, &wanted, refused.len()).await?;
        let cpu = Cpu::now(devnet)?.since(cpu);
        // One more block, so that the last loaded one has certainly been seen.
        until("one more block", async || {
            Ok((node.block_number().await? > *loaded.end()).then_some(()))
        })
        .await?;
        stop.cancel();
        let arrivals = watching.await??;
        let succeeded = succeeded(&node, &loaded, &wanted).await?;
        let seconds = span(&arrivals, &loaded)?;
        let blocks = loaded.end() - loaded.start() + 1;
        let reason = refused.first().map_or(String::new(), |r| format!(" ({r})"));
        let summary = format!(
            "{} {kind:?} transfers sent in {:.1} s, {} refused{reason}, {succeeded} succeeded in \
             {blocks} blocks; {cpu}",
            wanted.len(),
            sent.as_secs_f64(),
            refused.len(),
        );
        let inside: Arrivals = arrivals.range(loaded.clone()).map(|(h, at)| (*h, *at)).collect();
        Ok(Outcome {
            rate: f64::from(succeeded) / seconds,
            blocks: blocks::rate(&inside),
            heights: loaded,
            summary,
        })
    }
}

fn token_transfer(devnet: &Devnet, to: Address, amount: u64) -> Action {
    let l1 = &devnet.network.l1;
    let call = TestToken::transferCall { to, value: U256::from(amount) };
    Action {
        to: Some(addresses::wrapped_token(l1.chain_id, l1.test_token)),
        value: U256::ZERO,
        input: call.abi_encode().into(),
    }
}

/// From the arrival of the block before the first loaded one to that of the last.
fn span(arrivals: &Arrivals, loaded: &RangeInclusive<u64>) -> Result<f64> {
    let at = |height: u64| arrivals.get(&height).ok_or("a block was not seen to arrive");
    // The first loaded block may be the first that was watched.
    let start = at(loaded.start() - 1).or_else(|_| at(*loaded.start()))?;
    let seconds = at(*loaded.end())?.duration_since(*start).as_secs_f64();
    if seconds > 0.0 { Ok(seconds) } else { Err("the load fits into one block: send more".into()) }
}

/// Sends the lanes, all at the same time; returns the refusals.
async fn submit(devnet: &Devnet, signed: Signed, pace: Option<f64>) -> Result<Vec<String>> {
    let (client, lanes) = (client()?, signed.len());
    let mut tasks = JoinSet::new();
    for (index, part) in signed.into_iter().enumerate() {
        let node = devnet.node(index % devnet.network.nodes.len())?;
        let client = client.clone();
        let size = pace.map_or(BATCH, |rate| portion(rate, lanes));
        tasks.spawn(async move {
            let mut tick = tokio::time::interval(TICK);
            let mut refused = Vec::new();
            for batch in part.chunks(size) {
                if pace.is_some() {
                    tick.tick().await;
                }
                refused.extend(send(&client, &node, batch).await?);
            }
            Ok::<_, crate::Error>(refused)
        });
    }
    let mut refused = Vec::new();
    while let Some(outcome) = tasks.join_next().await {
        refused.extend(outcome??);
    }
    Ok(refused)
}

/// Transactions that one lane sends at each tick.
fn portion(rate: f64, lanes: usize) -> usize {
    let lanes = u32::try_from(lanes).map_or(1.0, f64::from);
    let wanted = rate * TICK.as_secs_f64() / lanes;
    (1..=BATCH)
        .rfind(|size| u32::try_from(*size).is_ok_and(|s| f64::from(s) <= wanted))
        .unwrap_or(1)
}

fn client() -> Result<reqwest::Client> {
    Ok(mooring_client::http::client(Duration::from_secs(60))?)
}

/// One JSON-RPC batch; returns what was refused.
async fn send(
    client: &reqwest::Client,
    node: &Endpoint,
    batch: &[(B256, Bytes)],
) -> Result<Vec<String>> {
    let calls: Vec<Value> = batch
        .iter()
        .enumerate()
        .map(|(id, (_, raw))| {
            json!({"jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction", "params": [raw]})
        })
        .collect();
    let request = client
        .post(node.url())
        .header("content-type", "application/json")
        .body(serde_json::to_vec(&calls)?);
    let answer: Value = serde_json::from_slice(&request.send().await?.bytes().await?)?;
    let answers = answer.as_array().ok_or_else(|| format!("a batch is answered with {answer}"))?;
    let refused = answers.iter().filter_map(|answer| answer.get("error"));
    Ok(refused.map(|error| error["message"].as_str().unwrap_or_default().to_owned()).collect())
}

/// Waits until all but the refused transactions are in blocks; the blocks that hold them.
async fn included(
    node: &Endpoint,
    before: u64,
    wanted: &BTreeSet<B256>,
    refused: usize,
) -> Result<RangeInclusive<u64>> {
    let (mut height, mut missing) = (before, wanted.len().saturating_sub(refused));
    let mut loaded: Option<RangeInclusive<u64>> = None;
    while missing > 0 {
        height += 1;
        // Empty blocks still come when nothing more does: the patience is for the whole block.
        let tag = BlockNumberOrTag::Number(height);
        let block = until("a block", async || Ok(node.block(tag).await?)).await?;
        let ours = block.transactions.hashes().filter(|hash| wanted.contains(hash)).count();
        missing = missing.saturating_sub(ours);
        if ours > 0 {
            loaded = Some(loaded.map_or(height, |range| *range.start())..=height);
        } else if height > loaded.as_ref().map_or(before, |range| *range.end()) + 120 {
            return Err(format!("{missing} transactions of the load are in no block").into());
        }
    }
    loaded.ok_or_else(|| "every transaction of the load was refused".into())
}

/// How many of `wanted` have a receipt with status 1 in these blocks.
async fn succeeded(
    node: &Endpoint,
    heights: &RangeInclusive<u64>,
    wanted: &BTreeSet<B256>,
) -> Result<u32> {
    let mut count = 0;
    for height in heights.clone() {
        let tag = BlockNumberOrTag::Number(height);
        let receipts: Vec<Value> = node.request("eth_getBlockReceipts", (tag,)).await?;
        for receipt in receipts {
            let hash: B256 = serde_json::from_value(receipt["transactionHash"].clone())?;
            count += u32::from(receipt["status"] == "0x1" && wanted.contains(&hash));
        }
    }
    Ok(count)
}
