//! From L1 to the sidechain: prove the Vault's head, vote for it, deliver its leaves (spec 3).

pub mod log;
pub mod state;
pub(crate) mod task;

#[cfg(test)]
mod tests;
