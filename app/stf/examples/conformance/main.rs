//! Runs the official EVM state tests (execution-spec-tests) through this crate's executor.
//!
//! `conformance [--filter TEXT] [--threads N] PATH`: `PATH` is a directory, whose JSON files are
//! all read as state tests, or a tar archive of one. Each case goes the way of a transaction in a
//! block: decoding, the mempool's check, the executor, the overlay, the tries. Compared are the
//! state root, the hash of the logs, and whether the transaction is refused.
//!
//! Exit code 0: every case of every fork that we support passes or is waived with a reason
//! (`waivers.txt`). 1: some case fails. 2: there is nothing to run.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program for developers, no part of the state transition"
)]

mod case;
mod exception;
mod fixture;
mod fork;
mod report;
mod sign;
mod source;
#[cfg(test)]
mod tests;
mod waivers;

use std::{path::PathBuf, process::ExitCode};

use rayon::prelude::*;

use report::Report;

const USAGE: &str = "usage: conformance [--filter TEXT] [--threads N] PATH";

struct Arguments {
    path: PathBuf,
    filter: String,
    threads: usize,
}

fn arguments() -> Result<Arguments, String> {
    let mut given = std::env::args().skip(1);
    let (mut path, mut filter, mut threads) = (None, String::new(), 0);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--filter" => filter = given.next().ok_or(USAGE)?,
            "--threads" => {
                threads = given.next().and_then(|text| text.parse().ok()).ok_or(USAGE)?;
            }
            _ if path.is_none() => path = Some(PathBuf::from(argument)),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(Arguments { path: path.ok_or(USAGE)?, filter, threads })
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| run(&arguments)) {
        Ok(report) => {
            print!("{report}");
            if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(message) => {
            eprintln!("conformance: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<Report, String> {
    let source = source::open(&arguments.path)?;
    let waivers = waivers::read()?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build()
        .map_err(|error| format!("start threads: {error}"))?;
    let report = pool.install(|| {
        source
            .files
            .par_iter()
            .map(|file| report::of_file(&source.root, file, &arguments.filter, &waivers))
            .reduce(Report::default, Report::and)
    });
    if report.is_empty() {
        return Err(format!(
            "no state test under {} matches '{}'",
            arguments.path.display(),
            arguments.filter
        ));
    }
    Ok(report)
}
