//! Integration tests of what both chains agree on.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

mod proof;
mod properties;
mod slots;
mod structs;
mod vectors;
