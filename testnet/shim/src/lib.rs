//! A shim between a program and its disk, for tests of durability.
//!
//! Loaded with `LD_PRELOAD`, it stands in front of the calls by which the program changes the files
//! below one directory. It traces them in order, so that a test can work out what a power cut at
//! any of them would have left behind, and makes them go wrong where a [`plan`] says so. All else
//! goes straight to the system. Without [`ROOT`] in the environment it does nothing.
//!
//! Not seen: files written through `FILE` streams (RocksDB's text log) or memory maps.

pub mod plan;
mod state;
pub mod trace;

mod calls;

/// The environment variable that names the directory.
pub const ROOT: &str = "MOORING_SHIM_ROOT";
/// The environment variable that names the file for the trace.
pub const TRACE: &str = "MOORING_SHIM_TRACE";
/// The environment variable that names the file whose writes are [`trace::Event::Ack`]: what the
/// program says that it has done.
pub const ACK: &str = "MOORING_SHIM_ACK";
