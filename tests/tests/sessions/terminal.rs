//! The master's output on a terminal.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use synexec_tests::fleet::{Fleet, slave_on};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Finished, Process, eventually};
use synexec_tests::programs;

pub const TESTS: &[(&str, Test)] = &[
    ("terminal::those_expected_are_named_until_they_join", those_expected_are_named_until_they_join),
    ("terminal::tasks_are_counted_and_a_failure_stays_to_be_read", tasks_are_counted_and_a_failure_stays_to_be_read),
    ("terminal::lines_of_outputs_stay_to_be_read", lines_of_outputs_stay_to_be_read),
    ("terminal::many_lines_of_standard_error_stop_nothing", many_lines_of_standard_error_stop_nothing),
    ("terminal::a_narrow_one_is_not_garbled", a_narrow_one_is_not_garbled),
    ("terminal::colours_are_used_unless_they_are_unwanted", colours_are_used_unless_they_are_unwanted),
    ("terminal::a_dumb_one_gets_neither_colours_nor_movements", a_dumb_one_gets_neither_colours_nor_movements),
    ("terminal::a_row_is_one_line", a_row_is_one_line),
    ("terminal::missing_slaves_are_named_at_the_end", missing_slaves_are_named_at_the_end),
];

/// A task that fails at once on one guest, and waits for a file on the others.
const ONE_FAILS: &str = "/bin/sh :CONF:\n[ $SYNEXEC_NAME = vm1 ] && exit 3; echo 'it runs'\n\
                         while [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done\n";

const ROWS: u16 = 100;
const COLUMNS: u16 = 200;

/// A master on a terminal of its own. All processes end with the child.
struct Terminal {
    script: Process,
    /// The text that the terminal received, after a line of `script`.
    log: PathBuf,
    columns: u16,
}

impl Terminal {
    fn new(fleet: &Fleet, options: &[&str], before: &str) -> Result<Self> {
        Self::of_width(COLUMNS, fleet, options, before)
    }

    fn of_width(columns: u16, fleet: &Fleet, options: &[&str], before: &str) -> Result<Self> {
        let conf = fleet.control.dir().join("job.conf").display().to_string();
        let mut words = vec![programs::master().display().to_string()];
        words.extend(options.iter().map(|option| (*option).to_owned()));
        words.extend([fleet.guests.len().to_string(), conf]);
        let words: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        let run = format!("stty rows {ROWS} cols {columns}; {before} exec {}", words.join(" "));
        let log = fleet.control.dir().join("typescript");
        let mut command = fleet.control.command("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--", "script", "-q", "-f", "-e", "-c", &run]).arg(&log);
        Ok(Self { script: Process::spawn(command.env("SHELL", "/bin/sh").env("TERM", "xterm"))?, log, columns })
    }

    /// Waits until the screen shows all of these words at once, and returns the screen.
    fn wait_for(&self, needles: &[&str]) -> Result<String> {
        let look = || {
            let written = fs::read(&self.log).ok()?;
            let start = written.iter().position(|byte| *byte == b'\n')? + 1;
            let seen = self.screen(&written[start..]).screen().contents();
            needles.iter().all(|needle| seen.contains(needle)).then_some(seen)
        };
        let seen = eventually(&format!("{needles:?} on the terminal"), look);
        seen.with_context(|| format!("{:?}", fs::read_to_string(&self.log)))
    }

    /// The lines of the final screen, after a check that the cursor is at the place of the next prompt.
    fn wait(&self) -> Result<(Finished, Vec<String>)> {
        let finished = self.script.wait()?;
        let parser = self.screen(finished.stdout.as_bytes());
        let seen = parser.screen();
        let lines: Vec<_> = seen.contents().lines().map(str::to_owned).collect();
        let rows: Vec<_> = seen.rows(0, self.columns).collect();
        let below = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
        ensure!(seen.cursor_position() == (u16::try_from(below)?, 0) && !seen.hide_cursor(), "{finished:?}");
        ensure!(seen.fgcolor() == vt100::Color::Default && !seen.bold(), "{finished:?}");
        Ok((finished, lines))
    }

    fn screen(&self, written: &[u8]) -> vt100::Parser {
        let mut parser = vt100::Parser::new(ROWS, self.columns, 0);
        parser.process(written);
        parser
    }
}

fn let_go(fleet: &Fleet) -> Result<()> {
    Ok(fleet.guests.iter().try_for_each(|guest| fs::write(guest.dir().join("go"), ""))?)
}

/// Checks that the screen ends with the sentence and the table, and shows only whole lines above them.
fn ends_with_table(lines: &[String], slaves: usize) -> Result<&[String]> {
    let sentence =
        lines.iter().position(|line| line.contains("slaves succeeded; ")).with_context(|| format!("{lines:?}"))?;
    let (above, results) = lines.split_at(sentence);
    ensure!(results.len() == 3 + slaves && results[2].trim_start().starts_with("Rank"), "{lines:#?}");
    ensure!(results[3..].iter().all(|row| row.contains("10.77.0.")), "{lines:#?}");
    let is_left =
        |line: &String| ["[=", "[>", "[ ", "joined ", "running ", "starting in"].iter().any(|part| line.contains(part));
    ensure!(!above.iter().any(is_left), "{lines:#?}");
    Ok(above)
}

fn those_expected_are_named_until_they_join() -> Result<()> {
    let fleet = Fleet::new(3)?;
    fleet.conf("/bin/true\n")?;
    let terminal = Terminal::new(&fleet, &["--expect", "vm[0-2]"], "")?;
    terminal.wait_for(&["joined 0/3", "waiting for vm[0-2]"])?;
    let _first = fleet.slave(1, &[])?;
    terminal.wait_for(&["joined 1/3", "waiting for vm[0,2]"])?;
    let _second = fleet.slave(0, &[])?;
    let seen = terminal.wait_for(&["joined 2/3", "waiting for vm2"])?;
    ensure!(seen.matches("joined").count() == 1, "{seen}");
    let _third = fleet.slave(2, &[])?;
    let (finished, lines) = terminal.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    ends_with_table(&lines, 3).map(drop)
}

fn tasks_are_counted_and_a_failure_stays_to_be_read() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    fleet.conf(ONE_FAILS)?;
    let terminal = Terminal::new(&fleet, &[], "")?;
    let warning = "vm1 (10.77.0.3) exited 3 after ";
    let seen = terminal.wait_for(&["running 2, succeeded 0, failed 1", "running: vm[0,2]", warning])?;
    let line = |needle: &str| seen.lines().position(|line| line.contains(needle));
    ensure!(
        line(warning) < line("running 2") && line("running 2").map(|at| at + 1) == Some(seen.lines().count()),
        "{seen}"
    );
    fs::write(fleet.guests[0].dir().join("go"), "")?;
    terminal.wait_for(&["running 1, succeeded 1, failed 1", "running: vm2", warning])?;
    let_go(&fleet)?;
    let (finished, lines) = terminal.wait()?;
    ensure!(finished.code() == Some(1), "{finished:?}");
    let above = ends_with_table(&lines, 3)?;
    ensure!(above.iter().filter(|line| line.starts_with(warning)).count() == 1, "{lines:#?}");
    Ok(())
}

fn lines_of_outputs_stay_to_be_read() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    fleet.conf(ONE_FAILS)?;
    let terminal = Terminal::new(&fleet, &["--live"], "")?;
    terminal.wait_for(&["vm0: it runs\n", "vm2: it runs\n", "running 2, succeeded 0, failed 1"])?;
    let_go(&fleet)?;
    let (_, lines) = terminal.wait()?;
    let above = ends_with_table(&lines, 3)?;
    let outputs = above.iter().filter(|line| line.ends_with(": it runs"));
    ensure!(outputs.count() == 2, "{lines:#?}");
    Ok(())
}

/// Lines of standard error, the progress line and messages share the terminal on stderr.
fn many_lines_of_standard_error_stop_nothing() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    let script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $SYNEXEC_NAME writes $i >&2; done";
    fleet.conf(format!("/bin/sh :CONF:\n{script}\n"))?;
    let terminal = Terminal::new(&fleet, &["--live", "--separate", "-v", "--progress", "1"], "")?;
    let (_, lines) = terminal.wait()?;
    ensure!(lines.iter().any(|line| line.contains("3 of 3 slaves succeeded")), "{lines:#?}");
    Ok(())
}

fn a_narrow_one_is_not_garbled() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let name = |guest| if guest == 1 { "vm1".to_owned() } else { format!("a-guest-of-a-long-name-{guest}") };
    let slave = |guest: usize| slave_on(&fleet.guests[guest], &name(guest), &[]);
    let _slaves = (0..3).map(slave).collect::<Result<Vec<_>>>()?;
    fleet.conf(ONE_FAILS)?;
    let terminal = Terminal::of_width(44, &fleet, &["-v", "--progress", "1"], "")?;
    terminal.wait_for(&["] running 2", "a-guest-of-a-long-name-2 (10.77.0.4) runs, for "])?;
    let_go(&fleet)?;
    let (_, lines) = terminal.wait()?;
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    ensure!(count("vm1 (10.77.0.3) exited 3 after ") == 1 && count("running 2") == 0, "{lines:#?}");
    ensure!(count("all 3 slaves are ready: the task starts") == 1 && count("[=") == 0, "{lines:#?}");
    Ok(())
}

fn colours_are_used_unless_they_are_unwanted() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    fleet.conf("/bin/false\n")?;
    for (options, before, is_colored) in [
        (&[][..], "", true),
        (&[], "NO_COLOR=1", false),
        (&[], "NO_COLOR=", true),
        (&[], "TERM=dumb", false),
        (&[], "unset TERM;", false),
        (&["--color", "always"], "TERM=dumb", true),
        (&["--color", "never"], "", false),
        (&["--color", "always"], "NO_COLOR=1", true),
    ] {
        // Without the display on stderr, whose cursor movements are escapes too.
        let (finished, lines) = Terminal::new(&fleet, &[options, &["-q"]].concat(), before)?.wait()?;
        ensure!(finished.stdout.contains("\x1b[") == is_colored, "{options:?} {before}: {finished:?}");
        ensure!(lines.iter().any(|line| line.contains("exited 1")), "{lines:#?}");
    }
    Ok(())
}

fn a_dumb_one_gets_neither_colours_nor_movements() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    fleet.conf("/bin/true\n")?;
    let (finished, lines) = Terminal::new(&fleet, &[], "TERM=dumb")?.wait()?;
    ensure!(finished.code() == Some(0) && !finished.stdout.contains('\x1b'), "{finished:?}");
    // Without a progress line, each event has a line.
    ensure!(lines.iter().filter(|line| line.contains(" joined: ")).count() == 2, "{lines:#?}");
    ends_with_table(&lines, 2).map(drop)
}

/// Twelve slaves have one line each, at any width. Remarks that do not fit follow below the table.
fn a_row_is_one_line() -> Result<()> {
    let fleet = Fleet::new(12)?;
    let _slaves = fleet.slaves(&[])?;
    fleet.conf("/bin/true\n")?;
    for columns in [80, 50, 30] {
        let (finished, lines) = Terminal::of_width(columns, &fleet, &[], "")?.wait()?;
        let head = lines.iter().position(|line| line.contains("Name ")).with_context(|| format!("{lines:#?}"))?;
        let rows: Vec<_> = lines[head + 1..].iter().take_while(|line| !line.is_empty()).collect();
        ensure!(finished.code() == Some(0) && rows.len() == 12, "{columns}: {lines:#?}");
        for (guest, row) in rows.iter().enumerate() {
            let fits = row.chars().count() <= usize::from(columns);
            ensure!(fits && row.contains("vm") && row.contains("exited 0"), "{columns}: vm{guest}: {lines:#?}");
            ensure!(columns < 80 || row.contains(" ± "), "{columns}: {lines:#?}");
        }
        ensure!(lines[head].contains("Rank") == (columns == 80), "{columns}: {lines:#?}");
    }
    Ok(())
}

fn missing_slaves_are_named_at_the_end() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slave = fleet.listening_slave(0, &[])?;
    fleet.conf("/bin/true\n")?;
    let (finished, lines) = Terminal::new(&fleet, &["--wait", "5", "--expect", "vm[0-1]"], "")?.wait()?;
    ensure!(finished.code() == Some(3), "{finished:?}");
    ensure!(lines.iter().any(|line| line == "missing: vm1"), "{lines:#?}");
    ensure!(!lines.iter().any(|line| line.contains("joined 1/2")), "{lines:#?}");
    Ok(())
}
