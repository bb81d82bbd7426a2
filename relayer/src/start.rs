//! Everything that is checked before the first task runs.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{B256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use fs4::{FileExt, TryLockError};
use mooring_bridge::contracts::Vault;
use mooring_client::Verdict;
use mooring_genesis::{Genesis, Peg};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    RelayerConfig, RelayerError,
    board::Board,
    config,
    context::Context,
    endpoints::{Endpoints, Identity},
    journal::Journal,
    keys,
    l1::L1,
    signer::MemberSigner,
};

/// How long the L1 may take to answer at the start.
const L1_PATIENCE: Duration = Duration::from_secs(10);
/// How often a chain that does not answer is asked again at the start.
const AGAIN: Duration = Duration::from_millis(500);

/// What could be checked without the sidechain.
#[derive(Debug)]
pub(crate) struct Prepared {
    config: RelayerConfig,
    peg: Peg,
    sidechain_id: u64,
    agree: usize,
    member: PrivateKeySigner,
    payer: PrivateKeySigner,
    l1: L1,
    sidechain: Endpoints,
    pub(crate) board: Arc<Board>,
    pub(crate) listener: Option<TcpListener>,
    /// Held for as long as the relayer runs.
    lock: File,
}

/// Checks home, keys, port and L1. Writes nothing.
pub(crate) async fn prepare(home: &Path, tasks: &[&'static str]) -> Result<Prepared, RelayerError> {
    let config = RelayerConfig::load(home)?;
    let lock = lock(home)?;
    let (genesis, peg) = genesis(&home.join(&config.genesis))?;
    let password = home.join(&config.password_file);
    let member = keys::load_keystore(&home.join(&config.keystore), &password)?;
    if peg.members.index_of(member.address()).is_none() {
        return Err(RelayerError::NotMember { address: member.address() });
    }
    let payer = match &config.payer_keystore {
        Some(path) => keys::load_keystore(&home.join(path), &password)?,
        None => member.clone(),
    };
    let address = config.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| RelayerError::Listen { address, source })?;
    let board = Arc::new(Board::new(tasks));
    let agree = if genesis.setup().dev { 1 } else { 2 };
    let l1 = L1::new(&config.l1_endpoints, &peg.l1, agree, board.clone())?;
    let sidechain_id = genesis.setup().chain_id;
    let identity =
        Identity::Sidechain { chain_id: sidechain_id, separator: peg.domain.separator() };
    let sidechain = Endpoints::new(&config.sidechain_endpoints, identity, board.clone())?;
    check_l1(&l1, &peg, agree).await?;
    let listener = Some(listener);
    Ok(Prepared {
        config,
        peg,
        sidechain_id,
        agree,
        member,
        payer,
        l1,
        sidechain,
        board,
        listener,
        lock,
    })
}

/// Waits for the sidechain, checks it, opens the journal.
pub(crate) async fn finish(home: &Path, ready: Prepared) -> Result<(Context, File), RelayerError> {
    wait_for_sidechain(&ready).await?;
    let owner = owner(&ready);
    let journal = Arc::new(Journal::open(&home.join(&ready.config.journal), owner)?);
    let signer = MemberSigner::new(ready.member, ready.peg.domain, journal.clone());
    let context = Context {
        config: ready.config,
        domain: ready.peg.domain,
        board: ready.board,
        journal,
        l1: ready.l1,
        sidechain: ready.sidechain,
        signer,
        payer: ready.payer,
        agree: ready.agree,
        stop: watch::Sender::new(None),
    };
    Ok((context, ready.lock))
}

/// What a journal is bound to: the network and the member.
fn owner(ready: &Prepared) -> B256 {
    let separator = ready.peg.domain.separator();
    keccak256([separator.as_slice(), ready.member.address().as_slice()].concat())
}

/// Locks the home by its configuration file, so that not even a lock file is written.
fn lock(home: &Path) -> Result<File, RelayerError> {
    let path = home.join(config::FILE);
    let trouble = |source| RelayerError::File { what: "lock", path: path.clone(), source };
    let file = File::open(&path).map_err(trouble)?;
    match FileExt::try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RelayerError::Locked { home: home.to_owned() }),
        Err(TryLockError::Error(source)) => Err(trouble(source)),
    }
}

fn genesis(path: &Path) -> Result<(Genesis, Peg), RelayerError> {
    let text = fs::read_to_string(path).map_err(|source| RelayerError::File {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    let genesis = Genesis::parse(&text)
        .map_err(|source| RelayerError::Genesis { path: path.to_owned(), source })?;
    let peg = genesis.peg().cloned().ok_or(RelayerError::NoPeg)?;
    Ok((genesis, peg))
}

/// Enough L1 endpoints answer, all that answer are of the right chain, and the Vault is there.
async fn check_l1(l1: &L1, peg: &Peg, agree: usize) -> Result<(), RelayerError> {
    let started = tokio::time::Instant::now();
    loop {
        let (answered, reason) = count_l1(l1).await?;
        if answered >= agree {
            break;
        }
        if started.elapsed() >= L1_PATIENCE {
            return Err(RelayerError::TooFewEndpoints { want: agree, got: answered, reason });
        }
        tokio::time::sleep(AGAIN).await;
    }
    let vault = peg.l1.vault;
    let code = l1.endpoints.read(|node| async move { node.code(vault).await }).await?;
    if code.is_empty() {
        return Err(RelayerError::NoVault { vault, chain: peg.l1.chain_id });
    }
    let call = Vault::domainSeparatorCall {};
    let call = &call;
    let separator = l1.endpoints.read(|node| async move { node.view(vault, call).await }).await?;
    let wanted = peg.domain.separator();
    if separator != wanted {
        return Err(RelayerError::OtherVault { vault: separator, genesis: wanted });
    }
    Ok(())
}

/// How many L1 endpoints answer, and what is wrong with the last of the others.
async fn count_l1(l1: &L1) -> Result<(usize, String), RelayerError> {
    let mut reason = String::new();
    let mut answered = 0;
    for index in 0..l1.endpoints.len() {
        let asked = l1.endpoints.ask(index, |node| async move { node.block_number().await });
        match tokio::time::timeout(L1_PATIENCE / 2, asked).await {
            Ok(Ok(_)) => answered += 1,
            Ok(Err(error)) if is_fatal(&error) => return Err(error),
            Ok(Err(error)) => reason = error.to_string(),
            Err(_) => reason = format!("{} does not answer in time", l1.endpoints.url(index)),
        }
    }
    Ok((answered, reason))
}

/// Waits until a sidechain node answers; one of another network is an error.
async fn wait_for_sidechain(ready: &Prepared) -> Result<(), RelayerError> {
    let Prepared { board, sidechain, sidechain_id, .. } = ready;
    loop {
        for index in 0..sidechain.len() {
            match sidechain.ask(index, |node| async move { node.block_number().await }).await {
                Ok(_) => {
                    board.starting(None);
                    return Ok(());
                }
                Err(error) if is_fatal(&error) => return Err(error),
                Err(_) => {}
            }
        }
        board.starting(Some(&format!("waits for a node of sidechain {sidechain_id}")));
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whether a person has to look: the other side answers, and is not what it should be.
fn is_fatal(error: &RelayerError) -> bool {
    match error {
        RelayerError::Client(error) => error.verdict() == Verdict::Fatal,
        RelayerError::OtherSidechain { .. } => true,
        _ => false,
    }
}
