//! The line of a slave in the table.

use std::time::Duration;

use crate::report::SlaveReport;
use crate::units;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The task succeeded and nothing else is to report.
    Plain,
    /// The task succeeded, but the slave has remarks.
    Notable,
    /// The task did not succeed.
    Failed,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub look: Look,
    pub cells: [String; COLUMNS],
}

/// Number of columns.
pub const COLUMNS: usize = 9;

/// Titles of the columns. The first column has the mark of [`Look::mark`].
pub const HEAD: [&str; COLUMNS] =
    ["", "Rank", "Name", "Address", "Start", "Elapsed", "CPU", "Peak memory", "How it ended"];

/// Columns of numbers.
pub const NUMBERS: [usize; 5] = [1, 4, 5, 6, 7];

impl Look {
    /// How the line of a slave looks.
    pub fn of(slave: &SlaveReport) -> Self {
        match (slave.outcome.succeeded, slave.stands_out) {
            (false, _) => Self::Failed,
            (true, true) => Self::Notable,
            (true, false) => Self::Plain,
        }
    }

    /// A mark for readers who see no colours.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Notable => "*",
            Self::Failed => "!",
        }
    }
}

impl Row {
    /// The line of one slave.
    pub fn of(slave: &SlaveReport) -> Self {
        let look = Look::of(slave);
        let start = slave.start.map(|start| {
            units::time_within(
                Duration::from_nanos(start.at_ns.unsigned_abs()),
                Duration::from_nanos(start.uncertainty_ns),
            )
        });
        let address = slave.address.rsplit_once(':').map_or(slave.address.as_str(), |(host, _)| host);
        let end = std::iter::once(slave.outcome.text.clone()).chain(slave.remarks.iter().cloned());
        let cells = [
            look.mark().to_owned(),
            slave.rank.to_string(),
            slave.label.clone(),
            address.to_owned(),
            or_dash(start),
            or_dash(elapsed(slave).map(units::time)),
            or_dash(cpu(slave).map(units::time)),
            or_dash(memory(slave).map(units::bytes)),
            end.collect::<Vec<_>>().join("; "),
        ];
        Self { look, cells }
    }
}

/// How long the task ran.
pub fn elapsed(slave: &SlaveReport) -> Option<Duration> {
    slave.elapsed_ns.map(Duration::from_nanos)
}

/// CPU time of the task, in user and kernel mode.
pub fn cpu(slave: &SlaveReport) -> Option<Duration> {
    slave.usage.map(|usage| Duration::from_nanos(usage.cpu_user_ns.saturating_add(usage.cpu_system_ns)))
}

/// Largest memory of the task in bytes.
pub fn memory(slave: &SlaveReport) -> Option<u64> {
    slave.usage.map(|usage| usage.peak_memory_bytes)
}

/// The text, or a dash if it is not known.
pub fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}
