//! The state transition: pure, deterministic, ignorant of consensus engines, disks and clocks.
//!
//! `state at parent + block input -> header, receipts, changes, app hash`. Everything a block
//! needs is in [`BlockInput`]; everything read is behind [`StateReader`]; everything written is
//! returned in [`ExecutedBlock`].

pub mod block;
pub mod call;
pub mod check;
pub mod error;
pub mod evm;
pub mod executor;
pub mod fees;
pub mod genesis;
pub mod invalid;
mod overlay;
pub mod params;
pub mod peg;
pub mod schedule;
pub mod slots;
pub mod state;
pub mod testing;
pub mod tx;

pub use block::{BlockInput, ExecutedBlock, TxOutcome};
pub use error::{ExecError, Fault};
pub use evm::BlockContext;
pub use executor::{
    BlockError, BlockExecutor, Mode, Parent, execute_block, execute_decoded, execute_in_parts,
};
pub use genesis::genesis_block;
pub use invalid::InvalidTx;
pub use params::{BlobRule, ChainParams, FeeRule, PegParams};
pub use revm::primitives::hardfork::SpecId;
pub use schedule::{Activation, Rules, SpecSchedule};
pub use slots::CommittedSlots;
pub use state::{AccountChange, AccountRecord, BlockState, ChangeSet, SlotChange, StateReader};
