//! Leaves of the deposit log, rebuilt from the Vault's events. What is read here is a hint: the
//! hash chain decides.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use alloy_rpc_types_eth::{Filter, Log};
use alloy_sol_types::{SolEvent, SolEventInterface as _};
use mooring_bridge::{
    Count, Epoch, Leaf,
    contracts::Vault,
    deposit::{Deposit, EpochRecord, TokenMetadata},
};
use mooring_client::{ClientError, Endpoint, Verdict};

/// How many blocks are asked for at once at first.
const BLOCKS: u64 = 5_000;

/// The leaves after `after` up to `to`, each with its block, from the logs of `from..=until`.
pub(super) async fn read(
    endpoint: &Endpoint,
    vault: Address,
    after: Count,
    to: Count,
    from: u64,
    until: u64,
) -> Result<Vec<(Leaf, u64)>, ClientError> {
    let mut found = BTreeMap::new();
    let (mut start, mut span) = (from, BLOCKS);
    while start <= until {
        let end = until.min(start.saturating_add(span - 1));
        let filter = Filter::new()
            .address(vault)
            .event_signature(vec![
                Vault::Deposited::SIGNATURE_HASH,
                Vault::TokenMetadata::SIGNATURE_HASH,
                Vault::EpochRecorded::SIGNATURE_HASH,
            ])
            .from_block(start)
            .to_block(end);
        match endpoint.logs(&filter).await {
            Ok(logs) => {
                found.extend(logs.iter().filter_map(|log| leaf(vault, log)));
                start = end.saturating_add(1);
            }
            // Too many blocks or too many logs: providers say it in a hundred ways.
            Err(error) if error.verdict() == Verdict::Drop && span > 1 => {
                span = (end - start).div_ceil(2).max(1);
            }
            Err(error) => return Err(error),
        }
        if found.contains_key(&to) {
            break;
        }
    }
    let wanted = found.into_iter().filter(|(count, _)| *count > after && *count <= to);
    Ok(wanted.map(|(_, leaf)| leaf).collect())
}

/// The leaf that an event announces, by its number, with its block.
fn leaf(vault: Address, log: &Log) -> Option<(Count, (Leaf, u64))> {
    if log.address() != vault || log.removed {
        return None;
    }
    let event = Vault::VaultEvents::decode_log(&log.inner).ok()?;
    let leaf = match event.data {
        Vault::VaultEvents::Deposited(event) => Leaf::Deposit(Deposit {
            count: Count::new(event.count),
            asset: event.asset,
            sender: event.sender,
            recipient: event.recipient,
            amount: event.amount,
            gas_wei: event.gasWei,
            refund_to: event.refundTo,
        }),
        Vault::VaultEvents::TokenMetadata(event) => Leaf::TokenMetadata(TokenMetadata {
            count: Count::new(event.count),
            asset: event.asset,
            name: event.name,
            symbol: event.symbol,
            decimals: event.decimals,
        }),
        Vault::VaultEvents::EpochRecorded(event) => Leaf::EpochRecord(EpochRecord {
            count: Count::new(event.count),
            epoch: Epoch::new(event.epoch),
            members_hash: event.membersHash,
        }),
        _ => return None,
    };
    Some((leaf.count(), (leaf, log.block_number.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{B256, Log as RawLog, U256};

    fn event(vault: Address) -> Log {
        let event = Vault::Deposited {
            count: 3,
            asset: Address::ZERO,
            recipient: Address::repeat_byte(2),
            sender: Address::repeat_byte(3),
            amount: U256::from(4),
            gasWei: U256::ZERO,
            refundTo: Address::repeat_byte(5),
            acc: B256::ZERO,
        };
        let inner = RawLog { address: vault, data: event.encode_log_data() };
        Log { inner, block_number: Some(8), ..Default::default() }
    }

    #[test]
    fn an_event_gives_its_leaf() {
        let vault = Address::repeat_byte(1);
        let (count, (found, block)) = leaf(vault, &event(vault)).unwrap();
        assert_eq!((count, block), (Count::new(3), 8));
        let Leaf::Deposit(deposit) = found else { panic!("not a deposit") };
        assert_eq!((deposit.amount, deposit.sender), (U256::from(4), Address::repeat_byte(3)));
    }

    #[test]
    fn others_events_and_removed_ones_give_none() {
        let vault = Address::repeat_byte(1);
        assert_eq!(leaf(vault, &event(Address::repeat_byte(9))), None);
        let removed = Log { removed: true, ..event(vault) };
        assert_eq!(leaf(vault, &removed), None);
    }
}
