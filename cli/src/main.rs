//! The `mooring` binary: parses, calls the libraries, prints. Nothing else.

mod args;
mod commands;
mod output;

use std::process::ExitCode;

use clap::Parser;

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
