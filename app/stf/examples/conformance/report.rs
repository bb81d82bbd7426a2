//! What is counted and what is printed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    case::{self, Pass},
    fixture::{self, Test},
    fork,
    waivers::{self, Waiver},
};

/// Failures that are printed in full.
const SHOWN: usize = 20;

/// The cases of one fork.
#[derive(Debug, Default)]
struct Tally {
    files: BTreeSet<PathBuf>,
    passed: usize,
    waived: usize,
    failed: usize,
    /// Refused for a reason that the test does not name, and so passed.
    other_reason: usize,
    time: Duration,
    /// Why the fork's cases are not run.
    unsupported: Option<&'static str>,
    not_run: usize,
}

impl Tally {
    const fn cases(&self) -> usize {
        self.passed + self.waived + self.failed + self.not_run
    }

    fn add(&mut self, other: Self) {
        self.files.extend(other.files);
        self.passed += other.passed;
        self.waived += other.waived;
        self.failed += other.failed;
        self.other_reason += other.other_reason;
        self.time += other.time;
        self.unsupported = self.unsupported.or(other.unsupported);
        self.not_run += other.not_run;
    }
}

/// The verdicts on a set of files.
#[derive(Debug, Default)]
pub(crate) struct Report {
    forks: BTreeMap<(u8, String), Tally>,
    failures: Vec<Failure>,
    waived: BTreeSet<String>,
    /// Entries of other formats, which are not run.
    others: usize,
}

#[derive(Debug)]
struct Failure {
    file: PathBuf,
    name: String,
    why: String,
}

impl Report {
    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (fork, tally) in other.forks {
            self.forks.entry(fork).or_default().add(tally);
        }
        self.failures.extend(other.failures);
        self.waived.extend(other.waived);
        self.others += other.others;
        self
    }

    /// Whether nothing was run.
    pub(crate) fn is_empty(&self) -> bool {
        self.forks.is_empty() && self.failures.is_empty()
    }

    /// Whether nothing failed.
    pub(crate) const fn is_good(&self) -> bool {
        self.failures.is_empty()
    }

    /// Runs all cases of a test.
    pub(crate) fn test(&mut self, file: &Path, name: &str, test: &Test, waivers: &[Waiver]) {
        for (fork, posts) in &test.post {
            let tally = self.forks.entry((fork::order(fork), fork.clone())).or_default();
            tally.files.insert(file.to_owned());
            match fork::rules(fork, &test.config) {
                Err(why) => {
                    tally.unsupported = Some(why);
                    tally.not_run += posts.len();
                }
                Ok(rules) => {
                    let started = Instant::now();
                    let verdicts: Vec<_> =
                        posts.iter().map(|post| case::run(test, rules, post)).collect();
                    tally.time += started.elapsed();
                    let waiver = waivers::find(waivers, fork, name);
                    for verdict in verdicts {
                        self.count(file, fork, name, verdict, waiver);
                    }
                }
            }
        }
    }

    fn count(
        &mut self,
        file: &Path,
        fork: &str,
        name: &str,
        verdict: Result<Pass, String>,
        waiver: Option<&Waiver>,
    ) {
        let tally = self.forks.entry((fork::order(fork), fork.to_owned())).or_default();
        match (verdict, waiver) {
            (Ok(pass), _) => {
                tally.passed += 1;
                tally.other_reason += usize::from(pass == Pass::OtherReason);
            }
            (Err(_), Some(waiver)) => {
                tally.waived += 1;
                self.waived.insert(format!("{fork} {name}: {}", waiver.reason));
            }
            (Err(why), None) => {
                tally.failed += 1;
                let (file, name) = (file.to_owned(), format!("{fork} {name}"));
                self.failures.push(Failure { file, name, why });
            }
        }
    }
}

/// Runs the tests of a file that match the filter, by path or name.
pub(crate) fn of_file(root: &Path, file: &Path, filter: &str, waivers: &[Waiver]) -> Report {
    let mut report = Report::default();
    let shown = file.strip_prefix(root).unwrap_or(file);
    let tests = match fixture::read(file) {
        Ok((tests, others)) => {
            report.others = others;
            tests
        }
        Err(error) => {
            let why = format!("cannot be read: {error}");
            report.failures.push(Failure { file: shown.to_owned(), name: String::new(), why });
            return report;
        }
    };
    let all = shown.to_string_lossy().contains(filter);
    for (name, test) in tests.iter().filter(|(name, _)| all || name.contains(filter)) {
        report.test(shown, name, test, waivers);
    }
    report
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(f)?;
        for ((_, fork), tally) in &self.forks {
            if let Some(why) = tally.unsupported {
                writeln!(f, "not supported: {fork} ({} cases): {why}", tally.not_run)?;
            }
        }
        if self.others != 0 {
            writeln!(f, "not state tests, and so not run: {} entries", self.others)?;
        }
        for waived in &self.waived {
            writeln!(f, "waived: {waived}")?;
        }
        for Failure { file, name, why } in self.failures.iter().take(SHOWN) {
            writeln!(f, "FAILED {}\n  {name}\n  {why}", file.display())?;
        }
        if let Some(first) = self.failures.first() {
            writeln!(
                f,
                "{} failures. To run one file: make conformance FILTER={}",
                self.failures.len(),
                first.file.display()
            )?;
        }
        Ok(())
    }
}

impl Report {
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut total = Tally::default();
        writeln!(
            f,
            "{:<18}{:>7}{:>8}{:>8}{:>8}{:>8}{:>9}{:>14}",
            "fork", "files", "cases", "passed", "waived", "failed", "seconds", "other reason"
        )?;
        for ((_, fork), tally) in &self.forks {
            row(f, fork, tally)?;
            total.add(Tally { files: tally.files.clone(), ..*tally });
        }
        row(f, "all", &total)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, tally: &Tally) -> fmt::Result {
    let Tally { files, passed, waived, failed, other_reason, time, .. } = tally;
    let (files, cases, seconds) = (files.len(), tally.cases(), time.as_secs());
    let tenths = time.subsec_millis() / 100;
    writeln!(
        f,
        "{name:<18}{files:>7}{cases:>8}{passed:>8}{waived:>8}{failed:>8}{:>9}{other_reason:>14}",
        format!("{seconds}.{tenths}")
    )
}
