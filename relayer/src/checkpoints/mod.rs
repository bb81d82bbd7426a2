//! Signing the blocks that the sidechain names (spec 4.2).

pub mod state;
pub(crate) mod task;

#[cfg(test)]
mod tests;
