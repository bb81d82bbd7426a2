//! A snapshot's records, checked one by one and as a whole.
//!
//! What is trusted is one app hash. It commits to the header, the header to the state root, the
//! root to every account, word and code; it commits to the exit tree too, and to the validators.
//! All of that is computed anew from the records; nothing is believed.

use std::collections::BTreeSet;

use alloy_consensus::Header;
use alloy_primitives::{B256, KECCAK256_EMPTY, U256, keccak256};
use mooring_bridge::exit::{CompleteNode, Exit, Frontier};
use mooring_stf::peg::view::ExitHead;
use mooring_stf::{ChainParams, Fault};
use mooring_trie::{NodeAt, TrieAccount, TrieBuilder};

use super::SnapshotError;
use super::format::{Head, Manifest, PAST_HEADERS, PIECE, Record};
use super::saved::Saved;
use crate::store::Tip;

/// The most bytes of an engine's checkpoint.
const MAX_CHECKPOINT: usize = 64 << 20;

/// Something that a store of the state holds.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    /// By hashed address.
    Account(B256, &'a TrieAccount),
    /// By hashed address and hashed slot.
    Word(B256, B256, U256),
    Node(NodeAt, Vec<u8>),
    /// By hash.
    Code(B256, &'a [u8]),
    Exit(&'a Exit),
    ExitNode(CompleteNode),
}

/// Takes what is found on the way: before the end is reached it may be wrong.
pub(crate) trait Sink {
    /// # Errors
    /// It cannot be taken.
    fn put(&mut self, entry: Entry<'_>) -> Result<(), Fault>;
}

/// Takes nothing: for checks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nowhere;

impl Sink for Nowhere {
    fn put(&mut self, _: Entry<'_>) -> Result<(), Fault> {
        Ok(())
    }
}

/// What a snapshot is of, once all of it is checked.
#[derive(Clone, Debug)]
pub(super) struct Rebuilt {
    pub(super) tip: Tip,
    /// The headers below, newest first.
    pub(super) headers: Vec<Header>,
    /// The engine's checkpoint, which the engine must check; empty where there is none.
    pub(super) engine: Vec<u8>,
    /// Accounts, words, codes and exits.
    pub(super) entries: u64,
}

/// Reads a snapshot through, checks it against its manifest and the chain's rules, and gives all
/// that a store needs to `sink`.
///
/// # Errors
/// The first thing that is wrong, or what `sink` says.
pub(super) fn rebuild(
    saved: &Saved,
    params: &ChainParams,
    sink: &mut impl Sink,
) -> Result<Rebuilt, SnapshotError> {
    let mut state = Rebuild::new(sink);
    let mut count = 0_u64;
    saved.records(|record| {
        count += 1;
        if count == 1 { state.begin(record, saved.manifest(), params) } else { state.take(record) }
    })?;
    state.end()
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Head,
    Headers,
    Engine,
    Accounts,
    Codes,
    Exits,
}

#[derive(Debug)]
struct Rebuild<'a, S> {
    sink: &'a mut S,
    stage: Stage,
    head: Option<Head>,
    headers: Vec<Header>,
    engine: Vec<u8>,
    /// The last piece of the engine's was not full.
    engine_ended: bool,
    accounts: TrieBuilder,
    /// The newest account: its words follow it.
    storage: Option<Storage>,
    /// Codes that accounts have and that did not come yet.
    codes: BTreeSet<B256>,
    last_code: Option<B256>,
    exits: Frontier,
    entries: u64,
}

#[derive(Debug)]
struct Storage {
    owner: B256,
    root: B256,
    words: TrieBuilder,
}

fn forged<T>(reason: impl Into<String>) -> Result<T, SnapshotError> {
    Err(SnapshotError::forged(reason))
}

impl<'a, S: Sink> Rebuild<'a, S> {
    fn new(sink: &'a mut S) -> Self {
        Self {
            sink,
            stage: Stage::Head,
            head: None,
            headers: Vec::new(),
            engine: Vec::new(),
            engine_ended: false,
            accounts: TrieBuilder::new(None),
            storage: None,
            codes: BTreeSet::new(),
            last_code: None,
            exits: Frontier::default(),
            entries: 0,
        }
    }

    /// The head: of the manifest's chain and height, and what its app hash commits to.
    fn begin(
        &mut self,
        record: Record,
        manifest: &Manifest,
        params: &ChainParams,
    ) -> Result<(), SnapshotError> {
        let Record::Head(head) = record else { return forged("it does not begin with a head") };
        let (tip, height) = (&head.tip, head.tip.header.number);
        if head.chain != manifest.chain || height != manifest.height {
            return forged("its head is of another chain or height than its description");
        }
        let exits = ExitHead { count: tip.exit_count, root: tip.exit_root };
        let commits_to = params.app_hash(height, tip.header.hash_slow(), exits);
        if tip.app_hash != manifest.app_hash || commits_to != manifest.app_hash {
            return forged(format!(
                "its block {height} has app hash {commits_to}, its description says {}",
                manifest.app_hash
            ));
        }
        self.head = Some(*head);
        Ok(())
    }

    fn take(&mut self, record: Record) -> Result<(), SnapshotError> {
        let stage = match &record {
            Record::Head(_) => Stage::Head,
            Record::Header(_) => Stage::Headers,
            Record::Engine(_) => Stage::Engine,
            Record::Account { .. } | Record::Word { .. } => Stage::Accounts,
            Record::Code(_) => Stage::Codes,
            Record::Exit(_) => Stage::Exits,
        };
        if stage < self.stage || stage == Stage::Head {
            return forged("its records are out of order");
        }
        if stage > Stage::Accounts {
            self.end_storage()?;
        }
        self.stage = stage;
        match record {
            Record::Head(_) => Ok(()),
            Record::Header(header) => self.header(*header),
            Record::Engine(piece) => self.engine(&piece),
            Record::Account { key, account } => self.account(key, &account),
            Record::Word { key, value } => self.word(key, value),
            Record::Code(code) => self.code(&code),
            Record::Exit(exit) => self.exit(&exit),
        }
    }

    fn header(&mut self, header: Header) -> Result<(), SnapshotError> {
        let tip = self.head.as_ref().map(|head| &head.tip.header);
        let Some(above) = self.headers.last().or(tip) else { return forged("it has no head") };
        let is_parent = above.parent_hash == header.hash_slow()
            && above.number.checked_sub(1) == Some(header.number);
        if !is_parent || self.headers.len() as u64 >= PAST_HEADERS {
            return forged(format!("its header {} is not the chain's", header.number));
        }
        self.headers.push(header);
        Ok(())
    }

    fn engine(&mut self, piece: &[u8]) -> Result<(), SnapshotError> {
        if self.engine_ended || self.engine.len() + piece.len() > MAX_CHECKPOINT {
            return forged("its engine's checkpoint is too long");
        }
        self.engine_ended = piece.len() < PIECE;
        self.engine.extend_from_slice(piece);
        Ok(())
    }

    fn account(&mut self, key: B256, account: &TrieAccount) -> Result<(), SnapshotError> {
        self.end_storage()?;
        self.entries += 1;
        let mut nodes = Vec::new();
        let pushed = self
            .accounts
            .push(key, alloy_rlp::encode(account), &mut |at, rlp| nodes.push((at, rlp)));
        pushed.map_err(|e| SnapshotError::forged(e.to_string()))?;
        self.give(nodes)?;
        if account.code_hash != KECCAK256_EMPTY {
            self.codes.insert(account.code_hash);
        }
        let words = TrieBuilder::new(Some(key));
        self.storage = Some(Storage { owner: key, root: account.storage_root, words });
        Ok(self.sink.put(Entry::Account(key, account))?)
    }

    fn word(&mut self, key: B256, value: U256) -> Result<(), SnapshotError> {
        let Some(storage) = &mut self.storage else { return forged("a word has no account") };
        self.entries += 1;
        let (owner, mut nodes) = (storage.owner, Vec::new());
        let pushed =
            storage.words.push(key, alloy_rlp::encode(value), &mut |at, rlp| nodes.push((at, rlp)));
        pushed.map_err(|e| SnapshotError::forged(e.to_string()))?;
        self.give(nodes)?;
        Ok(self.sink.put(Entry::Word(owner, key, value))?)
    }

    /// The newest account has all its words.
    fn end_storage(&mut self) -> Result<(), SnapshotError> {
        let Some(Storage { owner, root, words }) = self.storage.take() else { return Ok(()) };
        let mut nodes = Vec::new();
        let found = words.finish(&mut |at, rlp| nodes.push((at, rlp)));
        if found != root {
            return forged(format!("the storage of account {owner} has root {found}, not {root}"));
        }
        self.give(nodes)
    }

    fn code(&mut self, code: &[u8]) -> Result<(), SnapshotError> {
        let hash = keccak256(code);
        if !self.codes.remove(&hash) || self.last_code > Some(hash) {
            return forged(format!("code {hash} is out of order, or nobody's"));
        }
        self.entries += 1;
        self.last_code = Some(hash);
        Ok(self.sink.put(Entry::Code(hash, code))?)
    }

    fn exit(&mut self, exit: &Exit) -> Result<(), SnapshotError> {
        let index = exit.index.get();
        if index != self.exits.count() {
            return forged(format!("exit {index} is out of order"));
        }
        let full = |_| SnapshotError::forged("its exit tree is too large");
        let nodes = self.exits.append(exit.leaf()).map_err(full)?;
        self.entries += 1;
        self.sink.put(Entry::Exit(exit))?;
        nodes.into_iter().try_for_each(|node| Ok(self.sink.put(Entry::ExitNode(node))?))
    }

    fn give(&mut self, nodes: Vec<(NodeAt, Vec<u8>)>) -> Result<(), SnapshotError> {
        nodes.into_iter().try_for_each(|(at, rlp)| Ok(self.sink.put(Entry::Node(at, rlp))?))
    }

    /// All records came: the roots decide.
    fn end(mut self) -> Result<Rebuilt, SnapshotError> {
        self.end_storage()?;
        let Some(Head { tip, .. }) = self.head.take() else { return forged("it is empty") };
        let height = tip.header.number;
        if self.headers.len() as u64 != PAST_HEADERS.min(height.saturating_sub(1)) {
            return forged("headers are missing");
        }
        if let Some(code) = self.codes.first() {
            return forged(format!("code {code} is missing"));
        }
        if (self.exits.root(), self.exits.count()) != (tip.exit_root, tip.exit_count) {
            return forged("its exits are not those that its app hash commits to");
        }
        let mut nodes = Vec::new();
        let accounts = std::mem::replace(&mut self.accounts, TrieBuilder::new(None));
        let (found, expected) =
            (accounts.finish(&mut |at, rlp| nodes.push((at, rlp))), tip.header.state_root);
        if found != expected {
            return forged(format!("its state root is {found}, its header says {expected}"));
        }
        self.give(nodes)?;
        let Self { headers, engine, entries, .. } = self;
        Ok(Rebuilt { tip, headers, engine, entries })
    }
}
