//! Which blocks a simulation has.

use alloy_consensus::Header;

use super::{MOST_BLOCKS, SimulateBlock, SimulateError};
use crate::call::BlockOverrides;

/// Seconds between blocks that name no time.
const BLOCK_SECS: u64 = 12;

/// A block to simulate, with its number and time.
#[derive(Clone, Debug)]
pub(super) struct Plan<'a> {
    overrides: BlockOverrides,
    /// `None` in a gap.
    pub(super) given: Option<&'a SimulateBlock>,
}

impl Plan<'_> {
    /// The overrides, with number and time.
    pub(super) const fn overrides(&self) -> &BlockOverrides {
        &self.overrides
    }
}

/// The blocks in order, gaps filled.
pub(super) fn plan<'a>(
    base: &Header,
    blocks: &'a [SimulateBlock],
) -> Result<Vec<Plan<'a>>, SimulateError> {
    let (mut number, mut time) = (base.number, base.timestamp);
    let mut plans = Vec::new();
    for block in blocks {
        let wanted = block.overrides.number.unwrap_or(number.saturating_add(1));
        if wanted <= number {
            return Err(SimulateError::NumberOrder { number: wanted, before: number });
        }
        if wanted.saturating_sub(base.number) > MOST_BLOCKS {
            return Err(SimulateError::TooManyBlocks);
        }
        for gap in number.saturating_add(1)..wanted {
            time = time.saturating_add(BLOCK_SECS);
            plans.push(Plan { overrides: at(BlockOverrides::default(), gap, time), given: None });
        }
        number = wanted;
        let wanted = block.overrides.time.unwrap_or(time.saturating_add(BLOCK_SECS));
        if wanted <= time {
            return Err(SimulateError::TimeOrder { time: wanted, before: time });
        }
        time = wanted;
        let overrides = at(block.overrides.clone(), number, time);
        plans.push(Plan { overrides, given: Some(block) });
    }
    Ok(plans)
}

fn at(overrides: BlockOverrides, number: u64, time: u64) -> BlockOverrides {
    BlockOverrides { number: Some(number), time: Some(time), ..overrides }
}
