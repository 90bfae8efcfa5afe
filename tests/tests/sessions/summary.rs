//! The summary after a session.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use synexec_tests::fleet::{Fleet, rows};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Finished, Process, eventually};
use synexec_tests::programs;
use synexec_tests::report::{self, Round, only_round};

use crate::steal::slave_with_stat;

pub const TESTS: &[(&str, Test)] = &[
    ("summary::a_sentence_then_a_row_for_each", a_sentence_then_a_row_for_each),
    ("summary::a_guest_that_ran_much_longer_stands_out", a_guest_that_ran_much_longer_stands_out),
    ("summary::of_many_only_those_that_stand_out_have_a_row", of_many_only_those_that_stand_out_have_a_row),
    ("summary::a_failed_task_has_its_last_lines", a_failed_task_has_its_last_lines),
    ("summary::colours_are_used_where_they_are_wanted", colours_are_used_where_they_are_wanted),
    ("summary::a_quiet_master_says_nothing_but_its_results", a_quiet_master_says_nothing_but_its_results),
    ("summary::those_that_were_expected_are_named", those_that_were_expected_are_named),
];

const ONE_FAILS: &str = "/bin/sh :CONF:\n[ $SYNEXEC_NAME != vm17 ]\n";

/// Starts a master with only these options.
fn run(fleet: &Fleet, conf: &str, options: &[&str], no_color: Option<&str>) -> Result<Finished> {
    let mut command = fleet.control.command(programs::master());
    command.args(options).arg(fleet.guests.len().to_string()).arg(fleet.conf(conf)?);
    no_color.map(|value| command.env("NO_COLOR", value));
    Process::spawn(command)?.wait()
}

fn a_sentence_then_a_row_for_each() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = run(&fleet, "/bin/true\n", &[], None)?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let lines: Vec<_> = finished.stdout.lines().collect();
    let [sentence, empty, head, table @ ..] = &lines[..] else { anyhow::bail!("{finished:?}") };
    ensure!(sentence.starts_with("3 of 3 slaves succeeded; skew ") && sentence.ends_with('.'), "{finished:?}");
    ensure!(empty.is_empty() && head.trim_start().starts_with("Rank") && table.len() == 3, "{finished:?}");
    for (rank, row) in table.iter().enumerate() {
        let mut words = row.split_whitespace().filter(|word| *word != "*");
        ensure!(words.next() == Some(&rank.to_string()), "{finished:?}");
    }
    for name in ["vm0", "vm1", "vm2"] {
        ensure!(rows(&finished, name).len() == 1, "{finished:?}");
    }
    ensure!(finished.stderr.contains("joined: 3 of 3") && !finished.stderr.contains("skew"), "{finished:?}");
    Ok(())
}

fn a_guest_that_ran_much_longer_stands_out() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = run(&fleet, "/bin/sh :CONF:\n[ $SYNEXEC_NAME != vm1 ] || sleep 5\n", &[], None)?;
    for name in ["vm0", "vm1", "vm2"] {
        let row = rows(&finished, name).concat();
        ensure!(row.contains(" times as long as the median (") == (name == "vm1"), "{name}: {finished:?}");
        ensure!(name != "vm1" || row.starts_with(" *"), "{finished:?}");
    }
    Ok(())
}

fn a_failed_task_has_its_last_lines() -> Result<()> {
    let fleet = Fleet::new(4)?;
    let _slaves = fleet.slaves(&[])?;
    let script = "/bin/sh :CONF:\necho begin\ncase $SYNEXEC_NAME in vm0) echo fine;; vm3) printf 'a\\033[2Jb\\n'; kill -9 $$;; \
                  *) echo 'no such disk'; echo; exit 3;; esac\n";
    for (options, place) in [(&[][..], "/synexec.out"), (&["-o", "out"], "out/")] {
        let finished = fleet.master(4, &fleet.conf(script)?, options)?.wait()?;
        ensure!(finished.code() == Some(1), "{finished:?}");
        let (_, ends) =
            finished.stdout.split_once("Last lines of the tasks that did not succeed:\n").context("no ends")?;
        let lines: Vec<_> = ends.lines().collect();
        let [both, "    | begin", "    | no such disk", one, "    | begin", "    | a\u{fffd}[2Jb"] = lines[..] else {
            anyhow::bail!("{finished:?}");
        };
        ensure!(both.starts_with("  vm[1-2] (2 slaves): all of the output of vm"), "{both}");
        ensure!(both.contains(place) && one.starts_with("  vm3: all of its output is in "), "{both} {one}");
        let round = only_round(&fleet.control)?;
        ensure!(round.slave("vm1")?.all["last_lines"] == "begin\nno such disk\n\n", "{round:?}");
        ensure!(round.slave("vm0")?.all["last_lines"].is_null(), "{round:?}");
    }
    Ok(())
}

/// The names in a folded row.
fn unfold(row: &str) -> Result<BTreeSet<String>> {
    let (_, ranges) = row.split_once("vm[").with_context(|| row.to_owned())?;
    let ranges = ranges.split(']').next().unwrap_or_default().split(',');
    let ends = |range: &str| -> Result<_> {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Ok(first.parse::<u32>()?..=last.parse()?)
    };
    let numbers = ranges.map(ends).collect::<Result<Vec<_>>>()?.into_iter().flatten();
    Ok(numbers.map(|number| format!("vm{number}")).collect())
}

/// A session and its round, or none if most slaves stand out because they were late, as on a busy machine.
fn session_of_punctual_ones(fleet: &Fleet) -> Result<Option<(Finished, Round)>> {
    let json = report::file(&fleet.control).display().to_string();
    let finished = run(fleet, ONE_FAILS, &["--json", &json], None)?;
    let round = only_round(&fleet.control)?;
    let notable = round.slaves.iter().filter(|slave| slave.all["stands_out"] == true).count();
    Ok((notable <= 30).then_some((finished, round)))
}

fn of_many_only_those_that_stand_out_have_a_row() -> Result<()> {
    let fleet = Fleet::new(40)?;
    // If the machine itself were descheduled, all slaves would stand out.
    let _slaves = (0..40).map(|guest| slave_with_stat(&fleet, guest)).collect::<Result<Vec<_>>>()?;
    let session = || session_of_punctual_ones(&fleet).transpose();
    let (finished, round) = eventually("a session in which most are punctual", session)??;
    ensure!(finished.code() == Some(1) && finished.stdout.starts_with("39 of 40 slaves succeeded"), "{finished:?}");
    let table: Vec<_> = finished.stdout.lines().skip(3).collect();
    ensure!(table[0].contains("vm17") && table[0].contains("exited 1") && table[0].starts_with(" !"), "{finished:?}");
    let plain = round.slaves.iter().filter(|slave| slave.all["stands_out"] == false);
    let plain: BTreeSet<_> = plain.map(|slave| slave.name.clone()).collect();
    let folded = table.last().context("no rows")?;
    ensure!(unfold(folded)? == plain && folded.contains(&format!(" {}x ", plain.len())), "{finished:?}\n{round:#?}");
    // Some slaves may still have started late, and stand out.
    ensure!(table.len() == 1 + round.slaves.len() - plain.len(), "{finished:?}");

    let finished = run(&fleet, ONE_FAILS, &["--all"], None)?;
    ensure!(finished.code() == Some(1) && finished.stdout.lines().skip(3).count() == 40, "{finished:?}");
    ensure!((0..40).all(|guest| rows(&finished, &format!("vm{guest}")).len() == 1), "{finished:?}");
    Ok(())
}

fn colours_are_used_where_they_are_wanted() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    for (options, no_color, colored) in [
        (&[][..], None, false),
        (&["--color", "auto"], None, false),
        (&["--color", "never"], None, false),
        (&["--color", "always"], None, true),
        (&["--color", "always"], Some("1"), true),
        (&[], Some("1"), false),
    ] {
        let finished = run(&fleet, "/bin/false\n", options, no_color)?;
        ensure!(finished.stdout.contains('\x1b') == colored, "{options:?}: {finished:?}");
        ensure!(finished.code() == Some(1) && finished.stdout.contains("exited 1"), "{options:?}: {finished:?}");
    }
    Ok(())
}

fn a_quiet_master_says_nothing_but_its_results() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    for conf in ["/bin/true\n", "/bin/false\n", "./relative\n"] {
        let finished = run(&fleet, conf, &["-q"], None)?;
        ensure!(finished.stderr.is_empty() && finished.stdout.contains("of 2 slaves "), "{finished:?}");
        ensure!(rows(&finished, "vm0").len() == 1 && rows(&finished, "vm1").len() == 1, "{finished:?}");
    }
    Ok(())
}

fn those_that_were_expected_are_named() -> Result<()> {
    let fleet = Fleet::new(4)?;
    let _slaves = [fleet.listening_slave(1, &[])?, fleet.listening_slave(3, &[])?];
    let expected = ["--wait", "5", "--expect", "vm[0-2]", "--expect", "db1,vm3"];
    let finished = run(&fleet, "/bin/true\n", &expected, None)?;
    ensure!(finished.code() == Some(3), "{finished:?}");
    ensure!(finished.stderr.contains("missing: db1,vm[0,2]"), "{finished:?}");
    ensure!(finished.stdout.starts_with("Only 2 of 4 slaves joined in time; no task was started.\n"), "{finished:?}");
    for wrong in ["vm[0-", "vm[2-1]", "vm[x]"] {
        let finished = run(&fleet, "/bin/true\n", &["--expect", wrong], None)?;
        ensure!(finished.code() == Some(2) && finished.stdout.is_empty(), "{wrong}: {finished:?}");
    }
    Ok(())
}
