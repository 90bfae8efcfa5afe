//! The report as CSV (RFC 4180): one row for each slave and round.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use super::{Document, RoundReport, SlaveReport};

/// The columns. Times are in nanoseconds. An unknown value is an empty field.
#[derive(Debug, Default, Serialize)]
struct Record<'a> {
    round: u32,
    rank: u32,
    name: Cow<'a, str>,
    address: &'a str,
    outcome: &'a str,
    exit_status: Option<u8>,
    signal: Option<u8>,
    succeeded: bool,
    start_after_first_ns: Option<i64>,
    start_uncertainty_ns: Option<u64>,
    released_late_ns: Option<u64>,
    end_after_first_ns: Option<i64>,
    elapsed_ns: Option<u64>,
    started: Option<&'a str>,
    finished: Option<&'a str>,
    cpu_user_ns: Option<u64>,
    cpu_system_ns: Option<u64>,
    peak_memory_bytes: Option<u64>,
    voluntary_switches: Option<u64>,
    involuntary_switches: Option<u64>,
    steal_ns: Option<u64>,
    clock_step_ns: Option<i64>,
    clock_slip_ns: Option<i64>,
    suspended_ns: Option<u64>,
    clock_source: Option<Cow<'a, str>>,
    clock_offset_ns: Option<i64>,
    clock_uncertainty_ns: Option<u64>,
    round_trip_ns: Option<u64>,
    output_bytes: Option<u64>,
    output_blake3: Option<&'a str>,
    output_file: Option<Cow<'a, str>>,
    text: Cow<'a, str>,
    remarks: String,
}

/// Writes a head line and the rows.
///
/// # Errors
/// The writer fails.
pub fn write(document: &Document, to: impl Write) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
    writer.write_record(HEAD)?;
    for round in &document.rounds {
        for slave in &round.slaves {
            writer.serialize(record(round, slave))?;
        }
    }
    writer.flush()
}

/// The head line, which is written even if there are no rows.
const HEAD: [&str; 33] = [
    "round",
    "rank",
    "name",
    "address",
    "outcome",
    "exit_status",
    "signal",
    "succeeded",
    "start_after_first_ns",
    "start_uncertainty_ns",
    "released_late_ns",
    "end_after_first_ns",
    "elapsed_ns",
    "started",
    "finished",
    "cpu_user_ns",
    "cpu_system_ns",
    "peak_memory_bytes",
    "voluntary_switches",
    "involuntary_switches",
    "steal_ns",
    "clock_step_ns",
    "clock_slip_ns",
    "suspended_ns",
    "clock_source",
    "clock_offset_ns",
    "clock_uncertainty_ns",
    "round_trip_ns",
    "output_bytes",
    "output_blake3",
    "output_file",
    "text",
    "remarks",
];

fn record<'a>(round: &RoundReport, slave: &'a SlaveReport) -> Record<'a> {
    let (usage, guest, output) = (slave.usage, slave.guest.as_ref(), slave.output.as_ref());
    Record {
        round: round.round,
        rank: slave.rank,
        name: as_text(&slave.name),
        address: &slave.address,
        outcome: slave.outcome.kind,
        exit_status: slave.outcome.status,
        signal: slave.outcome.signal,
        succeeded: slave.outcome.succeeded,
        start_after_first_ns: slave.start.map(|start| start.at_ns),
        start_uncertainty_ns: slave.start.map(|start| start.uncertainty_ns),
        released_late_ns: slave.start.map(|start| start.late_ns),
        end_after_first_ns: slave.end_ns,
        elapsed_ns: slave.elapsed_ns,
        started: slave.started.as_deref(),
        finished: slave.finished.as_deref(),
        cpu_user_ns: usage.map(|usage| usage.cpu_user_ns),
        cpu_system_ns: usage.map(|usage| usage.cpu_system_ns),
        peak_memory_bytes: usage.map(|usage| usage.peak_memory_bytes),
        voluntary_switches: usage.map(|usage| usage.voluntary_switches),
        involuntary_switches: usage.map(|usage| usage.involuntary_switches),
        steal_ns: guest.map(|guest| guest.steal_ns),
        clock_step_ns: guest.map(|guest| guest.clock_step_ns),
        clock_slip_ns: slave.clock_slip_ns,
        suspended_ns: guest.map(|guest| guest.suspended_ns),
        clock_source: guest.and_then(|guest| guest.clock_source.as_deref()).map(as_text),
        clock_offset_ns: slave.clock.map(|clock| clock.offset_ns),
        clock_uncertainty_ns: slave.clock.map(|clock| clock.uncertainty_ns),
        round_trip_ns: slave.clock.map(|clock| clock.round_trip_ns),
        output_bytes: output.and_then(|output| output.bytes),
        output_blake3: output.and_then(|output| output.blake3.as_deref()),
        output_file: output.and_then(|output| output.file.as_deref()).map(as_text),
        text: as_text(&slave.outcome.text),
        remarks: slave.remarks.join("; "),
    }
}

/// Text that a slave has chosen, changed so that no spreadsheet takes it for a formula:
/// <https://owasp.org/www-community/attacks/CSV_Injection>.
fn as_text(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@']) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_that_of_the_rows() {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(Record::default()).unwrap();
        let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(written.lines().next().unwrap(), HEAD.join(","));
    }

    #[test]
    fn no_name_is_a_formula() {
        assert_eq!(as_text("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(as_text("web-1"), "web-1");
    }
}
