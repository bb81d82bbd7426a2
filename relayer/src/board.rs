//! What the relayer shows of itself: steps, doubts, errors, alarms and figures. Everything is
//! logged when it changes, and only then.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::U256;
use serde::Serialize;
use tracing::{info, warn};

/// One task, as shown in `/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TaskStatus {
    /// The last thing it did.
    pub(crate) last_step: Option<String>,
    /// Why it does nothing just now.
    pub(crate) abstains: Option<String>,
    /// Why its last look at the chains failed.
    pub(crate) error: Option<String>,
    /// Whether it has looked at both chains at least once.
    pub(crate) running: bool,
    /// What is not done yet.
    pub(crate) open_work: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Inner {
    tasks: BTreeMap<&'static str, TaskStatus>,
    /// By URL: why it is not used, null when it is.
    endpoints: BTreeMap<String, Option<String>>,
    alarms: BTreeMap<String, String>,
    /// Anything that must be done before the tasks run.
    starting: Option<String>,
    #[serde(skip)]
    figures: BTreeMap<&'static str, U256>,
}

/// Shared by all tasks and the status server.
#[derive(Debug, Default)]
pub(crate) struct Board {
    inner: Mutex<Inner>,
}

impl Board {
    /// A board that lists these tasks, none of which has run.
    pub(crate) fn new(tasks: &[&'static str]) -> Self {
        let board = Self::default();
        for task in tasks {
            board.inner().tasks.insert(task, TaskStatus::default());
        }
        board
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is waited for before the tasks run; `None` when they do.
    pub(crate) fn starting(&self, what: Option<&str>) {
        let mut inner = self.inner();
        if inner.starting.as_deref() != what {
            if let Some(what) = what {
                info!("{what}");
            }
            inner.starting = what.map(str::to_owned);
        }
    }

    /// A task has done something.
    pub(crate) fn step(&self, task: &'static str, what: String) {
        info!(task, "{what}");
        self.inner().tasks.entry(task).or_default().last_step = Some(what);
    }

    /// A task has looked at both chains: `abstains` says why it does nothing, if so.
    pub(crate) fn looked(&self, task: &'static str, abstains: Option<&str>, open: Option<String>) {
        let mut inner = self.inner();
        let status = inner.tasks.entry(task).or_default();
        if status.error.take().is_some() {
            info!(task, "works again");
        }
        if status.abstains.as_deref() != abstains {
            match abstains {
                Some(why) => info!(task, "abstains: {why}"),
                None => info!(task, "does not abstain any more"),
            }
            status.abstains = abstains.map(str::to_owned);
        }
        status.running = true;
        status.open_work = open;
    }

    /// A task's look at the chains has failed.
    pub(crate) fn failed(&self, task: &'static str, error: String) {
        let mut inner = self.inner();
        let status = inner.tasks.entry(task).or_default();
        if status.error.as_ref() != Some(&error) {
            warn!(task, "{error}");
            status.error = Some(error);
        }
    }

    /// Raises the alarm `key`, or ends it.
    pub(crate) fn alarm(&self, key: &str, what: Option<String>) {
        let mut inner = self.inner();
        match what {
            Some(what) => {
                if inner.alarms.get(key) != Some(&what) {
                    warn!(alarm = key, "{what}");
                    inner.alarms.insert(key.to_owned(), what);
                }
            }
            None => {
                if inner.alarms.remove(key).is_some() {
                    info!(alarm = key, "is over");
                }
            }
        }
    }

    /// Whether an endpoint can be used, and if not, why.
    pub(crate) fn endpoint(&self, url: &str, trouble: Option<String>) {
        self.alarm(url, trouble.clone());
        self.inner().endpoints.insert(url.to_owned(), trouble);
    }

    /// Sets a figure; [`FIGURES`] says what it means.
    pub(crate) fn figure(&self, name: &'static str, value: impl TryInto<U256>) {
        debug_assert!(FIGURES.iter().any(|(known, ..)| *known == name), "{name} is not listed");
        if let Ok(value) = value.try_into() {
            self.inner().figures.insert(name, value);
        }
    }

    /// Adds one to a figure.
    pub(crate) fn count(&self, name: &'static str) {
        let mut inner = self.inner();
        let figure = inner.figures.entry(name).or_default();
        *figure = figure.saturating_add(U256::from(1));
    }

    /// Why the relayer is not ready; empty when it is.
    pub(crate) fn not_ready(&self) -> Vec<String> {
        let inner = self.inner();
        let mut reasons: Vec<String> = inner.starting.iter().cloned().collect();
        for (name, task) in &inner.tasks {
            if let Some(error) = &task.error {
                reasons.push(format!("{name}: {error}"));
            } else if !task.running {
                reasons.push(format!("{name}: has not looked at both chains yet"));
            }
        }
        reasons.extend(inner.alarms.get(STOPPED).cloned());
        reasons
    }

    /// The `/status` document.
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::to_value(&*self.inner()).unwrap_or_default()
    }

    /// The figures in Prometheus' text format.
    pub(crate) fn metrics(&self) -> String {
        let inner = self.inner();
        let mut text = String::new();
        for (name, kind, help) in FIGURES {
            let value = inner.figures.get(name).copied().unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# HELP mooring_relayer_{name} {help}");
            let _ = writeln!(text, "# TYPE mooring_relayer_{name} {kind}");
            let _ = writeln!(text, "mooring_relayer_{name} {value}");
        }
        let _ = writeln!(text, "# HELP mooring_relayer_endpoint_up Whether an endpoint is used.");
        let _ = writeln!(text, "# TYPE mooring_relayer_endpoint_up gauge");
        for (url, trouble) in &inner.endpoints {
            let up = u8::from(trouble.is_none());
            let _ = writeln!(text, "mooring_relayer_endpoint_up{{url={url:?}}} {up}");
        }
        let _ = writeln!(text, "# HELP mooring_relayer_alarms Alarms that are on.");
        let _ = writeln!(text, "# TYPE mooring_relayer_alarms gauge");
        let _ = writeln!(text, "mooring_relayer_alarms {}", inner.alarms.len());
        text
    }
}

/// The alarm that stops all signing.
pub(crate) const STOPPED: &str = "stopped";

/// The figures: name, type, meaning.
pub(crate) const FIGURES: &[(&str, &str, &str)] = &[
    ("l1_height", "gauge", "Newest L1 block."),
    ("l1_finalized", "gauge", "Newest finalized L1 block on which enough endpoints agree."),
    ("sidechain_height", "gauge", "Newest sidechain block."),
    ("proven_count", "gauge", "Leaves of the newest proven head."),
    ("accepted_count", "gauge", "Leaves of the newest accepted head."),
    ("delivery_lag", "gauge", "Proven leaves that are not delivered yet."),
    ("checkpoint_height", "gauge", "Sidechain height of the newest checkpoint with quorum."),
    ("vault_height", "gauge", "Sidechain height of the Vault's last checkpoint."),
    ("open_exits", "gauge", "Exits known and not paid."),
    ("payer_balance_wei", "gauge", "Balance of the key that pays for L1 gas, in wei."),
    ("heads_signed_total", "counter", "Head votes posted since the start."),
    ("checkpoints_signed_total", "counter", "Checkpoint votes posted since the start."),
    ("deliveries_total", "counter", "Deliveries posted since the start."),
    ("transactions_total", "counter", "L1 transactions sent since the start."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_names_what_is_missing() {
        let board = Board::new(&["a", "b"]);
        assert_eq!(board.not_ready().len(), 2);
        board.looked("a", Some("no reason to sign"), None);
        board.looked("b", None, None);
        assert_eq!(board.not_ready(), Vec::<String>::new());
        board.failed("b", "down".into());
        assert_eq!(board.not_ready(), ["b: down"]);
        board.looked("b", None, None);
        board.alarm("http://x", Some("lies".into()));
        assert_eq!(board.not_ready(), Vec::<String>::new());
        board.alarm(STOPPED, Some("reorg".into()));
        assert_eq!(board.not_ready(), ["reorg"]);
    }

    #[test]
    fn metrics_are_prometheus_text() {
        let board = Board::new(&[]);
        board.figure("l1_height", 7u64);
        board.count("heads_signed_total");
        board.endpoint("http://x", Some("dead".into()));
        let text = board.metrics();
        for line in [
            "mooring_relayer_l1_height 7",
            "mooring_relayer_heads_signed_total 1",
            "mooring_relayer_endpoint_up{url=\"http://x\"} 0",
            "mooring_relayer_alarms 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }
}
