//! Reports that a master has written with `--json`.

use std::path::PathBuf;
use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::lab::Host;

/// Path of the report on a host. Each master overwrites the report of the one before.
pub fn file(host: &Host) -> PathBuf {
    host.dir().join("report.json")
}

/// The last report on a host.
///
/// # Errors
///
/// If there is none.
pub fn read(host: &Host) -> Result<Value> {
    let path = file(host);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| text)
}

/// The skew and the rows of one round.
#[derive(Debug)]
pub struct Round {
    /// The skew of the starts, if it is known.
    pub skew: Option<Skew>,
    /// The rows of all slaves, by rank.
    pub slaves: Vec<Slave>,
}

/// The skew of the starts, as the report gives it.
#[derive(Debug, Clone, Copy)]
pub struct Skew {
    /// Last start minus first start.
    pub skew: Duration,
    /// Largest error of the skew.
    pub uncertainty: Duration,
}

/// One slave's part in a round.
#[derive(Debug)]
pub struct Slave {
    /// The name.
    pub name: String,
    /// The exit status.
    pub end: String,
    /// The way in which the task was held.
    pub held: Option<String>,
    /// Seconds from the ordered instant to the release of the task, or none if no start is known.
    pub late: Option<f64>,
    /// The measurement of the slave's clock.
    pub clock: Option<Clock>,
    /// The whole JSON object of the row.
    pub all: Value,
}

/// The measurement of a slave's clock, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The slave's clock minus the master's clock.
    pub offset: f64,
    /// Largest error of the offset.
    pub offset_error: f64,
    /// The shortest round trip.
    pub round_trip: f64,
}

impl Round {
    /// The row of the slave with this name.
    ///
    /// # Errors
    ///
    /// If the report has no such row.
    pub fn slave(&self, name: &str) -> Result<&Slave> {
        self.slaves.iter().find(|slave| slave.name == name).with_context(|| format!("no {name} in {self:?}"))
    }

    /// Number of known starts.
    pub fn starts(&self) -> usize {
        self.slaves.iter().filter(|slave| slave.late.is_some()).count()
    }

    fn new(round: &Value) -> Result<Self> {
        let slaves = round["slaves"].as_array().context("no slaves")?;
        Ok(Self { skew: Skew::new(&round["skew"]), slaves: slaves.iter().map(Slave::new).collect::<Result<_>>()? })
    }
}

impl Skew {
    fn new(skew: &Value) -> Option<Self> {
        let nanos = |field: &str| skew[field].as_u64().map(Duration::from_nanos);
        Some(Self { skew: nanos("skew_ns")?, uncertainty: nanos("uncertainty_ns")? })
    }
}

impl Slave {
    fn new(slave: &Value) -> Result<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(Self {
            name: text(&slave["name"]).context("no name")?,
            end: text(&slave["outcome"]["text"]).context("no outcome")?,
            held: text(&slave["held"]),
            late: seconds(&slave["start"]["late_ns"]),
            clock: Clock::new(&slave["clock"]),
            all: slave.clone(),
        })
    }
}

impl Clock {
    fn new(clock: &Value) -> Option<Self> {
        Some(Self {
            offset: seconds(&clock["offset_ns"])?,
            offset_error: seconds(&clock["uncertainty_ns"])?,
            round_trip: seconds(&clock["round_trip_ns"])?,
        })
    }
}

/// The rounds of the last report of a host.
///
/// # Errors
///
/// If there is no report, or it is not valid.
pub fn rounds(host: &Host) -> Result<Vec<Round>> {
    let report = read(host)?;
    let rounds = report["rounds"].as_array().with_context(|| format!("no rounds in {report}"))?;
    rounds.iter().map(Round::new).collect()
}

/// The round of a session with a single round.
///
/// # Errors
///
/// If the report has another number of rounds.
pub fn only_round(host: &Host) -> Result<Round> {
    let rounds: Result<[Round; 1], _> = rounds(host)?.try_into();
    let [round] = rounds.ok().context("not one round")?;
    Ok(round)
}

fn seconds(nanos: &Value) -> Option<f64> {
    nanos.as_f64().map(|nanos| nanos / 1e9)
}
