//! stdout is the answer, stderr the talk; `--json` makes the answer one document.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use tracing_subscriber::EnvFilter;

/// Our crates, whose names all start alike: the filter matches by prefix.
const OURS: &str = "mooring";
/// gossipsub warns each time a message that it has seen is offered again, which is how the pool
/// reaches peers that came late.
const QUIET: &str = "libp2p_gossipsub=error";

/// Prints a line of the answer. A reader that went away is not an error.
pub(crate) fn line(text: impl AsRef<str>) {
    let _ = writeln!(io::stdout(), "{}", text.as_ref());
}

/// Prints a line of talk.
pub(crate) fn talk(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

/// Prints the answer as one JSON document.
pub(crate) fn json(value: &impl Serialize) -> eyre::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints an error with its causes; as a document on stdout when JSON was asked for.
pub(crate) fn error(report: &eyre::Report, as_json: bool) {
    let causes: Vec<String> = report.chain().map(ToString::to_string).collect();
    if as_json {
        line(serde_json::json!({ "error": causes.join(": ") }).to_string());
    }
    let mut causes = causes.iter();
    talk(format!("error: {}", causes.next().map_or("unknown", String::as_str)));
    for cause in causes {
        talk(format!("  because: {cause}"));
    }
}

/// Logs go to stderr; `RUST_LOG` overrides the level.
pub(crate) fn init_logging(verbose: u8) {
    let level = match verbose {
        0 => format!("warn,{OURS}=info,{QUIET}"),
        1 => format!("info,{OURS}=debug,{QUIET}"),
        _ => "debug".to_owned(),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colour)
        .init();
}
