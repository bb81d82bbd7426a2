//! Starting a testnet: L1, contracts, genesis, validators, relayers, funds; ready or an error.

mod wait;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{B256, U256};
use mooring_bridge::addresses;
use mooring_client::{Endpoint, Wallet, actions};
use mooring_genesis::{Genesis, L1Section};
use tokio_util::sync::CancellationToken;

use crate::{
    L1Choice, Network, TestnetError,
    deploy::{self, Deployed, VaultSetup},
    homes::{self, Identity},
    l1::{self, L1Plan},
    network::{Account, Chain, L1, Node, Relayer},
    ports::{self, Ports},
    process::{Process, Table},
    status,
};

/// What every listed account deposits, in ETH, and is given of the test token on L1.
const FUNDS: u64 = 100;

/// What to start.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// Where it lives.
    pub dir: PathBuf,
    /// The L1.
    pub l1: L1Choice,
    /// Validators, and as many relayers; 1 to 10.
    pub validators: u16,
    /// Milliseconds from one block to the next.
    pub block_interval_ms: u64,
    /// The `mooring` binary that the processes run.
    pub mooring: PathBuf,
    /// Where anvil is looked for, as in `PATH`.
    pub path: OsString,
}

/// Starts a testnet and returns when every part is ready. `talk` is told of each step. Whatever
/// was started is stopped again when a step fails or `cancel` is called.
///
/// # Errors
/// What failed, with the lines of the log that say why.
pub async fn up(
    options: &UpOptions,
    talk: &mut (dyn FnMut(&str) + Send),
    cancel: &CancellationToken,
) -> Result<Network, TestnetError> {
    let mut table = Table::load(&options.dir)?;
    if table.processes.iter().any(Process::alive) {
        return Err(TestnetError::Running { dir: options.dir.clone() });
    }
    clear(&options.dir)?;
    table.processes.clear();
    let mut starting = Starting { options, talk, table };
    let outcome = tokio::select! {
        outcome = starting.run() => outcome,
        () = cancel.cancelled() => Err(TestnetError::Invalid("stopped while starting".into())),
    };
    if outcome.is_err() {
        starting.table.stop()?;
        // Goes only when nothing was written: a log that says why stays.
        let _ = std::fs::remove_dir(&options.dir);
    }
    outcome
}

/// Removes what an earlier run left; refuses a directory that is not a testnet's.
fn clear(dir: &Path) -> Result<(), TestnetError> {
    let file = |source| TestnetError::File { path: dir.to_owned(), source };
    if dir.exists() {
        let foreign = std::fs::read_dir(dir)
            .map_err(file)?
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .find(|name| !ours(name));
        if let Some(name) = foreign {
            return Err(TestnetError::Invalid(format!(
                "{} holds `{name}`, which no testnet wrote: choose an empty directory with --dir",
                dir.display()
            )));
        }
        std::fs::remove_dir_all(dir).map_err(file)?;
    }
    std::fs::create_dir_all(dir).map_err(file)
}

fn ours(name: &str) -> bool {
    name == "network.json"
        || name == "processes.json"
        || name == "logs"
        || name == "l1"
        || name.starts_with("node")
        || name.starts_with("relayer")
}

/// Stops a testnet and deletes its directory.
///
/// # Errors
/// [`TestnetError::File`], or a directory that holds something else.
pub fn reset(dir: &Path) -> Result<Vec<String>, TestnetError> {
    let killed = Table::load(dir)?.stop()?;
    if dir.exists() {
        clear(dir)?;
        std::fs::remove_dir(dir)
            .map_err(|source| TestnetError::File { path: dir.to_owned(), source })?;
    }
    Ok(killed)
}

struct Starting<'a> {
    options: &'a UpOptions,
    talk: &'a mut (dyn FnMut(&str) + Send),
    table: Table,
}

impl Starting<'_> {
    async fn run(&mut self) -> Result<Network, TestnetError> {
        let count = self.options.validators;
        let identities: Vec<Identity> = (0..count).map(Identity::new).collect();
        let reservation = ports::reserve(count)?;
        let ports = &reservation.ports;
        let now_ms = now_ms();

        let plan = self.start_l1(ports, now_ms).await?;
        let l1_endpoint = endpoint(&plan.rpc)?;
        let setup = homes::setup(&identities, self.options.block_interval_ms, now_ms)?;
        let deployed = self.deploy(&l1_endpoint, &setup).await?;
        let section = L1Section {
            chain_id: l1::CHAIN_ID,
            vault: deployed.vault,
            deploy_block: deployed.block,
            block_hash: deployed.block_hash,
        };
        let genesis =
            Genesis::pegged(setup, section).map_err(|e| TestnetError::Genesis(e.to_string()))?;
        let funding = self.fund(&l1_endpoint, &deployed).await?;

        let nodes = self.start_nodes(&identities, &genesis, ports)?;
        let relayers = self.start_relayers(&genesis, ports, &plan.rpc)?;
        self.wait_ready(&nodes, &relayers, ports).await?;
        self.wait_funded(&l1_endpoint, &nodes, &funding).await?;

        let network = Network {
            l1: L1 {
                kind: plan.kind.to_owned(),
                rpc: plan.rpc,
                chain_id: l1::CHAIN_ID,
                vault: deployed.vault,
                test_token: deployed.test_token,
            },
            chain: Chain {
                chain_id: homes::CHAIN_ID,
                engine: genesis.setup().engine.to_string(),
                gateway: addresses::GATEWAY,
                registry: None,
            },
            nodes,
            relayers,
            accounts: accounts()?,
            ui: None,
        };
        network.store(&self.options.dir)?;
        Ok(network)
    }

    async fn start_l1(&mut self, ports: &Ports, now_ms: u64) -> Result<L1Plan, TestnetError> {
        let home = self.options.dir.join("l1");
        let plan =
            self.options.l1.plan(ports.l1, &self.options.mooring, &home, &self.options.path)?;
        (self.talk)(&match plan.kind {
            "anvil" => "L1: anvil".to_owned(),
            "builtin" => "L1: the built-in dev L1 (this binary, not Ethereum)".to_owned(),
            _ => format!("L1: {}", plan.rpc),
        });
        if let Some(command) = plan.command.clone() {
            if plan.kind == "builtin" {
                homes::write_builtin_l1(&home, ports, now_ms)?;
            }
            self.start("l1", command)?;
        }
        let endpoint = endpoint(&plan.rpc)?;
        let chain_id = if plan.command.is_some() {
            self.wait("the L1", async || endpoint.chain_id().await.ok()).await?
        } else {
            endpoint.chain_id().await.map_err(|e| TestnetError::L1Unreachable {
                url: plan.rpc.clone(),
                reason: e.to_string(),
            })?
        };
        if chain_id != l1::CHAIN_ID {
            return Err(TestnetError::PublicL1 { url: plan.rpc, chain_id, expected: l1::CHAIN_ID });
        }
        Ok(plan)
    }

    async fn deploy(
        &mut self,
        l1: &Endpoint,
        setup: &mooring_genesis::Setup,
    ) -> Result<Deployed, TestnetError> {
        (self.talk)("contracts: Vault and test token");
        let genesis = |e: mooring_genesis::GenesisError| TestnetError::Genesis(e.to_string());
        let members = setup.members().map_err(genesis)?;
        let recoveries = setup.recovery().map_err(genesis)?;
        let wallet = wallet(l1, homes::deployer()?).await?;
        let vault = VaultSetup {
            sidechain_id: setup.chain_id,
            setup_hash: setup.hash(),
            members: &members,
            recoveries: &recoveries,
        };
        deploy::deploy(&wallet, &vault).await
    }

    /// Every listed account deposits ETH, as a user would, and is given test tokens on L1.
    async fn fund(&mut self, l1: &Endpoint, at: &Deployed) -> Result<Vec<B256>, TestnetError> {
        (self.talk)("accounts: each deposits 100 ETH");
        let amount = U256::from(FUNDS) * U256::from(10).pow(U256::from(18));
        let failed = |e: mooring_client::ClientError| TestnetError::Transaction {
            attempt: "funding the accounts on L1".into(),
            reason: e.to_string(),
        };
        let deployer = wallet(l1, homes::deployer()?).await?;
        let mut nonce =
            l1.nonce(deployer.address(), BlockNumberOrTag::Pending).await.map_err(failed)?;
        let mut hashes = Vec::new();
        for user in homes::users()? {
            let address = user.address();
            let deposit = actions::deposit_eth(at.vault, amount, address, address);
            hashes.push(wallet(l1, user).await?.send(&deposit).await.map_err(failed)?);
            let mint = deploy::mint(at.test_token, address, amount);
            hashes.push(deployer.send_at(&mint, nonce).await.map_err(failed)?);
            nonce = nonce.saturating_add(1);
        }
        Ok(hashes)
    }

    fn start_nodes(
        &mut self,
        identities: &[Identity],
        genesis: &Genesis,
        ports: &Ports,
    ) -> Result<Vec<Node>, TestnetError> {
        (self.talk)(&format!("validators: {}", identities.len()));
        let homes = homes::write_nodes(&self.options.dir, identities, genesis, ports)?;
        let mut nodes = Vec::new();
        for ((identity, home), port) in identities.iter().zip(homes).zip(&ports.rpc) {
            let process = self.start(&identity.name, self.mooring(&["node", "start"], &home))?;
            nodes.push(Node {
                name: identity.name.clone(),
                rpc: format!("http://127.0.0.1:{port}"),
                home: PathBuf::from(&identity.name),
                pid: process.pid,
            });
        }
        Ok(nodes)
    }

    fn start_relayers(
        &mut self,
        genesis: &Genesis,
        ports: &Ports,
        l1_rpc: &str,
    ) -> Result<Vec<Relayer>, TestnetError> {
        let count = self.options.validators;
        (self.talk)(&format!("relayers: {count}"));
        let homes = homes::write_relayers(&self.options.dir, count, genesis, ports, l1_rpc)?;
        let mut relayers = Vec::new();
        for ((index, home), port) in (0..).zip(homes).zip(&ports.relayer) {
            let name = format!("relayer{index}");
            let process = self.start(&name, self.mooring(&["relayer", "start"], &home))?;
            relayers.push(Relayer {
                home: PathBuf::from(&name),
                status: format!("http://127.0.0.1:{port}"),
                pid: process.pid,
                name,
            });
        }
        Ok(relayers)
    }

    fn start(&mut self, name: &str, command: Vec<String>) -> Result<Process, TestnetError> {
        let log = self.log(name);
        self.table.start(name, command, &log)
    }

    fn log(&self, name: &str) -> PathBuf {
        status::log_path(&self.options.dir, name)
    }

    fn mooring(&self, words: &[&str], home: &Path) -> Vec<String> {
        std::iter::once(self.options.mooring.to_string_lossy().into_owned())
            .chain(words.iter().map(|&word| word.to_owned()))
            .chain(["--home".to_owned(), home.to_string_lossy().into_owned()])
            .collect()
    }
}

fn accounts() -> Result<Vec<Account>, TestnetError> {
    let account = |user: &alloy_signer_local::PrivateKeySigner| Account {
        address: user.address(),
        private_key: user.to_bytes(),
    };
    Ok(homes::users()?.iter().map(account).collect())
}

fn endpoint(url: &str) -> Result<Endpoint, TestnetError> {
    Endpoint::new(url).map_err(|e| TestnetError::Invalid(e.to_string()))
}

async fn wallet(
    endpoint: &Endpoint,
    signer: alloy_signer_local::PrivateKeySigner,
) -> Result<Wallet, TestnetError> {
    Wallet::new(endpoint.clone(), signer).await.map_err(|e| TestnetError::Transaction {
        attempt: "reaching the L1".into(),
        reason: e.to_string(),
    })
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
