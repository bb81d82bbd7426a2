//! Fork names of the official tests.

use alloy_eips::eip7840::BlobParams;
use mooring_stf::{Rules, SpecId};

use crate::fixture::Config;

/// The rules of a fork, or why its tests are not run.
pub(crate) fn rules(name: &str, config: &Config) -> Result<Rules, &'static str> {
    let mut rules = known(name)?;
    if let Some(schedule) = config.blob_schedule.get(name) {
        let max: u64 = schedule.max.to();
        rules.blobs = BlobParams {
            target_blob_count: schedule.target.to(),
            max_blob_count: max,
            update_fraction: schedule.base_fee_update_fraction.to(),
            // EIP-7594 limits a transaction below the block's limit.
            max_blobs_per_tx: if rules.has(SpecId::OSAKA) {
                rules.blobs.max_blobs_per_tx
            } else {
                max
            },
            ..rules.blobs
        };
    }
    Ok(rules)
}

fn known(name: &str) -> Result<Rules, &'static str> {
    let spec = match name {
        "Frontier" => SpecId::FRONTIER,
        "Homestead" => SpecId::HOMESTEAD,
        "EIP150" | "Tangerine" | "TangerineWhistle" => SpecId::TANGERINE,
        "EIP158" | "Spurious" | "SpuriousDragon" => SpecId::SPURIOUS_DRAGON,
        "Byzantium" => SpecId::BYZANTIUM,
        "Constantinople" => {
            return Err("EIP-1283's gas rule was withdrawn before it ever held on the main chain");
        }
        "ConstantinopleFix" | "Petersburg" => SpecId::PETERSBURG,
        "Istanbul" | "MuirGlacier" => SpecId::ISTANBUL,
        "Berlin" => SpecId::BERLIN,
        "London" | "ArrowGlacier" | "GrayGlacier" => SpecId::LONDON,
        "Paris" | "Merge" => SpecId::MERGE,
        "Shanghai" => SpecId::SHANGHAI,
        "Cancun" => SpecId::CANCUN,
        "Prague" => SpecId::PRAGUE,
        "Osaka" => SpecId::OSAKA,
        "BPO1" => return Ok(Rules { blobs: BlobParams::bpo1(), ..Rules::of(SpecId::OSAKA) }),
        "BPO2" => return Ok(Rules { blobs: BlobParams::bpo2(), ..Rules::of(SpecId::OSAKA) }),
        _ => return Err("its rules are not final, or it is no fork that we know"),
    };
    Ok(Rules::of(spec))
}

/// Where the fork stands in a table, so that forks are listed in the order in which they came.
pub(crate) fn order(name: &str) -> u8 {
    known(name).map_or(u8::MAX, |rules| u8::from(rules.spec))
}
