//! Samples of what the daemon holds, and whether it grew.

use std::fmt;
use std::fs;
use std::time::Duration;

use phonework::process_tree;

use crate::rig::Rig;

/// The shortest run whose memory and `mail.db` are judged: rows stay in `mail.db` for 10 minutes, and memory settles
/// slowly.
const MIN_JUDGED_LENGTH: Duration = Duration::from_secs(20 * 60);
/// Space for the id of a message in `mail.db`. Ids stay for 7 days, in a table and its index, and take 60 to 200 bytes.
const BYTES_FOR_AN_ID: u64 = 256;

/// What the daemon held at one time; sizes in kB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    resident: u64,
    private: u64,
    descriptors: u64,
    threads: u64,
    pub(crate) children: u64,
    database: u64,
    wal: u64,
    log: u64,
    unanswered: u64,
}

impl Sample {
    pub(crate) fn holds_no_more_than(&self, other: &Self) -> bool {
        self.descriptors <= other.descriptors
            && self.threads <= other.threads
            && self.children <= other.children
    }

    fn figures(&self) -> [(&'static str, u64); 9] {
        [
            ("resident, kB", self.resident),
            ("private, kB", self.private),
            ("descriptors", self.descriptors),
            ("threads", self.threads),
            ("children", self.children),
            ("mail.db, kB", self.database),
            ("mail.db-wal, kB", self.wal),
            ("log, kB", self.log),
            ("unanswered messages", self.unanswered),
        ]
    }
}

/// Takes a sample of the daemon.
pub(crate) fn sample(rig: &Rig, unanswered: usize) -> Sample {
    let (memory, pid) = (rig.memory(), rig.pid());
    let entries = |folder: &str| {
        let entries = fs::read_dir(format!("/proc/{}/{folder}", pid.as_raw_pid())).unwrap();
        entries.count() as u64
    };
    // A missing file counts as empty.
    let size = |path: std::path::PathBuf| fs::metadata(path).map_or(0, |file| file.len() / 1024);
    Sample {
        resident: memory.resident,
        private: memory.private,
        descriptors: entries("fd"),
        threads: entries("task"),
        children: process_tree::descendants(pid).len() as u64,
        database: size(rig.state().join("mail.db")),
        wal: size(rig.state().join("mail.db-wal")),
        log: size(rig.log_path()),
        unanswered: unanswered as u64,
    }
}

/// All samples of a run. Those at rest are taken before and after the traffic.
pub(crate) struct Samples {
    length: Duration,
    every: Duration,
    at_rest: [Option<Sample>; 2],
    taken: Vec<Sample>,
}

impl Samples {
    pub(crate) fn new(length: Duration) -> Self {
        let every = if length < MIN_JUDGED_LENGTH { Duration::from_secs(5) } else { Duration::from_secs(30) };
        Self { length, every, at_rest: [None; 2], taken: Vec::new() }
    }

    pub(crate) fn start(&mut self, sample: Sample) {
        self.at_rest[0] = Some(sample);
    }

    pub(crate) fn end(&mut self, sample: Sample) {
        self.at_rest[1] = Some(sample);
    }

    pub(crate) fn first(&self) -> Sample {
        self.at_rest[0].expect("a sample was taken at the start")
    }

    fn last(&self) -> Sample {
        self.at_rest[1].expect("a sample was taken at the end")
    }

    pub(crate) fn is_due(&self, elapsed: Duration) -> bool {
        let due = self.every * (self.taken.len() as u32 + 1);
        elapsed >= due
    }

    pub(crate) fn add(&mut self, sample: Sample) {
        self.taken.push(sample);
    }

    /// What grew.
    pub(crate) fn growth(&self, messages: usize) -> Vec<String> {
        let (first, last) = (self.first(), self.last());
        let mut growth = Vec::new();
        for (name, before, after) in [
            ("descriptors", first.descriptors, last.descriptors),
            ("threads", first.threads, last.threads),
            ("children", first.children, last.children),
        ] {
            if after > before {
                growth.push(format!("{name}: {before} at the start, {after} at the end"));
            }
        }
        if self.length < MIN_JUDGED_LENGTH {
            return growth;
        }
        let quarter = |nth: usize| &self.taken[self.taken.len() * nth / 4..self.taken.len() * (nth + 1) / 4];
        // A tenth is allowed, as what the allocator keeps depends on what ran last. With 2 messages a second, a leak of
        // 500 bytes for each message shows in an hour.
        let resident = [1, 3].map(|nth| median(quarter(nth), |sample| sample.resident));
        if resident[1] > resident[0] * 11 / 10 {
            growth.push(format!("median of the resident memory: from {} to {} kB", resident[0], resident[1]));
        }
        let database = [1, 3].map(|nth| median(quarter(nth), |sample| sample.database));
        let ids = messages as u64 / 2 * BYTES_FOR_AN_ID / 1024;
        if database[1] > database[0] * 11 / 10 + ids {
            growth.push(format!("median of mail.db: from {} to {} kB", database[0], database[1]));
        }
        growth
    }
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    let mut figures: Vec<u64> = samples.iter().map(of).collect();
    figures.sort_unstable();
    figures[figures.len() / 2]
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ten = (600 / self.every.as_secs() as usize).clamp(1, self.taken.len()) - 1;
        let last = self.taken.len() - 1;
        let columns = [self.first(), self.taken[ten], self.taken[last / 2], self.taken[last], self.last()];
        writeln!(
            f,
            "{:<22}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "", "start", "10 min", "middle", "end", "at rest", "max"
        )?;
        for (row, (name, _)) in self.first().figures().iter().enumerate() {
            write!(f, "{name:<22}")?;
            for column in columns {
                write!(f, "{:>10}", column.figures()[row].1)?;
            }
            let max = self.taken.iter().map(|sample| sample.figures()[row].1).max();
            writeln!(f, "{:>10}", max.unwrap_or_default())?;
        }
        Ok(())
    }
}
