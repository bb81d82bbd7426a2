//! A block as writes.

use alloy_primitives::{Address, keccak256};
use mooring_rocks::{Batch, Db, Direction, Keys};
use mooring_stf::Fault;
use mooring_stf::state::AccountChange;

use super::block::Layer;
use super::{keys, record};

/// Every key of the block. The database must hold the block's parent.
pub(super) fn batch(db: &Db, layer: &Layer) -> Result<Batch, Fault> {
    let mut batch = Batch::new();
    chain(&mut batch, layer);
    for (address, change) in &layer.changes.accounts {
        account(db, &mut batch, *address, change)?;
    }
    for (hash, code) in &layer.changes.code {
        batch.put(keys::CODE, hash.as_slice(), record::seal(code));
    }
    for (owner, nodes) in &layer.nodes {
        for (path, node) in nodes {
            let (family, key) = keys::node(*owner, path);
            match node {
                Some(rlp) => batch.put(family, key, record::seal(rlp)),
                None => batch.delete(family, key),
            }
        }
    }
    for exit in &layer.exits {
        batch.put(keys::EXIT, keys::exit(exit.index.get()), record::seal_exit(exit));
    }
    for node in &layer.exit_nodes {
        let key = keys::exit_node(node.level, node.index);
        batch.put(keys::EXIT, key, record::seal(node.hash.as_slice()));
    }
    Ok(batch)
}

/// Header, body, receipts, indexes and the tip.
fn chain(batch: &mut Batch, layer: &Layer) {
    let block = &layer.block;
    let number = block.number();
    let height = keys::height(number);
    batch.put(keys::HEADER, height, record::seal_header(&block.header, block.hash));
    batch.put(keys::BODY, height, record::seal_transactions(&block.transactions));
    batch.put(keys::RECEIPTS, height, record::seal_receipts(&block.receipts));
    batch.put(keys::NUMBER, block.hash.as_slice(), record::seal(&height));
    for (index, tx) in block.transactions.iter().enumerate() {
        batch.put(keys::TX, tx.hash().as_slice(), record::seal_position(number, index));
    }
    batch.put(keys::META, keys::META_TIP, record::seal_tip(&layer.tip));
}

fn account(
    db: &Db,
    batch: &mut Batch,
    address: Address,
    change: &AccountChange,
) -> Result<(), Fault> {
    let key = keys::account(address);
    match &change.account {
        Some(account) => batch.put(keys::ACCOUNT, key, record::seal_account(account)),
        None => batch.delete(keys::ACCOUNT, key),
    }
    if change.wiped || change.account.is_none() {
        wipe(db, batch, address)?;
    }
    if change.account.is_none() {
        return Ok(());
    }
    for (slot, value) in &change.storage {
        let key = keys::storage(address, *slot);
        if value.is_zero() {
            batch.delete(keys::STORAGE, key);
        } else {
            batch.put(keys::STORAGE, key, record::seal(&value.to_be_bytes_trimmed_vec()));
        }
    }
    Ok(())
}

/// Removes what the account's storage holds.
fn wipe(db: &Db, batch: &mut Batch, address: Address) -> Result<(), Fault> {
    let owner = keccak256(address);
    let fault = |e| Fault::from_cause(format!("read the storage of {address}"), e);
    let slots = db.scan(keys::STORAGE, Keys::Prefix(owner.as_slice()), Direction::Forward);
    for entry in slots.map_err(fault)? {
        batch.delete(keys::STORAGE, entry.map_err(fault)?.0);
    }
    Ok(())
}
