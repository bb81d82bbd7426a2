//! The values of the store: a version byte, then the fields. `tests::records_should_not_change`
//! pins them.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use mooring_bridge::exit::Exit;
use mooring_bridge::types::ExitIndex;
use mooring_stf::AccountRecord;
use mooring_stf::tx::stored::{self, StoredError};
use mooring_stf::tx::{EthReceipt, EthTx};
use mooring_trie::TrieAccount;

use super::block::{Tip, TxPosition};

/// The version that is written.
const VERSION: u8 = 1;

/// A record cannot be read: the disk is damaged.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("record version {0:?}, expected {VERSION}")]
    Version(Option<u8>),
    #[error("record of {found} bytes, expected {expected}")]
    Length { expected: usize, found: usize },
    #[error("record is not the RLP that was written")]
    Rlp(#[from] alloy_rlp::Error),
    #[error("record of transactions or receipts")]
    Stored(#[from] StoredError),
}

/// `body` with its version byte.
pub(super) fn seal(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + body.len());
    out.push(VERSION);
    out.extend_from_slice(body);
    out
}

/// The body of a record.
pub(super) fn open(bytes: &[u8]) -> Result<&[u8], Malformed> {
    match bytes.split_first() {
        Some((&VERSION, body)) => Ok(body),
        other => Err(Malformed::Version(other.map(|(version, _)| *version))),
    }
}

pub(super) fn rlp<T: Decodable>(mut body: &[u8]) -> Result<T, Malformed> {
    let value = T::decode(&mut body)?;
    if body.is_empty() { Ok(value) } else { Err(alloy_rlp::Error::UnexpectedLength.into()) }
}

fn fixed<const N: usize>(body: &[u8]) -> Result<[u8; N], Malformed> {
    body.try_into().map_err(|_| Malformed::Length { expected: N, found: body.len() })
}

pub(super) fn schema(body: &[u8]) -> Result<u32, Malformed> {
    fixed(body).map(u32::from_be_bytes)
}

pub(super) fn hash(body: &[u8]) -> Result<B256, Malformed> {
    fixed(body).map(B256::new)
}

pub(super) fn height(body: &[u8]) -> Result<u64, Malformed> {
    fixed(body).map(u64::from_be_bytes)
}

/// A storage word, without leading zeros.
pub(super) fn word(body: &[u8]) -> Result<U256, Malformed> {
    U256::try_from_be_slice(body)
        .ok_or(Malformed::Length { expected: U256::BYTES, found: body.len() })
}

/// An account as its leaf holds it.
pub(super) fn value(account: &AccountRecord) -> TrieAccount {
    let AccountRecord { nonce, balance, code_hash, storage_root } = *account;
    TrieAccount::new(nonce, balance, storage_root, code_hash)
}

pub(super) fn of_value(value: TrieAccount) -> AccountRecord {
    let TrieAccount { nonce, balance, storage_root, code_hash, .. } = value;
    AccountRecord { nonce, balance, code_hash, storage_root }
}

pub(super) fn seal_account(account: &AccountRecord) -> Vec<u8> {
    seal(&alloy_rlp::encode(value(account)))
}

pub(super) fn account(body: &[u8]) -> Result<AccountRecord, Malformed> {
    rlp(body).map(of_value)
}

/// An account that may be absent: then the record is empty.
pub(super) fn seal_past_account(account: Option<&AccountRecord>) -> Vec<u8> {
    account.map_or_else(|| seal(&[]), seal_account)
}

pub(super) fn past_account(body: &[u8]) -> Result<Option<AccountRecord>, Malformed> {
    if body.is_empty() { Ok(None) } else { account(body).map(Some) }
}

pub(super) fn seal_word(word: U256) -> Vec<u8> {
    seal(&word.to_be_bytes_trimmed_vec())
}

#[derive(RlpEncodable, RlpDecodable)]
struct TipRecord {
    header: Header,
    hash: B256,
    app_hash: B256,
    exit_root: B256,
    exit_count: u64,
}

pub(super) fn seal_tip(tip: &Tip) -> Vec<u8> {
    let Tip { header, hash, app_hash, exit_root, exit_count } = tip.clone();
    seal(&alloy_rlp::encode(TipRecord { header, hash, app_hash, exit_root, exit_count }))
}

pub(super) fn tip(body: &[u8]) -> Result<Tip, Malformed> {
    let TipRecord { header, hash, app_hash, exit_root, exit_count } = rlp(body)?;
    Ok(Tip { header, hash, app_hash, exit_root, exit_count })
}

pub(super) fn seal_transactions(transactions: &[EthTx]) -> Vec<u8> {
    seal(&stored::encode_transactions(transactions))
}

pub(super) fn transactions(body: &[u8]) -> Result<Vec<EthTx>, Malformed> {
    Ok(stored::decode_transactions(body)?)
}

pub(super) fn seal_receipts(receipts: &[EthReceipt]) -> Vec<u8> {
    seal(&stored::encode_receipts(receipts))
}

pub(super) fn receipts(body: &[u8]) -> Result<Vec<EthReceipt>, Malformed> {
    Ok(stored::decode_receipts(body)?)
}

pub(super) fn seal_position(height: u64, index: usize) -> Vec<u8> {
    seal(&[height.to_be_bytes(), (index as u64).to_be_bytes()].concat())
}

pub(super) fn position(body: &[u8]) -> Result<TxPosition, Malformed> {
    let bytes = u128::from_be_bytes(fixed(body)?);
    let height = u64::try_from(bytes >> 64).unwrap_or(u64::MAX);
    let index = usize::try_from(bytes & u128::from(u64::MAX))
        .map_err(|_| Malformed::Length { expected: 8, found: 16 })?;
    Ok(TxPosition { height, index })
}

#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct ExitRecord {
    index: u64,
    asset: Address,
    recipient: Address,
    amount: U256,
    fee: U256,
}

impl From<&Exit> for ExitRecord {
    fn from(exit: &Exit) -> Self {
        let Exit { index, asset, recipient, amount, fee } = exit.clone();
        Self { index: index.get(), asset, recipient, amount, fee }
    }
}

impl From<ExitRecord> for Exit {
    fn from(record: ExitRecord) -> Self {
        let ExitRecord { index, asset, recipient, amount, fee } = record;
        Self { index: ExitIndex::new(index), asset, recipient, amount, fee }
    }
}

pub(super) fn seal_exit(exit: &Exit) -> Vec<u8> {
    seal(&exit_to_rlp(exit))
}

pub(super) fn exit(body: &[u8]) -> Result<Exit, Malformed> {
    rlp::<ExitRecord>(body).map(Exit::from)
}

/// An exit in the encoding that snapshots share with the store.
pub(crate) fn exit_to_rlp(exit: &Exit) -> Vec<u8> {
    alloy_rlp::encode(ExitRecord::from(exit))
}

/// What [`exit_to_rlp`] wrote; `None` for anything else.
pub(crate) fn exit_from_rlp(body: &[u8]) -> Option<Exit> {
    exit(body).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use alloy_primitives::{KECCAK256_EMPTY, address, b256};
    use mooring_trie::EMPTY_ROOT_HASH;

    use super::*;

    fn example_tip() -> Tip {
        Tip {
            header: Header { number: 7, ..Header::default() },
            hash: b256!("00000000000000000000000000000000000000000000000000000000000000aa"),
            app_hash: b256!("00000000000000000000000000000000000000000000000000000000000000bb"),
            exit_root: b256!("00000000000000000000000000000000000000000000000000000000000000cc"),
            exit_count: 3,
        }
    }

    fn example_account() -> AccountRecord {
        AccountRecord {
            nonce: 5,
            balance: U256::from(1_000_000_000_000_000_000u64),
            code_hash: KECCAK256_EMPTY,
            storage_root: EMPTY_ROOT_HASH,
        }
    }

    fn example_exit() -> Exit {
        Exit {
            index: ExitIndex::new(9),
            asset: Address::ZERO,
            recipient: address!("00000000000000000000000000000000000000aa"),
            amount: U256::from(1000),
            fee: U256::from(1),
        }
    }

    #[test]
    fn records_should_not_change() {
        let tip = example_tip();
        let records = [
            ("account", seal_account(&example_account())),
            ("past.account", seal_past_account(Some(&example_account()))),
            ("past.absent", seal_past_account(None)),
            ("word", seal_word(U256::from(258))),
            ("tip", seal_tip(&tip)),
            ("position", seal_position(258, 3)),
            ("exit", seal_exit(&example_exit())),
        ];
        let mut found = String::new();
        for (name, bytes) in records {
            found.push_str(&format!("{name} {}\n", hex::encode(bytes)));
        }
        assert_eq!(found, include_str!("record.snapshot"));
    }

    #[test]
    fn records_read_back() {
        let tip_ = example_tip();
        assert_eq!(tip(open(&seal_tip(&tip_)).unwrap()).unwrap(), tip_);
        let account_ = example_account();
        assert_eq!(account(open(&seal_account(&account_)).unwrap()).unwrap(), account_);
        let word_ = U256::from(258);
        assert_eq!(word(open(&seal_word(word_)).unwrap()).unwrap(), word_);
        let exit_ = example_exit();
        assert_eq!(exit(open(&seal_exit(&exit_)).unwrap()).unwrap(), exit_);
        let found = position(open(&seal_position(258, 3)).unwrap()).unwrap();
        assert_eq!(found, TxPosition { height: 258, index: 3 });
        for past in [None, Some(account_)] {
            let sealed = seal_past_account(past.as_ref());
            assert_eq!(past_account(open(&sealed).unwrap()).unwrap(), past);
        }
    }

    #[test]
    fn another_version_is_refused() {
        let mut sealed = seal_account(&example_account());
        sealed[0] = 9;
        assert!(matches!(open(&sealed), Err(Malformed::Version(Some(9)))));
        assert!(matches!(open(&[]), Err(Malformed::Version(None))));
    }
}
