//! The `mooring` binary: parses, calls the libraries, prints. Nothing else.

mod args;
mod commands;
mod output;

use std::process::ExitCode;

use clap::Parser;

/// Executing and hashing a block allocates from several threads at once, and with the system's
/// allocator takes about a third longer. It serves RocksDB too, which fragments the other's memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// mimalloc's `mi_option_purge_delay`, which its Rust bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Freed memory goes back to the system at once: a second's worth of freed blocks, which mimalloc
/// would keep, is hundreds of MiB.
#[expect(unsafe_code, reason = "the allocator's settings are C")]
fn return_freed_memory() {
    // SAFETY: sets a number that the allocator reads when it frees; no other thread runs yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) };
}

fn main() -> ExitCode {
    return_freed_memory();
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
