//! `mooring deposit | withdraw | claim | transfer …`: the user's side of the peg.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use alloy_primitives::{Address, B256, U256};
use alloy_signer_local::PrivateKeySigner;
use eyre::{Context, ContextCompat, bail, ensure};
use mooring_bridge::{
    NATIVE, addresses,
    contracts::{TestToken, Vault},
};
use mooring_client::{
    Endpoint, Wallet, actions,
    transfer::{Chains as BothChains, DepositStage, TransferStatus, WithdrawalStage},
};
use mooring_testnet::Network;

use super::{testnet, units};
use crate::{
    args::{Chains, Claim, Deposit, Key, Transfer, Withdraw},
    output,
};

/// How long an L1 or sidechain transaction may take until it is in a block.
const INCLUSION: Duration = Duration::from_secs(120);
/// How often a transfer is looked at while it is waited for.
const POLL: Duration = Duration::from_millis(250);

/// An asset with what is needed to read and write its amounts.
struct Asset {
    address: Address,
    symbol: String,
    decimals: u8,
}

impl Asset {
    /// `eth`, or a token on L1.
    async fn find(text: &str, l1: &Endpoint) -> eyre::Result<Self> {
        if text.eq_ignore_ascii_case("eth") {
            return Ok(Self { address: NATIVE, symbol: "ETH".into(), decimals: 18 });
        }
        let address: Address = text
            .parse()
            .wrap_err_with(|| format!("`{text}` is neither `eth` nor a token's address"))?;
        ensure!(!l1.code(address).await?.is_empty(), "there is no token at {address} on L1");
        let decimals = l1.view(address, &TestToken::decimalsCall {}).await.unwrap_or(18);
        let symbol = l1.view(address, &TestToken::symbolCall {}).await;
        Ok(Self { address, symbol: symbol.unwrap_or_else(|_| "tokens".into()), decimals })
    }

    fn amount(&self, amount: U256) -> String {
        format!("{} {}", units::format(amount, self.decimals), self.symbol)
    }
}

pub(super) async fn deposit(command: Deposit, json: bool) -> eyre::Result<ExitCode> {
    let (chains, network) = connect(&command.chains).await?;
    let signer = signer(&command.key, network.as_ref())?;
    let asset = Asset::find(&command.asset, &chains.l1).await?;
    let amount = units::parse(&command.amount, asset.decimals)?;
    let gas_wei = units::parse(&command.gas, 18)?;
    let wallet = Wallet::new(chains.l1.clone(), signer).await?;
    let to = command.to.unwrap_or_else(|| wallet.address());

    let action = if asset.address == NATIVE {
        ensure!(gas_wei.is_zero(), "--gas goes with a token; ETH pays for its own gas");
        actions::deposit_eth(chains.vault, amount, to, wallet.address())
    } else {
        allow(&wallet, &chains, &asset, amount).await?;
        let token = asset.address;
        actions::deposit_token(chains.vault, token, amount, to, wallet.address(), gas_wei)
    };
    let hash = wallet.send(&action).await.wrap_err("the Vault would refuse this deposit")?;
    output::talk(format!("sent {hash} to L1"));
    wallet.wait(hash, INCLUSION).await?;
    finish(&chains, hash, command.no_wait, json).await
}

/// Lets the Vault take exactly this deposit.
async fn allow(
    wallet: &Wallet,
    chains: &BothChains,
    asset: &Asset,
    amount: U256,
) -> eyre::Result<()> {
    let call = TestToken::allowanceCall { owner: wallet.address(), spender: chains.vault };
    if chains.l1.view(asset.address, &call).await? >= amount {
        return Ok(());
    }
    output::talk(format!("allowing the Vault to take {}", asset.amount(amount)));
    wallet.execute(&actions::approve(asset.address, chains.vault, amount), INCLUSION).await?;
    Ok(())
}

pub(super) async fn withdraw(command: Withdraw, json: bool) -> eyre::Result<ExitCode> {
    let (chains, network) = connect(&command.chains).await?;
    let signer = signer(&command.key, network.as_ref())?;
    let asset = Asset::find(&command.asset, &chains.l1).await?;
    let amount = units::parse(&command.amount, asset.decimals)?;
    let fee = units::parse(&command.fee, asset.decimals)?;
    let wallet = Wallet::new(chains.sidechain.clone(), signer).await?;
    let to = command.to.unwrap_or_else(|| wallet.address());

    let action = actions::withdraw(asset.address, amount, to, fee);
    let hash = wallet.send(&action).await.wrap_err("the Gateway would refuse this withdrawal")?;
    output::talk(format!("sent {hash} to the sidechain"));
    wallet.wait(hash, INCLUSION).await?;
    finish(&chains, hash, command.no_wait, json).await
}

pub(super) async fn claim(command: Claim, json: bool) -> eyre::Result<ExitCode> {
    let (chains, network) = connect(&command.chains).await?;
    let signer = signer(&command.key, network.as_ref())?;
    let index = exit_index(&chains, &command.exit).await?;
    ensure!(!paid(&chains, index).await?, "exit {index} is paid already");
    let action = chains.claim_of(index).await?.wrap_err_with(|| {
        format!(
            "no quorum has signed a checkpoint that covers exit {index} yet: the federation signs \
             one every few blocks; `mooring transfer show HASH` says how far it is"
        )
    })?;
    let wallet = Wallet::new(chains.l1.clone(), signer).await?;
    let hash = wallet
        .send(&action)
        .await
        .wrap_err_with(|| format!("the Vault would refuse the claim of exit {index}"))?;
    output::talk(format!("sent {hash} to L1"));
    wallet.wait(hash, INCLUSION).await?;
    ensure!(
        paid(&chains, index).await?,
        "{hash} was included and exit {index} is still open: its recipient refuses the payment \
         under a batch's gas; run `mooring claim {index}` again, which pays without a cap"
    );
    if json {
        output::json(&serde_json::json!({ "exit": index, "transaction": hash }))?;
    } else {
        output::line(format!("exit {index} is paid on L1 by {hash}"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn paid(chains: &BothChains, index: u64) -> eyre::Result<bool> {
    Ok(chains.l1.view(chains.vault, &Vault::isClaimedCall { index }).await?)
}

async fn exit_index(chains: &BothChains, text: &str) -> eyre::Result<u64> {
    if let Ok(index) = text.parse() {
        return Ok(index);
    }
    let hash: B256 =
        text.parse().wrap_err_with(|| format!("`{text}` is neither an exit's index nor a hash"))?;
    let exits = chains.exits_of(hash).await?;
    match exits.as_slice() {
        [exit] => Ok(exit.index),
        [] => bail!("{hash} made no exit on the sidechain"),
        many => {
            let indices: Vec<String> = many.iter().map(|e| e.index.to_string()).collect();
            bail!("{hash} made several exits: claim one of {}", indices.join(", "))
        }
    }
}

pub(super) async fn run(command: Transfer, json: bool) -> eyre::Result<ExitCode> {
    match command {
        Transfer::Show { chains, hash } => {
            let (chains, _) = connect(&chains).await?;
            show(&chains, hash, json).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn finish(
    chains: &BothChains,
    hash: B256,
    no_wait: bool,
    json: bool,
) -> eyre::Result<ExitCode> {
    if !no_wait {
        wait(chains, hash).await?;
    }
    show(chains, hash, json).await?;
    Ok(ExitCode::SUCCESS)
}

/// Waits until every transfer of the transaction has arrived, saying each stage once. Ctrl-C ends
/// the wait, not the transfer.
async fn wait(chains: &BothChains, hash: B256) -> eyre::Result<()> {
    let cancel = super::until_signalled()?;
    let mut said = String::new();
    while !cancel.is_cancelled() {
        let transfers = chains.transfers(hash).await?;
        let stages: Vec<&str> = transfers.iter().map(stage).collect();
        let now = stages.join(", ");
        if now != said {
            output::talk(format!("· {now}"));
            said = now;
        }
        if !transfers.is_empty() && transfers.iter().all(arrived) {
            return Ok(());
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
    output::talk(format!("it goes on without us: `mooring transfer show {hash}`"));
    Ok(())
}

const fn arrived(transfer: &TransferStatus) -> bool {
    match transfer {
        TransferStatus::In(deposit) => {
            matches!(deposit.stage, DepositStage::Credited | DepositStage::Bounced)
        }
        TransferStatus::Out(withdrawal) => matches!(withdrawal.stage, WithdrawalStage::Paid),
    }
}

const fn stage(transfer: &TransferStatus) -> &'static str {
    match transfer {
        TransferStatus::In(deposit) => match deposit.stage {
            DepositStage::InBlock => "in an L1 block, not final yet",
            DepositStage::Final => "final on L1, members are signing",
            DepositStage::Accepted => "accepted by the federation",
            DepositStage::Credited => "credited on the sidechain",
            DepositStage::Bounced => "could not be credited, sent back as an exit",
        },
        TransferStatus::Out(withdrawal) => match withdrawal.stage {
            WithdrawalStage::Burnt => "burnt on the sidechain, members are signing",
            WithdrawalStage::Signed => "signed by the federation, on its way to L1",
            WithdrawalStage::Claimable => "claimable on L1",
            WithdrawalStage::Paid => "paid on L1",
        },
    }
}

async fn show(chains: &BothChains, hash: B256, json: bool) -> eyre::Result<()> {
    let transfers = chains.transfers(hash).await?;
    ensure!(
        !transfers.is_empty(),
        "{hash} moves nothing across the peg, or neither chain has it in a block yet"
    );
    if json {
        return output::json(&transfers);
    }
    for transfer in &transfers {
        output::line(describe(chains, transfer).await?);
    }
    Ok(())
}

async fn describe(chains: &BothChains, transfer: &TransferStatus) -> eyre::Result<String> {
    let (what, asset, amount, recipient, signed) = match transfer {
        TransferStatus::In(d) => {
            (format!("deposit {}", d.count), d.asset, d.amount, d.recipient, d.signed_power)
        }
        TransferStatus::Out(w) => {
            let exit = &w.exit;
            (
                format!("exit {}", exit.index),
                exit.asset,
                exit.amount,
                exit.recipient,
                w.signed_power,
            )
        }
    };
    let name = if asset == NATIVE { "eth".to_owned() } else { asset.to_string() };
    let asset = Asset::find(&name, &chains.l1).await?;
    let mut lines = vec![
        format!("{what}: {} to {recipient}", asset.amount(amount)),
        format!("  {}", stage(transfer)),
        format!("  signed by {} of {} power", signed.0, signed.1),
    ];
    match transfer {
        TransferStatus::In(deposit) => {
            lines.extend(deposit.credit.map(|hash| format!("  credited by {hash}")));
        }
        TransferStatus::Out(withdrawal)
            if matches!(withdrawal.stage, WithdrawalStage::Signed | WithdrawalStage::Claimable) =>
        {
            let index = withdrawal.exit.index;
            lines.push(format!("  next: a relayer claims it, or `mooring claim {index}`"));
        }
        TransferStatus::Out(_) => {}
    }
    Ok(lines.join("\n"))
}

/// Both chains, by URL or from the testnet; the testnet's document where it was used.
async fn connect(chains: &Chains) -> eyre::Result<(BothChains, Option<Network>)> {
    let network = match (&chains.l1_rpc, &chains.rpc) {
        (Some(_), Some(_)) => None,
        _ => Some(Network::load(&testnet::path(&chains.dir)?)?),
    };
    let from = |given: &Option<String>, own: fn(&Network) -> Option<String>| {
        given.clone().or_else(|| network.as_ref().and_then(own)).wrap_err("no URL is known")
    };
    let l1 = Endpoint::new(&from(&chains.l1_rpc, |n| Some(n.l1.rpc.clone()))?)?;
    let sidechain =
        Endpoint::new(&from(&chains.rpc, |n| n.nodes.first().map(|node| node.rpc.clone()))?)?;
    let domain = sidechain.peg_domain().await.wrap_err("cannot ask the sidechain for its peg")?;
    l1.expect_chain(domain.l1_chain_id).await?;
    ensure!(
        !l1.code(domain.vault).await?.is_empty(),
        "the sidechain names the Vault {}, and {} has no code there",
        domain.vault,
        l1.url()
    );
    ensure!(
        !sidechain.code(addresses::GATEWAY).await?.is_empty(),
        "{} has no Gateway: it is not a Mooring sidechain",
        sidechain.url()
    );
    Ok((BothChains { l1, sidechain, vault: domain.vault }, network))
}

fn signer(key: &Key, network: Option<&Network>) -> eyre::Result<PrivateKeySigner> {
    if let Some(keystore) = &key.keystore {
        let password = password(key.password_file.as_ref())?;
        return PrivateKeySigner::decrypt_keystore(keystore, password)
            .wrap_err_with(|| format!("cannot open the keystore {}", keystore.display()));
    }
    let network = network.wrap_err("no key: give --keystore and --password-file")?;
    let account = network.accounts.get(key.account).wrap_err_with(|| {
        format!("the testnet lists {} accounts, from 0", network.accounts.len())
    })?;
    PrivateKeySigner::from_bytes(&account.private_key).wrap_err("the testnet's key is not a key")
}

fn password(file: Option<&PathBuf>) -> eyre::Result<String> {
    let file = file.wrap_err("give the keystore's password with --password-file")?;
    let text = std::fs::read_to_string(file)
        .wrap_err_with(|| format!("cannot read the password file {}", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
