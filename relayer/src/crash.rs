//! For tests only: ends the process abruptly between two steps, as a power cut would.
//!
//! `MOORING_RELAYER_CRASH_AT=<step>` aborts the process the first time that step is done. It is
//! compiled in, so that what is tested is what is run.

/// The environment variable.
pub const CRASH_VARIABLE: &str = "MOORING_RELAYER_CRASH_AT";

/// The steps, each named after what has just been done.
pub const CRASH_STEPS: &[&str] = &[
    "head.journalled",
    "head.signed",
    "head.submitted",
    "delivery.submitted",
    "checkpoint.journalled",
    "checkpoint.signed",
    "checkpoint.submitted",
    "submit.journalled",
    "submit.sent",
    "submit.included",
];

/// Aborts if this is the step that the environment names.
pub(crate) fn at(step: &'static str) {
    debug_assert!(CRASH_STEPS.contains(&step), "{step} is not listed");
    if std::env::var_os(CRASH_VARIABLE).is_some_and(|wanted| wanted == step) {
        tracing::error!(step, "abort, as {CRASH_VARIABLE} asks");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_where_a_test_can_reach_it_once() {
        let sources = [
            include_str!("signer.rs"),
            include_str!("deposits/task.rs"),
            include_str!("checkpoints/task.rs"),
            include_str!("submit/task.rs"),
        ]
        .concat();
        for step in CRASH_STEPS {
            let call = format!("crash::at(\"{step}\")");
            assert_eq!(sources.matches(&call).count(), 1, "{step}");
        }
        assert_eq!(sources.matches("crash::at(").count(), CRASH_STEPS.len());
    }
}
