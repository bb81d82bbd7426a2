//! The `mooring` binary: parses, calls the libraries, prints. Nothing else.

mod args;
mod commands;
mod output;

use std::process::ExitCode;

use clap::Parser;

/// Executing and hashing a block allocates from several threads at once. Freed memory goes back to
/// the system within a second (`.cargo/config.toml`), which the system's allocator does not do;
/// it serves RocksDB too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let json = args.json;
    output::init_logging(args.verbose);
    // Two TLS providers in one process panic at run time, so the only one is named first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(eyre::Report::from)
        .and_then(|runtime| runtime.block_on(commands::run(args)));
    match outcome {
        Ok(code) => code,
        Err(report) => {
            output::error(&report, json);
            ExitCode::FAILURE
        }
    }
}
