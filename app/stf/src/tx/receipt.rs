//! Receipts of the Ethereum list.

use alloy_consensus::Eip658Value;
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, logs_bloom};
use alloy_rlp::{BufMut, Encodable, Header};

use super::root;

/// What became of one transaction of the Ethereum list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EthReceipt {
    /// The transaction's EIP-2718 type, 0x7e for a derived one.
    pub tx_type: u8,
    /// Whether it succeeded (EIP-658).
    pub success: bool,
    /// The state root after it, which stands in place of [`success`](Self::success) in blocks from
    /// before EIP-658. No block of ours has it.
    pub post_state: Option<B256>,
    /// Gas used in the block up to and with this transaction.
    pub cumulative_gas_used: u64,
    /// What it logged, in order.
    pub logs: Vec<Log>,
    /// Gas that it used itself. Not in the consensus encoding.
    pub gas_used: u64,
    /// Wei per gas that it paid. Not in the consensus encoding.
    pub effective_gas_price: u128,
    /// The contract that it created. Not in the consensus encoding.
    pub contract_address: Option<Address>,
}

impl EthReceipt {
    /// The bloom filter over the logs.
    pub fn bloom(&self) -> Bloom {
        logs_bloom(&self.logs)
    }

    /// Appends the EIP-2718 encoding that the receipts root commits to:
    /// `[type ‖] rlp([status, cumulative gas, bloom, logs])`.
    pub fn encode_2718(&self, out: &mut dyn BufMut) {
        self.encode_with(&self.bloom(), out);
    }

    fn encode_with(&self, bloom: &Bloom, out: &mut dyn BufMut) {
        if self.tx_type != 0 {
            out.put_u8(self.tx_type);
        }
        let status = self.status();
        let payload_length = status.length()
            + self.cumulative_gas_used.length()
            + bloom.length()
            + self.logs.length();
        Header { list: true, payload_length }.encode(out);
        status.encode(out);
        self.cumulative_gas_used.encode(out);
        bloom.encode(out);
        self.logs.encode(out);
    }

    fn status(&self) -> Eip658Value {
        self.post_state.map_or(Eip658Value::Eip658(self.success), Eip658Value::PostState)
    }

    /// The EIP-2718 encoding.
    pub fn encoded_2718(&self) -> Bytes {
        let mut out = Vec::new();
        self.encode_2718(&mut out);
        out.into()
    }
}

/// The header's receipts root, and its bloom: all receipts' blooms together.
pub(crate) fn receipts_root(receipts: &[EthReceipt]) -> (B256, Bloom) {
    let blooms = blooms(receipts);
    let encode = |index: usize, receipt: &EthReceipt, out: &mut Vec<u8>| {
        receipt.encode_with(&blooms[index], out);
    };
    let all = blooms.iter().fold(Bloom::ZERO, |all, bloom| all | *bloom);
    (root::ordered(receipts, encode), all)
}

/// The bloom of each receipt; what it hashes it hashes together.
fn blooms(receipts: &[EthReceipt]) -> Vec<Bloom> {
    let topics = |log: &Log| 1 + log.topics().len();
    let inputs: Vec<&[u8]> = receipts
        .iter()
        .flat_map(|receipt| &receipt.logs)
        .flat_map(|log| {
            let topics = log.topics().iter().map(B256::as_slice);
            [log.address.as_slice()].into_iter().chain(topics)
        })
        .collect();
    let mut hashes = mooring_keccak::all(&inputs).into_iter();
    let bloom = |receipt: &EthReceipt| {
        let mut bloom = Bloom::ZERO;
        let count = receipt.logs.iter().map(topics).sum();
        hashes.by_ref().take(count).for_each(|hash| bloom.m3_2048_hashed(&hash));
        bloom
    };
    receipts.iter().map(bloom).collect()
}
