//! The report as CSV (RFC 4180): one row for each slave and round.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::{Serialize, Serializer};
use synexec_proto::text::is_plain;

use super::{Document, OutputState, RoundReport, SlaveReport};

/// The columns. Times are in nanoseconds. An unknown value is an empty field.
#[derive(Debug, Default, Serialize)]
struct Record<'a> {
    round: u32,
    rank: u32,
    name: Text<'a>,
    address: Text<'a>,
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
    clock_source: Option<Text<'a>>,
    clock_offset_ns: Option<i64>,
    clock_uncertainty_ns: Option<u64>,
    round_trip_ns: Option<u64>,
    output_bytes: Option<u64>,
    output_blake3: Option<&'a str>,
    output_file: Option<Text<'a>>,
    text: Text<'a>,
    remarks: Text<'a>,
    label: Text<'a>,
    output_state: Option<OutputState>,
    output_lost: Option<Text<'a>>,
    errors_state: Option<OutputState>,
    errors_bytes: Option<u64>,
    errors_blake3: Option<&'a str>,
    errors_file: Option<Text<'a>>,
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
const HEAD: [&str; 40] = [
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
    "label",
    "output_state",
    "output_lost",
    "errors_state",
    "errors_bytes",
    "errors_blake3",
    "errors_file",
];

fn record<'a>(round: &RoundReport, slave: &'a SlaveReport) -> Record<'a> {
    let (usage, guest) = (slave.usage, slave.guest.as_ref());
    let (output, errors) = (slave.output.as_ref(), slave.errors.as_ref());
    Record {
        round: round.round,
        rank: slave.rank,
        name: Text::from(&*slave.name),
        address: Text::from(&*slave.address),
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
        clock_source: guest.and_then(|guest| guest.clock_source.as_deref()).map(Text::from),
        clock_offset_ns: slave.clock.map(|clock| clock.offset_ns),
        clock_uncertainty_ns: slave.clock.map(|clock| clock.uncertainty_ns),
        round_trip_ns: slave.clock.map(|clock| clock.round_trip_ns),
        output_bytes: output.and_then(|output| output.bytes),
        output_blake3: output.and_then(|output| output.blake3.as_deref()),
        output_file: output.and_then(|output| output.file.as_deref()).map(Text::from),
        text: Text::from(&*slave.outcome.text),
        remarks: Text(Cow::Owned(slave.remarks.join("; "))),
        label: Text::from(&*slave.label),
        output_state: output.map(|output| output.state),
        output_lost: slave.output_lost.as_deref().map(Text::from),
        errors_state: errors.map(|errors| errors.state),
        errors_bytes: errors.and_then(|errors| errors.bytes),
        errors_blake3: errors.and_then(|errors| errors.blake3.as_deref()),
        errors_file: errors.and_then(|errors| errors.file.as_deref()).map(Text::from),
    }
}

/// Text that is not ours alone. No spreadsheet takes the written field for a formula:
/// <https://owasp.org/www-community/attacks/CSV_Injection>.
#[derive(Debug, Default)]
struct Text<'a>(Cow<'a, str>);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&without_formula(&self.0))
    }
}

/// The text with a `'` before each part that a spreadsheet may take for a formula. Some spreadsheets begin another cell
/// at a semicolon, a tab or a line break, even in a quoted field.
fn without_formula(text: &str) -> Cow<'_, str> {
    let cells = || text.split_inclusive([';', '\t', '\n', '\r']);
    if !cells().any(may_be_formula) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(cells().flat_map(|cell| [if may_be_formula(cell) { "'" } else { "" }, cell]).collect())
}

/// Whether the first character that a spreadsheet does not skip is the sign of a formula, also in its full-width or
/// small form.
fn may_be_formula(cell: &str) -> bool {
    const SIGNS: &str = "=+-@＝＋－＠﹦﹢﹣﹫−";
    let is_skipped = |c: char| c.is_whitespace() || !is_plain(c) || "'\"`‘’“”\u{fffd}".contains(c);
    cell.trim_start_matches(is_skipped).starts_with(|c| SIGNS.contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_head_is_that_of_the_rows() {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(Record::default()).unwrap();
        let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(written.lines().next().unwrap(), HEAD.join(","));
    }

    #[test]
    fn a_text_that_may_be_a_formula_is_quoted() {
        for text in [
            "=cmd|' /C calc'!A0",
            "+1",
            "-1",
            "@SUM(A1)",
            " =1",
            "\"=1",
            "'=1",
            "\u{200b}=1",
            "\u{fffd}=1",
            "\u{a0}=1",
            "＝1",
            "＋1",
            "－1",
            "＠SUM(A1)",
        ] {
            assert!(without_formula(text).starts_with('\''), "{text:?}");
        }
        assert_eq!(without_formula("declined: a; =1\t@x"), "declined: a;' =1\t'@x");
        assert_eq!([" \t=1", "\r=1"].map(without_formula), [" \t'=1", "\r'=1"]);
        for text in ["web-1", "", "exited 0", "its clock ran 3 ms slower; its output is lost: a=b", "/w/@x.out"] {
            assert_eq!(without_formula(text), text);
        }
    }

    #[test]
    fn every_text_of_a_row_is_quoted() {
        let text = || Text::from("=1");
        let record = Record {
            name: text(),
            address: text(),
            clock_source: Some(text()),
            output_file: Some(text()),
            text: text(),
            remarks: text(),
            label: text(),
            output_lost: Some(text()),
            errors_file: Some(text()),
            ..Record::default()
        };
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        writer.serialize(record).unwrap();
        let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!((written.matches("'=1").count(), written.matches("=1").count()), (9, 9), "{written}");
    }

    proptest! {
        #[test]
        fn no_cell_of_any_text_is_a_formula(text in "[=+＠'; \t\r\n\u{200b}\u{202e}a\"]{0,12}") {
            let written = without_formula(&text);
            for cell in written.split([';', '\t', '\n', '\r']) {
                prop_assert!(cell.starts_with('\'') || !may_be_formula(cell), "{:?}", written);
            }
            prop_assert_eq!(written.replace('\'', ""), text.replace('\'', ""));
        }
    }
}
