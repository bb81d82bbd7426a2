//! Four validators in one process, over loopback.
#![allow(clippy::unwrap_used, reason = "tests")]

mod app;
mod network;
mod scenarios;
mod store;
