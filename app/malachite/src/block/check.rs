//! Parsing a block, and judging it against the state.

use bytes::Bytes;
use prost::Message;
use tendermint_proto::v0_38::types::{Block, Commit, Evidence, Header};
use tendermint_proto::v0_38::version::Consensus;

use super::build::{empty_commit, last_block_id};
use super::commit::verify_commit;
use super::hash::{commit_hash, data_hash, evidence_hash, header_hash, part_set};
use super::{BLOCK_PROTOCOL, ChainParams, ChainState};
use crate::context::{Address, BlockRef, BlockTime, Height};

/// Why a block is invalid: the rule it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidBlock(pub(crate) &'static str);

/// A block whose parts are all there and whose encoding is the one that was hashed. Whether
/// it fits the chain is said by [`ParsedBlock::check`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParsedBlock {
    header: Header,
    txs: Vec<Bytes>,
    evidence: Vec<Evidence>,
    last_commit: Commit,
    id: BlockRef,
    height: Height,
    builder: Address,
    bytes: Bytes,
    hashes_match: bool,
}

impl ParsedBlock {
    /// Parses an encoded block.
    ///
    /// # Errors
    /// The bytes are not the canonical encoding of a block with a complete header.
    pub(crate) fn parse(bytes: Bytes) -> Result<Self, InvalidBlock> {
        let block = Block::decode(bytes.clone()).map_err(|_| InvalidBlock("not protobuf"))?;
        if block.encoded_len() != bytes.len() || block.encode_to_vec() != bytes {
            return Err(InvalidBlock("not the canonical encoding"));
        }
        Self::from_block(block, bytes)
    }

    /// Takes a block this node built.
    ///
    /// # Errors
    /// A header field is out of range.
    pub(crate) fn seal(block: Block) -> Result<Self, InvalidBlock> {
        let bytes = block.encode_to_vec().into();
        Self::from_block(block, bytes)
    }

    fn from_block(block: Block, bytes: Bytes) -> Result<Self, InvalidBlock> {
        let header = block.header.ok_or(InvalidBlock("no header"))?;
        let data = block.data.ok_or(InvalidBlock("no data"))?;
        let evidence = block.evidence.ok_or(InvalidBlock("no evidence list"))?;
        let last_commit = block.last_commit.ok_or(InvalidBlock("no last commit"))?;
        let hash = header_hash(&header).ok_or(InvalidBlock("malformed header"))?;
        let time = header.time.as_ref().and_then(BlockTime::from_proto);
        let time = time.ok_or(InvalidBlock("time out of range"))?;
        let height = u64::try_from(header.height).map_err(|_| InvalidBlock("negative height"))?;
        let builder = Address::from_slice(&header.proposer_address);
        let hashes_match = header.data_hash == data_hash(&data.txs)
            && header.evidence_hash == evidence_hash(&evidence)
            && header.last_commit_hash == commit_hash(&last_commit);
        Ok(Self {
            id: BlockRef { hash, parts: part_set(&bytes), time },
            height: Height::new(height),
            builder: builder.ok_or(InvalidBlock("malformed proposer address"))?,
            txs: data.txs.into_iter().map(Bytes::from).collect(),
            evidence: evidence.evidence,
            header,
            last_commit,
            bytes,
            hashes_match,
        })
    }

    pub(crate) fn id(&self) -> BlockRef {
        self.id
    }

    pub(crate) fn height(&self) -> Height {
        self.height
    }

    /// Who built the block, which `proposer_address` is about in all ABCI calls.
    pub(crate) fn builder(&self) -> Address {
        self.builder
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn txs(&self) -> &[Bytes] {
        &self.txs
    }

    pub(crate) fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    pub(crate) fn last_commit(&self) -> &Commit {
        &self.last_commit
    }

    /// The encoding.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Judges the block as a proposal on top of `state`, all but its evidence and transactions.
    /// `latest` is the latest time that the local clock accepts.
    ///
    /// # Errors
    /// The first rule broken.
    pub(crate) fn check(
        &self,
        params: &ChainParams,
        state: &ChainState,
        latest: BlockTime,
    ) -> Result<(), InvalidBlock> {
        if self.bytes.len() > params.max_block_bytes {
            return Err(InvalidBlock("larger than max_block_bytes"));
        }
        if self.id.time > latest {
            return Err(InvalidBlock("time is ahead of the local clock"));
        }
        self.check_decided(params, state)?;
        match state.last_block {
            None if self.last_commit == empty_commit() => Ok(()),
            None => Err(InvalidBlock("last_commit at height 1")),
            Some(last) => verify_commit(
                &params.chain_id,
                &self.last_commit,
                state.height,
                last,
                &state.last_validators,
            )
            .map_err(InvalidBlock),
        }
    }

    /// Checks that the header is about this chain and this state. A decided block that fails
    /// here means that this node's state is wrong.
    ///
    /// # Errors
    /// The first rule broken.
    pub(crate) fn check_decided(
        &self,
        params: &ChainParams,
        state: &ChainState,
    ) -> Result<(), InvalidBlock> {
        let version = Consensus { block: BLOCK_PROTOCOL, app: params.app_version };
        let header = &self.header;
        let rules = [
            (header.version == Some(version), "version"),
            (*header.chain_id == *params.chain_id, "chain_id"),
            (self.height == state.height.next(), "height"),
            (self.id.time > state.last_time, "time is not after the parent's"),
            (header.last_block_id == Some(last_block_id(state)), "last_block_id"),
            (self.hashes_match, "a hash over the block's contents"),
            (header.validators_hash == state.validators.hash(), "validators_hash"),
            (header.next_validators_hash == state.next_validators.hash(), "next_validators_hash"),
            (header.consensus_hash == params.consensus_hash, "consensus_hash"),
            (header.app_hash == state.app_hash, "app_hash"),
            (header.last_results_hash == state.last_results_hash, "last_results_hash"),
            (state.validators.find(&self.builder).is_some(), "proposer_address"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, rule)) => Err(InvalidBlock(rule)),
        }
    }
}
