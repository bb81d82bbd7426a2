#![allow(clippy::unwrap_used, reason = "tests")]

mod core;
mod handle;
mod model;
