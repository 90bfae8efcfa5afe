//! The table of all slaves, on stdout.

use std::io::{self, ErrorKind, Write};

use comfy_table::{CellAlignment, Table, presets};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use synexec_proto::master::Row;
use synexec_proto::time::WallClockTime;

/// Prints one line a slave. A reader that has gone away wants no table.
///
/// # Errors
/// That of stdout.
pub fn print(rows: &[Row]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    match writeln!(io::stdout(), "{}", table(rows, &TimeZone::system()).trim_fmt()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn table(rows: &[Row], zone: &TimeZone) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["Rank", "Name", "Address", "Start", "Finish", "Elapsed", "How it ended"]);
    for column in table.column_iter_mut().filter(|column| [0, 5].contains(&column.index)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in rows {
        table.add_row(cells(row, zone));
    }
    table
}

fn cells(row: &Row, zone: &TimeZone) -> [String; 7] {
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

fn local(time: WallClockTime, zone: &TimeZone, format: &str) -> String {
    Timestamp::from_nanosecond(time.as_nanos().into())
        .map_or_else(|_| "out of range".to_owned(), |time| time.to_zoned(zone.clone()).strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use synexec_proto::master::{Outcome, RunTimes, SlaveLabel};
    use synexec_proto::outcome::TaskEnd;

    use super::*;

    #[test]
    fn a_row_has_all_that_is_known() {
        let started = WallClockTime::from_seconds_and_micros(1_700_000_000, 250_000);
        let finished = WallClockTime::from_seconds_and_micros(1_700_000_001, 500_000);
        let times = Some(RunTimes { started, finished, elapsed: Duration::from_millis(1250) });
        let slave = SlaveLabel { name: "vm7".into(), address: "10.0.0.7:999".parse().unwrap() };
        let row = Row { rank: 3, slave: slave.clone(), times, outcome: Outcome::Ended(TaskEnd::Exited(4)) };
        let unknown = Row { rank: 4, slave, times: None, outcome: Outcome::Cancelled };
        let shown = table(&[row, unknown], &TimeZone::UTC).to_string();
        let start_and_finish = ["2023-11-14 22:13:20.250000", "22:13:21.500000"];
        for text in start_and_finish.into_iter().chain(["vm7", "10.0.0.7", "1.250 s", "exited 4", "cancelled"]) {
            assert!(shown.contains(text), "{text} in\n{shown}");
        }
    }
}
