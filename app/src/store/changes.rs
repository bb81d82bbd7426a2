//! What a block changed, as a record: the values before and after, and the exits it made. The
//! tables follow from these records, forwards after a crash and backwards in history.

use alloy_primitives::{Address, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use mooring_bridge::exit::Exit;
use mooring_stf::{AccountChange, AccountRecord, ChangeSet, SlotChange};
use mooring_trie::TrieAccount;

use super::record::{self, ExitRecord, Malformed};

/// What one block changed, but for code, which is kept by its hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) state: ChangeSet,
    pub(super) exits: Vec<Exit>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct ChangesRecord {
    accounts: Vec<AccountChangeRecord>,
    exits: Vec<ExitRecord>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct AccountChangeRecord {
    address: Address,
    /// None or one.
    before: Vec<TrieAccount>,
    /// None or one.
    after: Vec<TrieAccount>,
    wiped: bool,
    storage: Vec<SlotRecord>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct SlotRecord {
    slot: U256,
    before: U256,
    after: U256,
}

pub(super) fn seal(state: &ChangeSet, exits: &[Exit]) -> Vec<u8> {
    let accounts = state.accounts.iter().map(|(address, change)| account(*address, change));
    let exits = exits.iter().map(ExitRecord::from);
    record::seal(&alloy_rlp::encode(ChangesRecord {
        accounts: accounts.collect(),
        exits: exits.collect(),
    }))
}

fn account(address: Address, change: &AccountChange) -> AccountChangeRecord {
    let AccountChange { before, account, wiped, storage } = change;
    let value = |account: &Option<AccountRecord>| account.iter().map(record::value).collect();
    let slot = |(slot, change): (&U256, &SlotChange)| {
        let SlotChange { before, after } = *change;
        SlotRecord { slot: *slot, before, after }
    };
    AccountChangeRecord {
        address,
        before: value(before),
        after: value(account),
        wiped: *wiped,
        storage: storage.iter().map(slot).collect(),
    }
}

/// The body of a record that [`seal`] made.
pub(super) fn changes(body: &[u8]) -> Result<Changes, Malformed> {
    let ChangesRecord { accounts, exits } = record::rlp(body)?;
    let accounts = accounts.into_iter().map(|account| (account.address, account.into()));
    Ok(Changes {
        state: ChangeSet { accounts: accounts.collect(), ..ChangeSet::default() },
        exits: exits.into_iter().map(Exit::from).collect(),
    })
}

impl From<AccountChangeRecord> for AccountChange {
    fn from(found: AccountChangeRecord) -> Self {
        let AccountChangeRecord { before, after, wiped, storage, .. } = found;
        let one = |accounts: Vec<TrieAccount>| accounts.into_iter().next().map(record::of_value);
        let slot = |SlotRecord { slot, before, after }| (slot, SlotChange { before, after });
        Self {
            before: one(before),
            account: one(after),
            wiped,
            storage: storage.into_iter().map(slot).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use alloy_primitives::KECCAK256_EMPTY;
    use mooring_bridge::types::ExitIndex;
    use mooring_trie::EMPTY_ROOT_HASH;

    use super::*;

    fn example() -> Changes {
        let account = |nonce| AccountRecord {
            nonce,
            balance: U256::from(7),
            code_hash: KECCAK256_EMPTY,
            storage_root: EMPTY_ROOT_HASH,
        };
        let slot = SlotChange { before: U256::ZERO, after: U256::MAX };
        let changed = AccountChange {
            before: Some(account(1)),
            account: Some(account(2)),
            wiped: false,
            storage: [(U256::from(3), slot)].into(),
        };
        let gone = AccountChange { before: Some(account(5)), wiped: true, ..Default::default() };
        let accounts = [(Address::repeat_byte(1), changed), (Address::repeat_byte(2), gone)];
        let exit = Exit {
            index: ExitIndex::new(9),
            asset: Address::ZERO,
            recipient: Address::repeat_byte(3),
            amount: U256::from(1000),
            fee: U256::from(1),
        };
        let state = ChangeSet { accounts: accounts.into(), ..ChangeSet::default() };
        Changes { state, exits: vec![exit] }
    }

    #[test]
    fn the_record_should_not_change_and_reads_back() {
        let example = example();
        let sealed = seal(&example.state, &example.exits);
        assert_eq!(format!("{}\n", hex::encode(&sealed)), include_str!("changes.snapshot"));
        assert_eq!(changes(record::open(&sealed).unwrap()).unwrap(), example);
    }
}
