//! `--separate`: standard error apart from the output.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use synexec_proto::digest::Digest;
use synexec_tests::fleet::{Fleet, left_in, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::report::only_round;

pub const TESTS: &[(&str, Test)] = &[
    ("separate::each_stream_has_a_file_here_and_on_the_slave", each_stream_has_a_file),
    ("separate::without_it_both_are_together", without_it_both_are_together),
    ("separate::live_lines_of_standard_error_go_to_stderr", live_lines_of_standard_error_go_to_stderr),
    ("separate::live_lines_of_one_stream_do_not_wait_for_the_other", live_lines_do_not_wait_for_the_other_stream),
    ("separate::equal_pairs_are_printed_once", equal_pairs_are_printed_once),
    ("separate::only_the_stream_that_differs_is_compared", only_the_stream_that_differs_is_compared),
    ("separate::the_last_lines_are_those_of_standard_error", the_last_lines_are_those_of_standard_error),
    ("separate::each_stream_is_cut_by_itself", each_stream_is_cut_by_itself),
    (
        "separate::an_old_file_stays_until_a_task_has_separate_streams",
        an_old_file_stays_until_a_task_has_separate_streams,
    ),
];

/// A task that writes to both streams.
const BOTH: &str = "/bin/sh :CONF:\necho one; echo oops >&2; echo two; printf 'no line break' >&2\n";

fn each_stream_has_a_file() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(2, &fleet.conf(BOTH)?, &["--separate", "-o", "out"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let round = only_round(&fleet.control)?;
    for (guest, host) in fleet.guests.iter().enumerate() {
        let slave = &round.slave(&format!("vm{guest}"))?.all;
        for (field, suffix, expected) in [("output", "out", "one\ntwo\n"), ("errors", "err", "oops\nno line break")] {
            let (here, there) = (format!("out/{guest}-vm{guest}.{suffix}"), format!("synexec.{suffix}"));
            let (here, there) = (fleet.control.dir().join(here), host.dir().join(there));
            ensure!(fs::read_to_string(&here)? == expected, "{}: {finished:?}", here.display());
            ensure!(fs::read_to_string(&there)? == expected, "{}: {finished:?}", there.display());
            let fetched = &slave[field];
            ensure!(fetched["blake3"] == Digest::of(expected.as_bytes()).to_string(), "{slave:#}");
            ensure!(fetched["file"] == here.display().to_string(), "{slave:#}");
            ensure!(slave[format!("{field}_path")] == there.display().to_string(), "{slave:#}");
        }
    }
    ensure!(left_in(&fleet.control.dir().join("out"))?.len() == 4);
    Ok(())
}

fn without_it_both_are_together() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(1, &fleet.conf(BOTH)?, &["-o", "out"])?.wait()?;
    let output = fs::read_to_string(fleet.control.dir().join("out/0-vm0.out"))?;
    ensure!(output == "one\noops\ntwo\nno line break", "{output}: {finished:?}");
    let round = only_round(&fleet.control)?;
    let slave = &round.slave("vm0")?.all;
    ensure!(slave["errors"].is_null() && slave["errors_path"].is_null(), "{slave:#}");
    ensure!(!fleet.guests[0].dir().join("synexec.err").exists());
    Ok(())
}

fn live_lines_of_standard_error_go_to_stderr() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let script = "echo first >&2\nwhile [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done\necho second";
    let conf = fleet.conf(format!("/bin/sh :CONF:\n{script}\n"))?;
    let master = fleet.master(2, &conf, &["--separate", "--live"])?;
    master.wait_for("vm0! first")?;
    master.wait_for("vm1! first")?;
    ensure!(!master.output_so_far().contains("exited"), "{}", master.output_so_far());
    fleet.guests.iter().try_for_each(|guest| fs::write(guest.dir().join("go"), ""))?;
    let finished = master.wait()?;
    let mut lines: Vec<_> = finished.stdout.lines().take_while(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    ensure!(lines == ["vm0: second", "vm1: second"], "{finished:?}");
    ensure!(finished.stderr.matches("! first\n").count() == 2, "{finished:?}");
    Ok(())
}

/// The task writes each line only when the line before it has been seen here.
fn live_lines_do_not_wait_for_the_other_stream() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let script = "seen() { while [ ! -e $1 ] && [ -d \"$PWD\" ]; do sleep 0.05; done; }\n\
                  echo one >&2; seen one; echo two >&2; seen two; echo three; seen three; echo four >&2; seen four";
    let master = fleet.master(1, &fleet.conf(format!("/bin/sh :CONF:\n{script}\n"))?, &["--separate", "--live"])?;
    for line in ["vm0! one", "vm0! two", "vm0: three", "vm0! four"] {
        master.wait_for(line)?;
        let word = line.split_whitespace().last().unwrap_or_default();
        fs::write(fleet.guests[0].dir().join(word), "")?;
    }
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0) && finished.stdout.starts_with("vm0: three\n\n"), "{finished:?}");
    let of_task: Vec<_> = finished.stderr.lines().filter(|line| line.starts_with("vm0! ")).collect();
    ensure!(of_task == ["vm0! one", "vm0! two", "vm0! four"], "{finished:?}");
    Ok(())
}

/// A task with the same output on all guests. On one guest, standard error differs.
const DIFFERS: &str = "/bin/sh :CONF:\nseq 1 3\n[ $SYNEXEC_NAME = vm2 ] && echo other >&2 || echo same >&2\n";

fn equal_pairs_are_printed_once() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(3, &fleet.conf(DIFFERS)?, &["--separate", "--gather"])?.wait()?;
    let output = "| 1\n| 2\n| 3\n";
    let expected = format!("--- vm[0-1] (2 slaves)\n{output}! same\n--- vm2\n{output}! other\n\n");
    ensure!(finished.stdout.starts_with(&expected), "{finished:?}");
    Ok(())
}

fn only_the_stream_that_differs_is_compared() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(3, &fleet.conf(DIFFERS)?, &["--separate", "--diff"])?.wait()?;
    let most = "--- vm[0-1] (2 slaves)\n| 1\n| 2\n| 3\n! same\n";
    let rest = finished.stdout.strip_prefix(most).with_context(|| format!("{finished:?}"))?;
    let heading = "--- vm2: standard error differs from vm[0-1] (2 slaves)\n";
    let difference = rest.strip_prefix(heading).with_context(|| format!("{finished:?}"))?;
    let of_task: Vec<_> = difference.lines().take_while(|line| line.starts_with("! ")).collect();
    ensure!(of_task.contains(&"! -same") && of_task.contains(&"! +other"), "{finished:?}");
    Ok(())
}

fn the_last_lines_are_those_of_standard_error() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let script = "echo usual; [ $SYNEXEC_NAME = vm0 ] && echo 'no such disk' >&2; exit 3";
    let conf = fleet.conf(format!("/bin/sh :CONF:\n{script}\n"))?;
    let finished = fleet.master(2, &conf, &["--separate"])?.wait()?;
    ensure!(finished.code() == Some(1), "{finished:?}");
    let place = |guest: usize, file: &str| format!("vm{guest}:{}", fleet.guests[guest].dir().join(file).display());
    for expected in [
        format!("vm0: all of its standard error is in {}\n    | no such disk\n", place(0, "synexec.err")),
        format!("vm1: all of its output is in {}\n    | usual\n", place(1, "synexec.out")),
    ] {
        ensure!(finished.stdout.contains(&expected), "{expected} of {finished:?}");
    }
    let round = only_round(&fleet.control)?;
    let of = |name: &str| round.slave(name).map(|slave| slave.all["last_lines_of"].clone());
    ensure!(of("vm0")? == "errors" && of("vm1")? == "output");
    Ok(())
}

fn each_stream_is_cut_by_itself() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/sh :CONF:\nhead -c 9000 /dev/zero >&2; echo short\n")?;
    let finished = fleet.master(1, &conf, &["--separate", "-o", "out", "--max-output", "4K"])?.wait()?;
    ensure!(finished.code() == Some(5), "{finished:?}");
    let file = |name: &str| fs::read(fleet.control.dir().join("out").join(name));
    ensure!(file("0-vm0.err.cut")? == [0; 4096] && file("0-vm0.out")? == b"short\n", "{finished:?}");
    ensure!(finished.stdout.contains("its standard error was cut: it is longer than 4.0 KiB"), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("exited 0"), "{finished:?}");
    Ok(())
}

fn an_old_file_stays_until_a_task_has_separate_streams() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slaves = fleet.slaves(&[])?;
    let work = fleet.guests[0].dir();
    fleet.master(1, &fleet.conf(BOTH)?, &["--separate"])?.wait()?;
    fleet.serves_a_session()?;
    ensure!(fs::read_to_string(work.join("synexec.err"))?.starts_with("oops"));
    let finished = fleet.master(1, &fleet.conf("/bin/echo hello")?, &["--separate"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    ensure!(fs::read_to_string(work.join("synexec.err"))?.is_empty(), "{finished:?}");
    ensure!(fs::read_to_string(work.join("synexec.out"))? == "hello\n");
    Ok(())
}
