//! Who proposes: a stateless weighted rotation.
//!
//! CometBFT carries a priority per validator from height to height. Here the proposer is a
//! function of (set, height, round) alone, so nothing has to be stored, synced or rebuilt
//! when a set changes: the sequence x(n) = frac(n / golden ratio), n = height + round, is
//! laid over the line of cumulative powers. It is the most evenly spread of all such
//! sequences (three-distance theorem): over N turns a validator with share s proposes
//! s * N times up to O(log N), and never waits longer than a small multiple of 1 / s turns.
//! A light client never checks the proposer, so this differs from CometBFT unseen.

use super::{Height, Validator, ValidatorSet};

/// 2^64 divided by the golden ratio, made odd.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The proposer of `round` at `height`.
pub(crate) fn proposer(set: &ValidatorSet, height: Height, round: u32) -> &Validator {
    let turn = height.get().wrapping_add(u64::from(round));
    let point = u128::from(turn.wrapping_mul(GOLDEN));
    // point / 2^64 of the total power, below the total since point < 2^64.
    let mut offset = (point * u128::from(set.total_power())) >> 64;
    let validators = set.as_slice();
    for validator in validators {
        let power = u128::from(validator.power());
        if offset < power {
            return validator;
        }
        offset -= power;
    }
    unreachable!("the offset is below the total power, and the set is not empty")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn set(powers: &[u64]) -> ValidatorSet {
        let members = powers.iter().enumerate().map(|(i, power)| {
            let seed = [u8::try_from(i).unwrap().wrapping_add(1); 32];
            (crate::PrivValidatorKey::generate(seed).public_key(), *power)
        });
        ValidatorSet::new(members).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn turns_follow_power(
            powers in prop::collection::vec(1_u64..1_000_000, 1..12),
            start in 0_u64..1_000_000_000,
        ) {
            const TURNS: u64 = 3_000;
            let set = set(&powers);
            let mut turns = BTreeMap::new();
            for height in start..start + TURNS {
                *turns.entry(proposer(&set, Height::new(height), 0).address()).or_insert(0_u64) += 1;
            }
            for validator in set.as_slice() {
                let fair = TURNS * validator.power() / set.total_power();
                let got = turns.get(&validator.address()).copied().unwrap_or(0);
                prop_assert!(got.abs_diff(fair) <= 8, "{got} turns, fair are {fair}");
            }
        }

        #[test]
        fn rounds_reach_everyone(height in 0_u64..u64::MAX - 100) {
            let set = set(&[1, 1, 1, 1]);
            let seen: std::collections::BTreeSet<_> =
                (0..8).map(|r| proposer(&set, Height::new(height), r).address()).collect();
            prop_assert_eq!(seen.len(), 4);
        }
    }

    #[test]
    fn equal_validators_never_propose_twice_in_a_row() {
        let set = set(&[5, 5, 5, 5]);
        for height in 0..10_000 {
            let now = proposer(&set, Height::new(height), 0).address();
            assert_ne!(now, proposer(&set, Height::new(height + 1), 0).address());
        }
    }
}
