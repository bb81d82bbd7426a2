//! Receipts of the Ethereum list.

use alloy_consensus::Eip658Value;
use alloy_primitives::{Address, B256, Bloom, Bytes, Log};
use alloy_rlp::{BufMut, Encodable, Header};

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
    /// Bloom filter over the logs.
    pub bloom: Bloom,
    /// Gas that it used itself. Not in the consensus encoding.
    pub gas_used: u64,
    /// Wei per gas that it paid. Not in the consensus encoding.
    pub effective_gas_price: u128,
    /// The contract that it created. Not in the consensus encoding.
    pub contract_address: Option<Address>,
}

impl EthReceipt {
    /// Appends the EIP-2718 encoding that the receipts root commits to:
    /// `[type ‖] rlp([status, cumulative gas, bloom, logs])`.
    pub fn encode_2718(&self, out: &mut dyn BufMut) {
        if self.tx_type != 0 {
            out.put_u8(self.tx_type);
        }
        let status = self.status();
        let payload_length = status.length()
            + self.cumulative_gas_used.length()
            + self.bloom.length()
            + self.logs.length();
        Header { list: true, payload_length }.encode(out);
        status.encode(out);
        self.cumulative_gas_used.encode(out);
        self.bloom.encode(out);
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

/// The header's receipts root.
pub(crate) fn receipts_root(receipts: &[EthReceipt]) -> B256 {
    alloy_trie::root::ordered_trie_root_with_encoder(receipts, |receipt, out| {
        receipt.encode_2718(out);
    })
}

/// The header's bloom: all receipts' blooms together.
pub(crate) fn block_bloom(receipts: &[EthReceipt]) -> Bloom {
    receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom)
}
