//! When several endpoints agree on a block.

use std::collections::BTreeMap;

use alloy_primitives::B256;

/// Why there is no block to build on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAgreement {
    /// Too few endpoints answer.
    #[error("{got} answer, {want} must agree")]
    TooFew {
        /// How many answer.
        got: usize,
        /// How many must agree.
        want: usize,
    },
    /// They contradict each other, and it cannot be told who is right.
    #[error("they hold {blocks} different blocks for final, and it cannot be told which is right")]
    Split {
        /// How many blocks.
        blocks: usize,
    },
}

/// The highest block that `want` endpoints hold for final: the `want`-th highest of their numbers.
///
/// # Errors
/// When fewer answer.
pub fn candidate(finalized: &[Option<u64>], want: usize) -> Result<u64, NoAgreement> {
    let mut numbers: Vec<u64> = finalized.iter().flatten().copied().collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    let too_few = NoAgreement::TooFew { got: numbers.len(), want };
    numbers.get(want.saturating_sub(1)).copied().ok_or(too_few)
}

/// The one hash that at least `want` endpoints give.
///
/// # Errors
/// When no hash has enough of them, or more than one has.
pub fn agree(hashes: &[Option<B256>], want: usize) -> Result<B256, NoAgreement> {
    let mut votes: BTreeMap<B256, usize> = BTreeMap::new();
    for hash in hashes.iter().flatten() {
        *votes.entry(*hash).or_default() += 1;
    }
    let mut enough = votes.iter().filter(|(_, count)| **count >= want.max(1));
    match (enough.next(), enough.next()) {
        (Some((hash, _)), None) => Ok(*hash),
        (None, _) if votes.len() <= 1 => {
            Err(NoAgreement::TooFew { got: votes.values().sum(), want })
        }
        _ => Err(NoAgreement::Split { blocks: votes.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: Option<B256> = Some(B256::repeat_byte(0xa));
    const B: Option<B256> = Some(B256::repeat_byte(0xb));

    #[test]
    fn a_lagging_or_dead_endpoint_does_not_hold_the_others_back() {
        assert_eq!(candidate(&[Some(90), Some(10), Some(91)], 2), Ok(90));
        assert_eq!(candidate(&[Some(90), None, Some(91)], 2), Ok(90));
        assert_eq!(candidate(&[Some(90), None], 1), Ok(90));
        let too_few = NoAgreement::TooFew { got: 1, want: 2 };
        assert_eq!(candidate(&[Some(90), None], 2), Err(too_few));
    }

    #[test]
    fn a_liar_is_outvoted_and_a_split_is_not_decided() {
        assert_eq!(agree(&[A, B, A], 2), Ok(A.unwrap()));
        assert_eq!(agree(&[A, B], 2), Err(NoAgreement::Split { blocks: 2 }));
        assert_eq!(agree(&[A, B, A, B], 2), Err(NoAgreement::Split { blocks: 2 }));
        assert_eq!(agree(&[A, B], 1), Err(NoAgreement::Split { blocks: 2 }));
        assert_eq!(agree(&[A, None], 2), Err(NoAgreement::TooFew { got: 1, want: 2 }));
        assert_eq!(agree(&[A, None], 1), Ok(A.unwrap()));
    }

    proptest! {
        #[test]
        fn fewer_liars_than_needed_never_win(
            honest in 2usize..5, liars in 0usize..2, silent in 0usize..3, seed in any::<u64>(),
        ) {
            let mut hashes = vec![A; honest];
            hashes.extend(vec![B; liars]);
            hashes.extend(vec![None; silent]);
            let turn = usize::try_from(seed % 7).unwrap() % hashes.len();
            hashes.rotate_left(turn);
            prop_assert_eq!(agree(&hashes, 2), Ok(A.unwrap()));
        }
    }
}
