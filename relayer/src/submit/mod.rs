//! To L1: checkpoints with quorum, and the claims of exits (spec 4.3 and 4.4).

pub mod exits;
pub mod fees;
mod refusal;
pub mod state;
pub(crate) mod task;
mod view;

#[cfg(test)]
mod tests;
