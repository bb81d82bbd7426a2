//! What an L1 transaction offers for gas, and by how much a replacement offers more.

use mooring_client::wallet::Fees;

/// The fees of a first attempt: the market's, up to `ceiling` wei; `None` when the market is above
/// it, and waiting is all that is left.
pub fn first(market: Fees, ceiling: u128) -> Option<Fees> {
    // The market's `max_fee` is twice the base fee and the tip: what is paid at once is less.
    let base = market.max_fee.saturating_sub(market.tip) / 2;
    if base.saturating_add(market.tip) > ceiling {
        return None;
    }
    let max_fee = market.max_fee.min(ceiling);
    Some(Fees { max_fee, tip: market.tip.min(max_fee) })
}

/// The fees of a replacement: at least an eighth above the last attempt's (nodes ask for a tenth
/// of both), the market's if that is more, never above `ceiling`. `None` when the ceiling leaves no
/// room: the last attempt stays.
pub fn bump(last: Fees, market: Fees, ceiling: u128) -> Option<Fees> {
    let least = Fees { max_fee: eighth_more(last.max_fee), tip: eighth_more(last.tip) };
    if least.max_fee > ceiling {
        return None;
    }
    let max_fee = least.max_fee.max(market.max_fee).min(ceiling);
    let tip = least.tip.max(market.tip).min(max_fee);
    (tip >= least.tip).then_some(Fees { max_fee, tip })
}

/// At least 12.5 % more, and at least 1 wei more.
const fn eighth_more(value: u128) -> u128 {
    value.saturating_add(value.div_ceil(8)).saturating_add((value == 0) as u128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fees() -> impl Strategy<Value = Fees> {
        (0u128..1 << 60, 0u128..1 << 60)
            .prop_map(|(a, b)| Fees { max_fee: a.max(b), tip: a.min(b) })
    }

    #[test]
    fn the_market_above_the_ceiling_is_not_followed() {
        let market = Fees { max_fee: 210, tip: 10 };
        assert_eq!(first(market, 109), None);
        assert_eq!(first(market, 110), Some(Fees { max_fee: 110, tip: 10 }));
        assert_eq!(first(market, 1000), Some(market));
        assert_eq!(bump(Fees { max_fee: 100, tip: 8 }, market, 112), None);
        let bumped = bump(Fees { max_fee: 100, tip: 8 }, Fees { max_fee: 0, tip: 0 }, 113);
        assert_eq!(bumped, Some(Fees { max_fee: 113, tip: 9 }));
    }

    proptest! {
        #[test]
        fn a_replacement_is_an_eighth_more_and_below_the_ceiling(
            last in fees(), market in fees(), ceiling in 0u128..1 << 60,
        ) {
            if let Some(new) = bump(last, market, ceiling) {
                prop_assert!(new.max_fee <= ceiling && new.tip <= new.max_fee);
                prop_assert!(new.max_fee * 8 >= last.max_fee * 9 && new.max_fee > last.max_fee);
                prop_assert!(new.tip * 8 >= last.tip * 9 && new.tip > last.tip);
            }
            if let Some(new) = first(market, ceiling) {
                prop_assert!(new.max_fee <= ceiling && new.tip <= new.max_fee);
            }
        }
    }
}
