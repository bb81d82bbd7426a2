//! The numbers of the peg, each its own type so that no two can be swapped.

use alloy_primitives::{Address, U256};
use alloy_rlp::{BufMut, Decodable, Encodable};
use serde::{Deserialize, Serialize};
use std::fmt;

/// `address(0)` for ETH, else the address of the token on L1.
pub type Asset = Address;

/// The asset that stands for ETH.
pub const NATIVE: Asset = Address::ZERO;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0);

            /// Wraps a plain number.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The plain number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The number after this one, `None` at the end of `u64`.
            pub const fn next(self) -> Option<Self> {
                match self.0.checked_add(1) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }

            /// As a 256-bit word.
            pub fn word(self) -> U256 {
                U256::from(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Encodable for $name {
            fn encode(&self, out: &mut dyn BufMut) {
                self.0.encode(out);
            }

            fn length(&self) -> usize {
                self.0.length()
            }
        }

        impl Decodable for $name {
            fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
                u64::decode(buf).map(Self)
            }
        }
    };
}

number! {
    /// A height of the sidechain; genesis is 0.
    Height
}
number! {
    /// The number of a member list, from 1, +1 each.
    Epoch
}
number! {
    /// A place in the deposit log: the first leaf is 1, the empty log is 0.
    Count
}
number! {
    /// A place in the exit tree: the first exit is 0.
    ExitIndex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_stops_at_the_end_of_u64() {
        assert_eq!(Count::new(1).next(), Some(Count::new(2)));
        assert_eq!(Count::new(u64::MAX).next(), None);
    }
}
