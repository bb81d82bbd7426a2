//! Column families and their tuning.
//!
//! Several nodes share one small machine, so memory is bounded: one block cache, into which
//! indexes and filters count too, and one budget for all write buffers.

use crate::Error;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode,
    DataBlockIndexType, LogLevel, Options,
};

/// Bounds on what an open database keeps in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes for cached blocks, indexes and filters of all column families. Default: 32 MiB.
    pub block_cache: usize,
    /// Bytes in write buffers of all column families; beyond it the fullest is flushed. Default:
    /// 32 MiB.
    pub write_buffers: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self { block_cache: 32 << 20, write_buffers: 32 << 20 }
    }
}

/// Bytes in one column family's write buffer before it is flushed.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// Bytes of write-ahead log after which the column families that hold it back are flushed.
const MAX_WAL_BYTES: u64 = 32 << 20;
/// Table files kept open.
const MAX_OPEN_FILES: i32 = 512;
/// Bits a key in bloom filters: about 1 % false positives.
const BLOOM_BITS: f64 = 10.0;

/// A column family: a table with its own order of keys. Meant to be a constant of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnFamily {
    /// Its name on disk. Never `default`, which RocksDB keeps for itself.
    pub name: &'static str,
    /// What it is tuned for. May change between two openings.
    pub kind: Kind,
}

/// What a column family is tuned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Small values fetched by whole key, many of which are absent: bloom filters, small blocks,
    /// LZ4. Accounts, slots, trie nodes, indexes by hash.
    Point,
    /// Small values read in order: larger blocks, LZ4. Histories, indexes by height.
    Ordered,
    /// Large values, written once and seldom read: large blocks, Zstandard. Blocks, receipts,
    /// changesets.
    Records,
}

/// RocksDB rewrites every table file once more when the snapshots are gone that were open while it
/// was written, for the sake of a few bytes. A chain always has a snapshot open, so that would
/// compress each record twice and write the state anew after each opening. Ordinary compactions
/// drop what is dead soon enough. (In seconds; the crate has no function for it.)
const NO_SECOND_WRITING: &str = "bottommost_file_compaction_delay=4294967295";

/// Options of the whole database.
pub(crate) fn database(memory: Memory) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // After a crash: everything up to the first torn record, in the order it was written. A log
    // file that should be there and is missing or too short refuses to open.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(MAX_WAL_BYTES);
    options.set_db_write_buffer_size(memory.write_buffers);
    options.set_max_open_files(MAX_OPEN_FILES);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// The block cache that all column families of a database share.
pub(crate) fn cache(memory: Memory) -> Cache {
    Cache::new_lru_cache(memory.block_cache)
}

/// Options of one column family.
///
/// # Errors
/// RocksDB does not know one of them by its name.
pub(crate) fn column_family(kind: Kind, cache: &Cache) -> Result<Options, Error> {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = Options::default().get_options_from_string(NO_SECOND_WRITING)?;
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(2);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_compression_type(DBCompressionType::Lz4);
    match kind {
        Kind::Point => {
            blocks.set_block_size(4 << 10);
            blocks.set_bloom_filter(BLOOM_BITS, false);
            blocks.set_optimize_filters_for_memory(true);
            // In parts: the whole index of a large file would not fit into the cache.
            blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
            blocks.set_partition_filters(true);
            blocks.set_metadata_block_size(4 << 10);
            blocks.set_pin_top_level_index_and_filter(true);
            blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        }
        Kind::Ordered => {
            blocks.set_block_size(16 << 10);
            blocks.set_bloom_filter(BLOOM_BITS, false);
        }
        Kind::Records => {
            blocks.set_block_size(64 << 10);
            blocks.set_index_type(BlockBasedIndexType::BinarySearch);
            options.set_compression_type(DBCompressionType::Zstd);
        }
    }
    options.set_block_based_table_factory(&blocks);
    Ok(options)
}
