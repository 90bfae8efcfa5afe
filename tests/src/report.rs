//! What a master has written with `--json`.

use std::path::PathBuf;
use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::lab::Host;

/// Where the masters of a host write their reports, each over the one before.
pub fn file(host: &Host) -> PathBuf {
    host.dir().join("report.json")
}

/// The last report that was written on a host.
///
/// # Errors
///
/// Where there is none.
pub fn read(host: &Host) -> Result<Value> {
    let path = file(host);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| text)
}

/// One round.
#[derive(Debug)]
pub struct Round {
    /// How far apart the starts were.
    pub skew: Option<Skew>,
    /// One for each slave, by rank.
    pub slaves: Vec<Slave>,
}

/// How far apart starts were, as the report says.
#[derive(Debug, Clone, Copy)]
pub struct Skew {
    /// Last minus first.
    pub skew: Duration,
    /// How far that may be wrong.
    pub uncertainty: Duration,
}

/// One slave's part in a round.
#[derive(Debug)]
pub struct Slave {
    /// What it is called.
    pub name: String,
    /// How it ended.
    pub end: String,
    /// How its task was held.
    pub held: Option<String>,
    /// How long after the instant that was ordered it was released, in seconds; none where no start is known.
    pub late: Option<f64>,
    /// What was known of its clock.
    pub clock: Option<Clock>,
    /// All that the report has of it.
    pub all: Value,
}

/// What was known of a slave's clock, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The slave's clock less the master's.
    pub offset: f64,
    /// By how much the offset may be wrong.
    pub offset_error: f64,
    /// The least round trip.
    pub round_trip: f64,
}

impl Round {
    /// The slave of that name.
    ///
    /// # Errors
    ///
    /// Where the report has none.
    pub fn slave(&self, name: &str) -> Result<&Slave> {
        self.slaves.iter().find(|slave| slave.name == name).with_context(|| format!("no {name} in {self:?}"))
    }

    /// How many starts are known.
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
/// Where there is none, or it is not understood.
pub fn rounds(host: &Host) -> Result<Vec<Round>> {
    let report = read(host)?;
    let rounds = report["rounds"].as_array().with_context(|| format!("no rounds in {report}"))?;
    rounds.iter().map(Round::new).collect()
}

/// The round of a session that had one.
///
/// # Errors
///
/// Where the report is another.
pub fn only_round(host: &Host) -> Result<Round> {
    let rounds: Result<[Round; 1], _> = rounds(host)?.try_into();
    let [round] = rounds.ok().context("not one round")?;
    Ok(round)
}

fn seconds(nanos: &Value) -> Option<f64> {
    nanos.as_f64().map(|nanos| nanos / 1e9)
}
