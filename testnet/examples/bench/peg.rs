//! Across the peg: how long each way takes, and what it costs on L1.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use alloy_eips::BlockNumberOrTag;
use alloy_network::{AnyTransactionReceipt, ReceiptResponse};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::SolCall;
use mooring_bridge::{
    NATIVE, addresses,
    contracts::{TestToken, Vault},
};
use mooring_client::{Endpoint, Wallet, actions, peg::ExitJson};
use mooring_testnet::{process::Table, status};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    Result,
    blocks::FEES,
    devnet::{Devnet, fresh, until},
    stats::Report,
};

const LIMIT: Duration = Duration::from_secs(60);
/// Gas limit of a withdrawal; what is not used is not paid.
const WITHDRAW_GAS: u64 = 500_000;

fn amount() -> U256 {
    U256::from(10).pow(U256::from(16))
}

fn gas(receipt: &AnyTransactionReceipt) -> f64 {
    receipt.gas_used() as f64
}

/// Deposits of ETH: latency from L1 finality, and gas.
pub(crate) async fn deposits(devnet: &Devnet, runs: usize, report: &mut Report) -> Result<()> {
    let (l1, node, vault) = (devnet.l1()?, devnet.node(0)?, devnet.network.l1.vault);
    let user = devnet.user(l1.clone(), 1).await?;
    let (mut seconds, mut used) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let to = fresh("deposit", run)?;
        let receipt = user.execute(&actions::deposit_eth(vault, amount(), to, to), LIMIT).await?;
        used.push(gas(&receipt));
        let block = receipt.block_number().ok_or("a receipt without a block")?;
        until("L1 finality", async || {
            let finalized = l1.block(BlockNumberOrTag::Finalized).await?;
            Ok(finalized.filter(|finalized| finalized.header.number >= block))
        })
        .await?;
        let start = Instant::now();
        until("the credit", async || {
            Ok(Some(node.balance(to).await?).filter(|balance| !balance.is_zero()))
        })
        .await?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    report.add("peg-in, L1 finality to balance", "s", seconds)?;
    report.add("gas, deposit of ETH", "gas", used)
}

/// Deposits of the test token, for account 0: gas, and wrapped tokens for whoever needs them.
pub(crate) async fn token_deposits(
    devnet: &Devnet,
    runs: usize,
    report: &mut Report,
) -> Result<()> {
    let (l1, node, place) = (devnet.l1()?, devnet.node(0)?, &devnet.network.l1);
    let user = devnet.user(l1, 0).await?;
    let (me, token) = (user.address(), place.test_token);
    user.execute(&actions::approve(token, place.vault, U256::MAX), LIMIT).await?;
    let mut used = Vec::new();
    for _ in 0..runs {
        let deposit = actions::deposit_token(place.vault, token, amount(), me, me, U256::ZERO);
        used.push(gas(&user.execute(&deposit, LIMIT).await?));
    }
    let wrapped = addresses::wrapped_token(place.chain_id, token);
    until("the wrapped token", async || {
        // The token has no code before its first credit.
        let code = node.code(wrapped).await?;
        if code.is_empty() {
            return Ok(None);
        }
        let balance = node.view(wrapped, &TestToken::balanceOfCall { account: me }).await?;
        Ok((balance >= amount()).then_some(()))
    })
    .await?;
    report.add("gas, deposit of a token", "gas", used)
}

/// Withdrawals of ETH, one exit each: to the checkpoint's quorum, to the payment on L1, and the
/// gas of the relayers' transactions.
pub(crate) async fn withdrawals(devnet: &Devnet, runs: usize, report: &mut Report) -> Result<()> {
    let (l1, node) = (devnet.l1()?, devnet.node(0)?);
    let user = devnet.user(node.clone(), 2).await?;
    let first = l1.block_number().await? + 1;
    let (mut quorum, mut paid) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let to = fresh("withdrawal", run)?;
        let (exit, start) = withdraw(devnet, &user, to, U256::ZERO).await?;
        until("a checkpoint with quorum", async || {
            let newest = node.peg_latest_checkpoint().await?;
            Ok(newest.filter(|newest| newest.record.exit_count > exit.index))
        })
        .await?;
        quorum.push(start.elapsed().as_secs_f64());
        payment(&l1, to).await?;
        paid.push(start.elapsed().as_secs_f64());
    }
    report.add("peg-out, receipt to checkpoint quorum", "s", quorum)?;
    report.add("peg-out, receipt to payment on L1", "s", paid)?;
    let used = single_claims(&l1, devnet.network.l1.vault, first).await?;
    report.add("gas, checkpointAndClaim of 1 exit", "gas", used)
}

/// Burns on the sidechain; the exit, and when its receipt was there.
async fn withdraw(
    devnet: &Devnet,
    user: &Wallet,
    to: Address,
    fee: U256,
) -> Result<(ExitJson, Instant)> {
    let node = user.endpoint();
    let action = actions::withdraw(NATIVE, amount(), to, fee);
    let nonce = node.nonce(user.address(), BlockNumberOrTag::Pending).await?;
    let (hash, raw) = user.sign(&action, nonce, WITHDRAW_GAS, FEES)?;
    node.send_raw(raw).await?;
    until("the withdrawal", async || Ok(node.receipt(hash).await?)).await?;
    let start = Instant::now();
    let exit = devnet.chains()?.exits_of(hash).await?.pop().ok_or("the withdrawal failed")?;
    Ok((exit, start))
}

async fn payment(l1: &Endpoint, to: Address) -> Result<U256> {
    until("the payment on L1", async || {
        Ok(Some(l1.balance(to).await?).filter(|balance| !balance.is_zero()))
    })
    .await
}

/// Gas of the `checkpointAndClaim` transactions since block `first` that paid exactly one exit.
async fn single_claims(l1: &Endpoint, vault: Address, first: u64) -> Result<Vec<f64>> {
    let logs = l1.logs(&Filter::new().address(vault).from_block(first)).await?;
    let hashes: BTreeSet<B256> = logs.iter().filter_map(|log| log.transaction_hash).collect();
    let mut used = Vec::new();
    for hash in hashes {
        let transaction: Value = l1.request("eth_getTransactionByHash", (hash,)).await?;
        let input: Bytes = serde_json::from_value(transaction["input"].clone())?;
        let Ok(call) = Vault::checkpointAndClaimCall::abi_decode(&input) else { continue };
        let [item] = call.items.as_slice() else { continue };
        let claimed = Vault::isClaimedCall { index: item.exit.index };
        let receipt = l1.receipt(hash).await?.ok_or("a log without a receipt")?;
        if receipt.status() && l1.view(vault, &claimed).await? {
            used.push(gas(&receipt));
        }
    }
    Ok(used)
}

/// The gas of `claim`: the relayers are told to leave exits without a fee alone, and the bench
/// claims those itself, under the checkpoint that a later exit with a fee brings to L1.
pub(crate) async fn claims(devnet: &Devnet, runs: usize, report: &mut Report) -> Result<()> {
    ask_for_fees(devnet).await?;
    let (l1, chains) = (devnet.l1()?, devnet.chains()?);
    let user = devnet.user(devnet.node(0)?, 3).await?;
    let claimer = devnet.user(l1.clone(), 3).await?;
    let mut used = Vec::new();
    for run in 0..runs {
        let left = fresh("left", run)?;
        let (exit, _) = withdraw(devnet, &user, left, U256::ZERO).await?;
        let brought = fresh("brought", run)?;
        withdraw(devnet, &user, brought, U256::from(1_000_000_000)).await?;
        payment(&l1, brought).await?;
        let action = until("the checkpoint on L1", async || {
            let action = chains.claim_of(exit.index).await?;
            // Until that checkpoint is seen, one would be brought along with the claim.
            Ok(action.filter(|action| action.input.starts_with(&Vault::claimCall::SELECTOR)))
        })
        .await?;
        used.push(gas(&claimer.execute(&action, LIMIT).await?));
        payment(&l1, left).await?;
    }
    report.add("gas, claim of 1 exit", "gas", used)
}

/// Starts the relayers again with a least fee of one wei for ETH.
async fn ask_for_fees(devnet: &Devnet) -> Result<()> {
    let mut table = Table::load(devnet.path())?;
    for relayer in &devnet.network.relayers {
        let file = devnet.path().join(&relayer.home).join("relayer.toml");
        let mut text = fs::read_to_string(&file)?;
        if !text.contains("[min_fee]") {
            text.push_str("\n[min_fee]\n");
        }
        text.push_str(&format!("\"{NATIVE}\" = \"1\"\n"));
        fs::write(&file, text)?;
        let old = table.get(&relayer.name).ok_or("a relayer without a process")?.clone();
        old.signal(Signal::SIGTERM);
        until("a relayer to stop", async || Ok((!old.alive()).then_some(()))).await?;
        table.start(&relayer.name, old.command, &status::log_path(devnet.path(), &relayer.name))?;
    }
    for relayer in &devnet.network.relayers {
        until("a relayer", async || Ok(status::ready(&relayer.status).await.then_some(()))).await?;
    }
    Ok(())
}
