//! Member lists and their quorum (spec 2.4).

use alloy_primitives::{Address, B256, keccak256};
use thiserror::Error;

/// The most members a list has.
pub const MAX_MEMBERS: usize = 128;
/// Powers are below this: they fill 96 bits of a member word.
pub const POWER_LIMIT: u128 = 1 << 96;

/// One entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The signing address.
    pub address: Address,
    /// Voting power, in 1 ..[`POWER_LIMIT`].
    pub power: u128,
}

impl Member {
    /// `address << 96 | power`.
    pub fn word(&self) -> B256 {
        let mut word = B256::ZERO;
        word[..20].copy_from_slice(self.address.as_slice());
        word[20..].copy_from_slice(&self.power.to_be_bytes()[4..]);
        word
    }

    /// Reads a member word; any word is some member, [`MemberList`] checks it.
    pub fn from_word(word: B256) -> Self {
        let mut power = [0u8; 16];
        power[4..].copy_from_slice(&word[20..]);
        Self { address: Address::from_slice(&word[..20]), power: u128::from_be_bytes(power) }
    }
}

/// Why a list is not a member list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MembersError {
    /// No quorum of nobody.
    #[error("the member list is empty")]
    Empty,
    /// More than [`MAX_MEMBERS`].
    #[error("{0} members, at most 128 are allowed")]
    TooMany(usize),
    /// The zero address signs nothing.
    #[error("the zero address is no member")]
    ZeroAddress,
    /// Not strictly ascending by address: out of order or twice.
    #[error("member {0} is out of order or there twice")]
    Order(Address),
    /// Power of zero.
    #[error("member {0} has no power")]
    NoPower(Address),
    /// Power beyond 96 bits.
    #[error("member {0} has more power than 96 bits hold")]
    PowerTooLarge(Address),
}

/// A frozen list: not empty, at most 128, strictly ascending by address, each with power.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberList {
    members: Vec<Member>,
    total: u128,
}

impl MemberList {
    /// Checks a list that is already in order.
    ///
    /// # Errors
    ///
    /// When it is not a member list.
    pub fn new(members: Vec<Member>) -> Result<Self, MembersError> {
        if members.is_empty() {
            return Err(MembersError::Empty);
        }
        if members.len() > MAX_MEMBERS {
            return Err(MembersError::TooMany(members.len()));
        }
        let mut last = Address::ZERO;
        for member in &members {
            check(member, last)?;
            last = member.address;
        }
        // At most 2^7 powers below 2^96.
        let total = members.iter().map(|member| member.power).sum();
        Ok(Self { members, total })
    }

    /// Sorts by address, then checks.
    ///
    /// # Errors
    ///
    /// When it is not a member list.
    pub fn sorted(mut members: Vec<Member>) -> Result<Self, MembersError> {
        members.sort_by_key(|member| member.address);
        Self::new(members)
    }

    /// Reads member words.
    ///
    /// # Errors
    ///
    /// When they are not a member list.
    pub fn from_words(words: &[B256]) -> Result<Self, MembersError> {
        Self::new(words.iter().copied().map(Member::from_word).collect())
    }

    /// The members in order.
    pub fn as_slice(&self) -> &[Member] {
        &self.members
    }

    /// How many.
    #[expect(clippy::len_without_is_empty, reason = "a list is never empty")]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The sum of all powers, never zero.
    pub const fn total(&self) -> u128 {
        self.total
    }

    /// The members' words in order.
    pub fn words(&self) -> Vec<B256> {
        self.members.iter().map(Member::word).collect()
    }

    /// `keccak256(word_0 ‖ word_1 ‖ …)`.
    pub fn hash(&self) -> B256 {
        keccak256(self.words().concat())
    }

    /// Whether `power` is strictly more than 2/3 of the total.
    pub const fn quorum(&self, power: u128) -> bool {
        quorum(power, self.total)
    }

    /// Place of a member in the list.
    pub fn index_of(&self, address: Address) -> Option<usize> {
        self.members.binary_search_by_key(&address, |member| member.address).ok()
    }

    /// Power of a member.
    pub fn power_of(&self, address: Address) -> Option<u128> {
        self.index_of(address).map(|index| self.members[index].power)
    }

    /// Power of the members whose bit is set in `signers` (bit 0 is the first member).
    pub fn power_of_bits(&self, signers: u128) -> u128 {
        let signed = |index: usize| signers >> index & 1 == 1;
        let members = self.members.iter().enumerate();
        members.filter(|(index, _)| signed(*index)).map(|(_, member)| member.power).sum()
    }
}

/// Whether `power` is strictly more than 2/3 of `total`; never when `total` is zero, however the
/// list that it came from was read.
pub const fn quorum(power: u128, total: u128) -> bool {
    match (power.checked_mul(3), total.checked_mul(2)) {
        (Some(power), Some(total)) => total > 0 && power > total,
        _ => false,
    }
}

fn check(member: &Member, last: Address) -> Result<(), MembersError> {
    if member.address.is_zero() {
        return Err(MembersError::ZeroAddress);
    }
    if member.address <= last {
        return Err(MembersError::Order(member.address));
    }
    if member.power == 0 {
        return Err(MembersError::NoPower(member.address));
    }
    if member.power >= POWER_LIMIT {
        return Err(MembersError::PowerTooLarge(member.address));
    }
    Ok(())
}
