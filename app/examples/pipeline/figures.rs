//! What a run measured, and the table of all runs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Transactions a second until the last block was durable.
    pub(crate) durable: f64,
    /// The same until the tables had taken it in too.
    pub(crate) drained: f64,
    /// Milliseconds from a block's arrival until it was durable, in order.
    pub(crate) latency_ms: Vec<f64>,
    /// Peak of resident memory while blocks ran, MiB.
    pub(crate) rss_mib: f64,
    /// How the store that the run left behind in a crash was opened.
    #[serde(default)]
    pub(crate) recovery: Recovery,
}

/// Opening a store after a crash.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Recovery {
    /// Milliseconds until the chain could be read.
    pub(crate) open_ms: f64,
    /// Milliseconds until the next block could be executed.
    pub(crate) ready_ms: f64,
}

/// Runs by setting.
#[derive(Debug, Default)]
pub(crate) struct Table(BTreeMap<String, Vec<Figures>>);

impl Table {
    pub(crate) fn add(&mut self, setting: &str, figures: Figures) {
        self.0.entry(setting.to_owned()).or_default().push(figures);
    }
}

/// Median, and the least and the greatest.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (values.first(), values.last()) else { return "-".to_owned() };
    format!("{:.0} ({least:.0}-{most:.0})", values[values.len() / 2])
}

fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small index")]
    let at = ((sorted.len() - 1) as f64 * part).round() as usize;
    sorted[at]
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| setting | runs | tx/s until durable | tx/s until the tables follow | block p50 ms | \
             block p99 ms | peak RSS MiB | open after a crash ms | ready for a block ms |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|")?;
        for (setting, runs) in &self.0 {
            let of = |figure: &dyn Fn(&Figures) -> f64| spread(runs.iter().map(figure).collect());
            writeln!(
                f,
                "| {setting} | {} | {} | {} | {} | {} | {} | {} | {} |",
                runs.len(),
                of(&|run| run.durable),
                of(&|run| run.drained),
                of(&|run| quantile(&run.latency_ms, 0.5)),
                of(&|run| quantile(&run.latency_ms, 0.99)),
                of(&|run| run.rss_mib),
                of(&|run| run.recovery.open_ms),
                of(&|run| run.recovery.ready_ms),
            )?;
        }
        Ok(())
    }
}
