//! Amounts as people write them.

use alloy_primitives::{
    U256,
    utils::{format_units, parse_units},
};
use eyre::{Context, bail};

/// Parses `1.5` with this many decimals; more digits than that are refused, not cut.
pub(super) fn parse(text: &str, decimals: u8) -> eyre::Result<U256> {
    let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if fraction > usize::from(decimals) {
        bail!("{text} has more than the asset's {decimals} decimals");
    }
    if text.starts_with('-') {
        bail!("{text} is negative");
    }
    let units =
        parse_units(text, decimals).wrap_err_with(|| format!("`{text}` is not an amount"))?;
    Ok(units.get_absolute())
}

/// Writes an amount without trailing zeros.
pub(super) fn format(amount: U256, decimals: u8) -> String {
    let text = format_units(amount, decimals).unwrap_or_else(|_| amount.to_string());
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        assert_eq!(parse("1.5", 18).unwrap(), U256::from(1_500_000_000_000_000_000_u64));
        assert_eq!(parse("7", 0).unwrap(), U256::from(7));
        assert!(parse("1.2345678", 6).is_err(), "a digit would be lost");
        assert!(parse("-1", 18).is_err());
        assert!(parse("one", 18).is_err());
    }

    #[test]
    fn amounts_are_written_plainly() {
        assert_eq!(format(U256::from(1_500_000), 6), "1.5");
        assert_eq!(format(U256::from(2_000_000), 6), "2");
        assert_eq!(format(U256::from(70), 0), "70");
    }
}
