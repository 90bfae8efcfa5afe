//! The report on stdout: round by round a table of all slaves, how they started, and how far apart.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use synexec_proto::master::{Report, Round, Row, Skew};
use synexec_proto::time::WallClockTime;

/// Prints all rounds. A reader that has gone away wants no table.
///
/// # Errors
/// That of stdout.
pub fn print(report: &Report) -> io::Result<()> {
    match write!(io::stdout(), "{}", text(report, &TimeZone::system())) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn text(report: &Report, zone: &TimeZone) -> String {
    let mut text = String::new();
    for (number, round) in (1..).zip(report.rounds.iter().filter(|round| !round.rows.is_empty())) {
        if report.rounds.len() > 1 {
            let _ = writeln!(text, "Round {number}");
        }
        write_round(&mut text, round, zone);
    }
    if let Some(line) = spread(&report.rounds) {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// Writing to a string cannot fail.
fn write_round(text: &mut String, round: &Round, zone: &TimeZone) {
    let _ = writeln!(text, "{}", outcomes(&round.rows, zone).trim_fmt());
    if round.rows.iter().any(|row| row.clock.is_some()) {
        let _ = writeln!(text, "\n{}", starts(round).trim_fmt());
    }
    if let Some(skew) = &round.skew {
        let _ = writeln!(text, "\n{}", sentence(skew));
    }
    text.push('\n');
}

fn outcomes(rows: &[Row], zone: &TimeZone) -> Table {
    let mut table = plain(["Rank", "Name", "Address", "Start", "Finish", "Elapsed", "How it ended"], &[0, 5]);
    for row in rows {
        table.add_row(outcome_cells(row, zone));
    }
    table
}

fn outcome_cells(row: &Row, zone: &TimeZone) -> [String; 7] {
    let [start, finish, elapsed] = row.times.map_or_else(
        || ["-"; 3].map(str::to_owned),
        |times| {
            let elapsed = format!("{:.3} s", times.elapsed.as_secs_f64());
            [local(times.started, zone, "%F %T%.6f"), local(times.finished, zone, "%T%.6f"), elapsed]
        },
    );
    let address = row.slave.address.ip().to_string();
    [row.rank.to_string(), row.slave.name.clone(), address, start, finish, elapsed, row.outcome.to_string()]
}

fn starts(round: &Round) -> Table {
    let header = ["Rank", "After the first", "±", "Released late", "Clock offset", "±", "Round trip", "Held"];
    let mut table = plain(header, &[0, 1, 2, 3, 4, 5, 6]);
    for row in &round.rows {
        table.add_row(start_cells(row, round.skew.as_ref()));
    }
    table
}

fn start_cells(row: &Row, skew: Option<&Skew>) -> [String; 8] {
    let dash = || "-".to_owned();
    let start = row
        .start
        .zip(skew)
        .map(|(start, skew)| [start.at.since(skew.first), start.uncertainty, start.lateness].map(micros));
    let [after, start_uncertainty, lateness] = start.unwrap_or_else(|| [dash(), dash(), dash()]);
    let clock = row.clock.map(|clock| {
        let offset = format!("{:+.6} s", Duration::from_nanos(clock.offset.as_nanos().unsigned_abs()).as_secs_f64());
        let signed = if clock.offset.as_nanos() < 0 { offset.replacen('+', "-", 1) } else { offset };
        [signed, micros(clock.uncertainty), micros(clock.round_trip)]
    });
    let [offset, clock_uncertainty, round_trip] = clock.unwrap_or_else(|| [dash(), dash(), dash()]);
    let held = row.held.map_or_else(dash, |held| held.to_string());
    [row.rank.to_string(), after, start_uncertainty, lateness, offset, clock_uncertainty, round_trip, held]
}

/// How far apart the starts were, in words.
fn sentence(skew: &Skew) -> String {
    let figure = format!("{} ± {}", micros(skew.skew), micros(skew.uncertainty));
    if skew.known < skew.slaves {
        return format!("Skew: {figure} between {} starts; {} not known.", skew.known, skew.slaves - skew.known);
    }
    let together = match skew.together {
        Some(time) if time > Duration::ZERO => format!("all were running together for {:.6} s", time.as_secs_f64()),
        _ => "they were never all running together".to_owned(),
    };
    format!("Skew: {figure} between {} starts; {together}.", skew.slaves)
}

/// The spread of skews over several rounds.
fn spread(rounds: &[Round]) -> Option<String> {
    let known: Vec<_> = rounds.iter().filter_map(|round| round.skew).collect();
    let mut skews: Vec<_> = known.iter().map(|skew| skew.skew).collect();
    skews.sort();
    let (least, most) = (skews.first()?, skews.last()?);
    let middle = (*skews.get((skews.len() - 1) / 2)? + *skews.get(skews.len() / 2)?) / 2;
    let [least, middle, most] = [*least, middle, *most].map(micros);
    let count = skews.len();
    let partly = match known.iter().filter(|skew| skew.known < skew.slaves).count() {
        0 => String::new(),
        partly => format!(" (in {partly} of them not all starts are known)"),
    };
    let spread = format!("Skew over {count} rounds{partly}: {least} at least, {middle} median, {most} at most.");
    (rounds.len() > 1).then_some(spread)
}

fn plain<const N: usize>(header: [&str; N], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for column in table.column_iter_mut().filter(|column| right.contains(&column.index)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}

fn local(time: WallClockTime, zone: &TimeZone, format: &str) -> String {
    Timestamp::from_nanosecond(time.as_nanos().into())
        .map_or_else(|_| "out of range".to_owned(), |time| time.to_zoned(zone.clone()).strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use synexec_proto::clock::ClockEstimate;
    use synexec_proto::master::{MeasuredStart, Outcome, RunTimes, SlaveLabel, Verdict};
    use synexec_proto::message::Held;
    use synexec_proto::outcome::TaskEnd;
    use synexec_proto::time::{ClockOffset, MonotonicInstant};

    use super::*;

    fn label() -> SlaveLabel {
        SlaveLabel { name: "vm7".into(), address: "10.0.0.7:999".parse().unwrap() }
    }

    fn nothing_known() -> Row {
        let outcome = Outcome::Cancelled;
        Row { rank: 4, slave: label(), held: None, clock: None, times: None, start: None, outcome }
    }

    fn all_known() -> Row {
        let started = WallClockTime::from_seconds_and_micros(1_700_000_000, 250_000);
        let finished = WallClockTime::from_seconds_and_micros(1_700_000_001, 500_000);
        let at = |nanos| MonotonicInstant::from_nanos(nanos);
        let micros = Duration::from_micros;
        Row {
            rank: 3,
            times: Some(RunTimes { started, finished, elapsed: Duration::from_millis(1250) }),
            held: Some(Held::AtFirstInstruction),
            clock: Some(ClockEstimate {
                offset: ClockOffset::from_nanos(-3_600_000_012_345),
                uncertainty: micros(26),
                round_trip: micros(52),
            }),
            start: Some(MeasuredStart { at: at(5), ended_at: at(90), uncertainty: micros(31), lateness: micros(17) }),
            outcome: Outcome::Ended(TaskEnd::Exited(4)),
            ..nothing_known()
        }
    }

    fn skew(micros: u64, known: usize) -> Skew {
        let [skew, uncertainty] = [micros, 40].map(Duration::from_micros);
        let together = Some(Duration::from_millis(900));
        Skew { first: MonotonicInstant::from_nanos(5), skew, uncertainty, known, slaves: 2, together }
    }

    fn shown(rounds: Vec<Round>) -> String {
        text(&Report { rounds, verdict: Verdict::Succeeded }, &TimeZone::UTC)
    }

    #[test]
    fn a_row_has_all_that_is_known() {
        let shown = shown(vec![Round { rows: vec![all_known(), nothing_known()], skew: Some(skew(120, 1)) }]);
        let outcome = ["2023-11-14 22:13:20.250000", "22:13:21.500000", "vm7", "10.0.0.7", "1.250 s", "exited 4"];
        let start = ["0.0 µs", "31.0 µs", "17.0 µs", "-3600.000012 s", "26.0 µs", "52.0 µs", "loaded"];
        for text in
            outcome.iter().chain(&start).chain(&["cancelled", "120.0 µs ± 40.0 µs between 1 starts; 1 not known"])
        {
            assert!(shown.contains(text), "{text} in\n{shown}");
        }
        assert!(!shown.contains("Round 1"));
    }

    #[test]
    fn several_rounds_are_told_one_by_one_and_their_spread() {
        let round = |micros, known| Round { rows: vec![all_known(); 2], skew: Some(skew(micros, known)) };
        let shown = |last| shown(vec![round(10, 2), round(40, 2), round(20, 2), round(70, last)]);
        let all = shown(2);
        assert!(all.contains("Round 4") && all.contains("all were running together for 0.900000 s"), "{all}");
        let spread = "Skew over 4 rounds: 10.0 µs at least, 30.0 µs median, 70.0 µs at most.";
        assert!(all.contains(spread), "{all}");
        assert!(shown(1).contains("Skew over 4 rounds (in 1 of them not all starts are known): "));
    }

    #[test]
    fn without_slaves_there_is_nothing_to_tell() {
        assert_eq!(shown(vec![Round { rows: Vec::new(), skew: None }]), "");
    }
}
