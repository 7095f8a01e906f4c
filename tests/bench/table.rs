//! The table that the benchmarks print.

use std::fmt;
use std::time::Duration;

/// Rows of figures, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    unit: &'static str,
    /// In ascending order.
    samples: Vec<f64>,
}

impl Table {
    pub(crate) fn add(&mut self, name: &str, unit: &'static str, samples: impl IntoIterator<Item = f64>) {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        assert!(!samples.is_empty(), "nothing was measured: {name}");
        self.rows.push(Row { name: name.to_owned(), unit, samples });
    }

    pub(crate) fn times(&mut self, name: &str, samples: impl IntoIterator<Item = Duration>) {
        self.add(name, "ms", samples.into_iter().map(|time| time.as_secs_f64() * 1e3));
    }
}

/// The value that this share of the samples does not exceed. The samples are in ascending order.
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let rank = (samples.len() as f64 * share).ceil() as usize;
    samples[rank.clamp(1, samples.len()) - 1]
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<58} {:>5} {:>9} {:>9} {:>9} {:>6}", "", "unit", "min", "median", "p99", "n")?;
        for Row { name, unit, samples } in &self.rows {
            let [min, median, p99] = [0.0, 0.5, 0.99].map(|share| quantile(samples, share));
            writeln!(f, "{name:<58} {unit:>5} {min:>9.2} {median:>9.2} {p99:>9.2} {:>6}", samples.len())?;
        }
        Ok(())
    }
}
