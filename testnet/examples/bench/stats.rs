//! Samples, and the table that they are printed in.

use std::fmt::Write as _;

/// Measurements of one thing, ascending; never empty.
#[derive(Clone, Debug)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    /// `None` when nothing was measured.
    pub(crate) fn new(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some(Self(values))
    }

    /// The smallest value that at least `percent` of all values do not exceed (nearest rank).
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    /// The middle value, or the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let (low, high) = ((self.0.len() - 1) / 2, self.0.len() / 2);
        f64::midpoint(self.0[low], self.0[high])
    }
}

/// What was measured so far, in order.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<[String; 7]>,
    notes: Vec<String>,
}

impl Report {
    /// Adds a figure, in `unit`. A figure without a measurement fails the bench: a gap would look
    /// like something that was not asked for.
    pub(crate) fn add(&mut self, figure: &str, unit: &str, values: Vec<f64>) -> crate::Result<()> {
        let count = values.len();
        let sample = Sample::new(values).ok_or_else(|| format!("no measurement: {figure}"))?;
        // A 99th percentile of a handful of values is their maximum, no more.
        let p99 = if count >= 100 { number(sample.percentile(99)) } else { "-".to_owned() };
        self.rows.push([
            figure.to_owned(),
            unit.to_owned(),
            count.to_string(),
            number(sample.median()),
            p99,
            number(sample.percentile(0)),
            number(sample.percentile(100)),
        ]);
        Ok(())
    }

    /// Adds a line that is no figure.
    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// The table, then the notes.
    pub(crate) fn text(&self) -> String {
        let head = ["FIGURE", "UNIT", "N", "MEDIAN", "P99", "MIN", "MAX"].map(str::to_owned);
        let rows: Vec<&[String; 7]> = std::iter::once(&head).chain(&self.rows).collect();
        let widths: [usize; 7] = std::array::from_fn(|column| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        });
        let mut text = String::new();
        for row in rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Writing to a string cannot fail.
                let _ = if column < 2 {
                    write!(line, "{cell:<width$}  ")
                } else {
                    write!(line, "{cell:>width$}  ")
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str(note);
            text.push('\n');
        }
        text
    }
}

/// Three significant digits where there is a fraction at all.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v == v.trunc() => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
