//! `--csv`: a row for each slave and round, for a spreadsheet.

use anyhow::{Result, ensure};
use serde_json::Value;
use synexec_tests::fleet::{Fleet, slave_on};
use synexec_tests::lab::harness::Test;
use synexec_tests::report;

pub const TESTS: &[(&str, Test)] = &[
    ("report_table::a_row_has_the_figures_of_the_report", a_row_has_the_figures_of_the_report),
    ("report_table::a_session_without_slaves_has_a_head", a_session_without_slaves_has_a_head),
];

/// Columns, and the place of each value in a slave's part of the report.
const COLUMNS: [(&str, &str); 26] = [
    ("rank", "/rank"),
    ("name", "/name"),
    ("address", "/address"),
    ("outcome", "/outcome/kind"),
    ("exit_status", "/outcome/status"),
    ("signal", "/outcome/signal"),
    ("succeeded", "/outcome/succeeded"),
    ("start_after_first_ns", "/start/at_ns"),
    ("released_late_ns", "/start/late_ns"),
    ("elapsed_ns", "/elapsed_ns"),
    ("started", "/started"),
    ("cpu_user_ns", "/usage/cpu_user_ns"),
    ("peak_memory_bytes", "/usage/peak_memory_bytes"),
    ("steal_ns", "/guest/steal_ns"),
    ("clock_slip_ns", "/clock_slip_ns"),
    ("clock_offset_ns", "/clock/offset_ns"),
    ("output_bytes", "/output/bytes"),
    ("output_blake3", "/output/blake3"),
    ("text", "/outcome/text"),
    ("label", "/label"),
    ("output_state", "/output/state"),
    ("output_lost", "/output_lost"),
    ("errors_state", "/errors/state"),
    ("errors_bytes", "/errors/bytes"),
    ("errors_blake3", "/errors/blake3"),
    ("errors_file", "/errors/file"),
];

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn a_row_has_the_figures_of_the_report() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let names = ["plain", "a \"quoted\", name", "semicolon; and ü"];
    let shown = ["plain", "a_\"quoted\"__name", "semicolon;_and_ü"];
    let slave = |(guest, name): (_, &&str)| slave_on(guest, name, &[]);
    let _slaves: Vec<_> = fleet.guests.iter().zip(&names).map(slave).collect::<Result<_>>()?;
    let script = "echo $SYNEXEC_ROUND; echo oops >&2; [ \"$SYNEXEC_NAME\" != plain ] || kill -9 $$";
    let conf = fleet.conf(format!("/bin/sh :CONF:\n{script}\n"))?;
    let options = ["--csv", "table.csv", "--separate", "-o", "out", "--rounds", "2"];
    let finished = fleet.master(3, &conf, &options)?.wait()?;
    ensure!(finished.code() == Some(1), "{finished:?}");
    let report = report::read(&fleet.control)?;
    let mut rows = csv::Reader::from_path(fleet.control.dir().join("table.csv"))?;
    let head = rows.headers()?.clone();
    let rows: Vec<_> = rows.into_records().collect::<Result<_, _>>()?;
    let slaves = (0..2).flat_map(|round| report["rounds"][round]["slaves"].as_array().into_iter().flatten());
    ensure!(rows.len() == 6, "{rows:?}");
    for (number, (row, slave)) in rows.iter().zip(slaves).enumerate() {
        let cell = |name: &str| head.iter().position(|column| column == name).and_then(|index| row.get(index));
        ensure!(cell("round") == Some(if number < 3 { "1" } else { "2" }), "{row:?}");
        for (column, place) in COLUMNS {
            ensure!(cell(column) == Some(&text(slave.pointer(place))), "{column} in {row:?} of {slave:#}");
        }
        ensure!((cell("errors_state"), cell("errors_bytes")) == (Some("stored"), Some("5")), "{row:?}");
        ensure!(shown.contains(&cell("name").unwrap_or_default()), "{row:?}");
    }
    Ok(())
}

fn a_session_without_slaves_has_a_head() -> Result<()> {
    let fleet = Fleet::new(0)?;
    let options = ["--csv", "table.csv", "--wait", "1"];
    let finished = fleet.master(1, &fleet.conf("/bin/true\n")?, &options)?.wait()?;
    ensure!(finished.code() == Some(3), "{finished:?}");
    let mut rows = csv::Reader::from_path(fleet.control.dir().join("table.csv"))?;
    ensure!(COLUMNS.iter().all(|(column, _)| rows.headers().is_ok_and(|head| head.iter().any(|name| name == *column))));
    ensure!(rows.records().count() == 0);
    Ok(())
}
