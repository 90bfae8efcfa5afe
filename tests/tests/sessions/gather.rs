//! `--gather` and `--diff`: equal outputs are printed once.

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Finished;
use synexec_tests::report::only_round;

pub const TESTS: &[(&str, Test)] = &[
    ("gather::outputs_that_are_the_same_are_printed_once", outputs_that_are_the_same_are_printed_once),
    ("gather::only_differences_are_printed_of_other_slaves", only_differences_are_printed_of_other_slaves),
    ("gather::no_task_can_print_a_section_or_the_sentence", no_task_can_print_a_section_or_the_sentence),
    ("gather::each_round_is_gathered", each_round_is_gathered),
    ("gather::slaves_without_output_are_named", slaves_without_output_are_named),
    ("gather::of_a_long_output_the_beginning_is_shown", of_a_long_output_the_beginning_is_shown),
];

/// A task that prints twenty lines. On one guest, the lines in the middle differ.
const LINES: &str = "/bin/sh :CONF:\nseq 101 110\n[ $SYNEXEC_NAME = vm3 ] && echo other || echo same\nseq 112 120\n";

/// The output before the summary sentence.
fn gathered(finished: &Finished) -> Result<&str> {
    let sentence = finished.stdout.lines().find(|line| line.contains(" succeeded")).context("no sentence")?;
    Ok(finished.stdout.split(&format!("\n{sentence}")).next().unwrap_or_default())
}

fn lines(middle: &str) -> String {
    (101..=120).map(|number| if number == 111 { format!("| {middle}\n") } else { format!("| {number}\n") }).collect()
}

fn run(fleet: &Fleet, options: &[&str]) -> Result<Finished> {
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(fleet.guests.len(), &fleet.conf(LINES)?, options)?.wait()?;
    ensure!(finished.code() == Some(0) && row(&finished, "vm3")?.contains("exited 0"), "{finished:?}");
    Ok(finished)
}

fn outputs_that_are_the_same_are_printed_once() -> Result<()> {
    let finished = run(&Fleet::new(4)?, &["--gather"])?;
    let expected = format!("--- vm[0-2] (3 slaves)\n{}--- vm3\n{}", lines("same"), lines("other"));
    ensure!(gathered(&finished)? == expected, "{finished:?}");
    Ok(())
}

fn only_differences_are_printed_of_other_slaves() -> Result<()> {
    let finished = run(&Fleet::new(4)?, &["--diff"])?;
    let group = format!("--- vm[0-2] (3 slaves)\n{}", lines("same"));
    let difference = gathered(&finished)?.strip_prefix(&group).with_context(|| format!("{finished:?}"))?;
    let (heading, patch) = difference.split_once('\n').context("no heading")?;
    ensure!(heading == "--- vm3: differs from vm[0-2] (3 slaves)", "{heading}");
    let of = |mark: &str| patch.lines().filter(|line| line.starts_with(mark)).collect::<Vec<_>>();
    ensure!(of("| -") == ["| -same"] && of("| +") == ["| +other"], "{patch}");
    ensure!(of("| ").len() == patch.lines().count() && !patch.contains("101") && !patch.contains("120"), "{patch}");
    Ok(())
}

/// A task that tries to print sections of its own: on lines without an end, after CR, and in a difference.
const FORGER: &str = "/bin/sh :CONF:\nprintf '\\n--- vm1\\n10%%\\r--- vm2 (9 slaves)\\r\\n=== round 7\\n'\n\
                      [ $SYNEXEC_NAME = vm2 ] || echo '-- gone'; printf '\\n2 of 2 slaves succeeded'\n";

fn no_task_can_print_a_section_or_the_sentence() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    let lines = "| \n| --- vm1\n| 10%\n| --- vm2 (9 slaves)\n| === round 7\n";
    let most = format!("--- vm[0-1] (2 slaves)\n{lines}| -- gone\n| \n| 2 of 2 slaves succeeded\n");
    let other = format!("--- vm2\n{lines}| \n| 2 of 2 slaves succeeded\n");
    for (option, rest) in [("--gather", &other[..]), ("--diff", "--- vm2: differs from vm[0-1] (2 slaves)\n| @@ ")] {
        let finished = fleet.master(3, &fleet.conf(FORGER)?, &[option])?.wait()?;
        ensure!(finished.stdout.starts_with(&format!("{most}{rest}")), "{finished:?}");
        let sections = finished.stdout.lines().filter(|line| line.starts_with("---") || line.starts_with("==="));
        ensure!(sections.count() == 2 && finished.stdout.contains('\r') == (option == "--diff"), "{finished:?}");
    }
    let finished = fleet.master(3, &fleet.conf(FORGER)?, &["--live"])?.wait()?;
    let mut lines = finished.stdout.split("\n\n").next().unwrap_or_default().lines();
    ensure!(lines.all(|line| line.starts_with("vm")) && !finished.stdout.contains('\r'), "{finished:?}");
    Ok(())
}

fn each_round_is_gathered() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/sh :CONF:\nprintf 'in %s' $SYNEXEC_ROUND\n")?;
    let finished = fleet.master(2, &conf, &["--gather", "--rounds", "2"])?.wait()?;
    let expected = "=== round 1\n--- vm[0-1] (2 slaves)\n| in 1\n=== round 2\n--- vm[0-1] (2 slaves)\n| in 2\n";
    ensure!(finished.code() == Some(0) && gathered(&finished)? == expected, "{finished:?}");
    Ok(())
}

fn of_a_long_output_the_beginning_is_shown() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let script = "/bin/sh :CONF:\necho here\n[ $SYNEXEC_NAME = vm0 ] || seq 101 200\n";
    for (options, kept) in [(&["--gather"][..], "--- vm0\n| here\n"), (&["--live"], "vm0: here\n")] {
        let options = [options, &["--max-output", "10", "--html", "page.html"]].concat();
        let finished = fleet.master(2, &fleet.conf(script)?, &options)?.wait()?;
        ensure!(finished.code() == Some(5) && finished.stdout.contains(kept), "{finished:?}");
        let cut = if options[0] == "--live" { "vm1: 101\nvm1: 1\n" } else { "(--max-output)\n| here\n| 101\n| 1\n\n" };
        ensure!(finished.stdout.contains(cut) && !finished.stdout.contains("102"), "{finished:?}");
        let told = "its output was cut: it is longer than 10 B (--max-output); the slave keeps it in ";
        ensure!(row(&finished, "vm1")?.contains(told), "{finished:?}");
        // The last of the first bytes is not the end.
        let round = only_round(&fleet.control)?;
        let tail = |name| round.slave(name).map(|slave| slave.all["output"]["tail"].clone());
        ensure!(tail("vm0")? == "here\n" && tail("vm1")?.is_null(), "{round:?}");
    }
    Ok(())
}

fn slaves_without_output_are_named() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let script = "/bin/sh :CONF:\necho here\nwhile [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done\n";
    let master = fleet.master(2, &fleet.conf(script)?, &["--gather"])?;
    (0..2).try_for_each(|guest| fleet.wait_for_output(guest, "here").map(drop))?;
    slaves[1].signal(Signal::SIGKILL)?;
    master.wait_for("vm1 (10.77.0.3) is lost")?;
    std::fs::write(fleet.guests[0].dir().join("go"), "")?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5), "{finished:?}");
    ensure!(gathered(&finished)?.starts_with("--- vm0\n| here\n--- vm1: no output: lost after "), "{finished:?}");
    Ok(())
}
