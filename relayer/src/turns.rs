//! Who goes first when anyone may act: members take turns, the next steps in after a while.

use alloy_primitives::Address;

/// How many members come before `me` in the turn with this number; `None` for a non-member.
pub(crate) fn rank(members: &[Address], me: Address, turn: u64) -> Option<u64> {
    let size = u64::try_from(members.len()).ok()?;
    let place = members.iter().position(|member| *member == me)?;
    let first = turn.checked_rem(size)?;
    let place = u64::try_from(place).ok()?;
    Some(if place >= first { place - first } else { place + size - first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_orders_all_members_once() {
        let members: Vec<Address> = (1u8..=4).map(Address::repeat_byte).collect();
        for turn in 0..9 {
            let mut ranks: Vec<u64> =
                members.iter().filter_map(|me| rank(&members, *me, turn)).collect();
            let first = usize::try_from(turn % 4).unwrap();
            assert_eq!(ranks[first], 0);
            ranks.sort_unstable();
            assert_eq!(ranks, [0, 1, 2, 3]);
        }
        assert_eq!(rank(&members, Address::ZERO, 0), None);
        assert_eq!(rank(&[], members[0], 0), None);
    }
}
