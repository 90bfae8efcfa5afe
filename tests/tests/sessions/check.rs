//! `--check`: shows the task of a conf without running it.

use std::net::{TcpListener, UdpSocket};

use anyhow::{Result, ensure};
use synexec_tests::fleet::Fleet;
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Finished, Process};
use synexec_tests::programs;

pub const TESTS: &[(&str, Test)] = &[
    ("check::it_shows_what_would_run_and_sends_nothing", it_shows_what_would_run_and_sends_nothing),
    ("check::likely_mistakes_are_told", likely_mistakes_are_told),
    ("check::a_bad_conf_has_the_status_of_one", a_bad_conf_has_the_status_of_one),
    ("check::a_conf_cannot_change_how_text_is_read", a_conf_cannot_change_how_text_is_read),
    ("check::options_of_a_session_do_no_harm", options_of_a_session_do_no_harm),
];

fn check(fleet: &Fleet, options: &[&str], conf: &str) -> Result<Finished> {
    let path = fleet.conf(conf)?;
    Process::spawn(fleet.control.command(programs::master()).args(options).arg("--check").arg(path))?.wait()
}

fn it_shows_what_would_run_and_sends_nothing() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.listening_slave(0, &[])?;
    let before = slave.output_so_far();
    // A master that tried to listen would fail.
    let _taken = fleet
        .control
        .enter(|| Ok::<_, std::io::Error>((TcpListener::bind("0.0.0.0:5165")?, UdpSocket::bind("0.0.0.0:5165")?)))?;
    let wire = fleet.control.capture()?;
    let finished = check(&fleet, &["--env", "B=2 3"], "/usr/bin/env  A=1 :CONF:\tlast\nhello payload\n")?;
    ensure!(finished.code() == Some(0) && finished.stderr.is_empty(), "{finished:?}");
    for words in [
        &["conf", "job.conf", "44 bytes"][..],
        &["program", "/usr/bin/env"],
        &["argv[0]", "env"],
        &["argv[1]", "A=1"],
        &["argv[2]", "/"],
        &["argv[3]", "last"],
        &["payload", "14 bytes", "SYNEXEC_CONF"],
        &["env", "B=2 3"],
    ] {
        let has_all = |line: &str| line.starts_with(words[0]) && words.iter().all(|word| line.contains(word));
        ensure!(finished.stdout.lines().any(has_all), "{words:?} in {finished:?}");
    }
    ensure!(finished.stdout.matches("argv[").count() == 4, "{finished:?}");
    let packets = wire.packets()?;
    ensure!(packets.is_empty() && slave.output_so_far() == before, "{packets:?} {}", slave.output_so_far());
    Ok(())
}

fn likely_mistakes_are_told() -> Result<()> {
    let fleet = Fleet::new(0)?;
    for (conf, mistakes) in [
        ("/bin/sh -c 'echo hi'\n", &["quotes"][..]),
        ("./job\n", &["relative"]),
        ("/bin/sh :CONF:\n", &["nothing follows"]),
        ("/bin/cat\npayload\n", &["no word `:CONF:`"]),
        ("/bin/echo $HOME >out; /bin/ls *\n", &["has `$`, `*`, `;` and `>`, but no shell"]),
        ("/bin/sh :CONF:\r\necho hi\r\n", &["carriage return"]),
        ("bin/sh -c \"echo\"\npayload\n", &["quotes", "relative", "no word `:CONF:`"]),
        ("/bin/sh :CONF:\necho 'hi'\n", &[]),
    ] {
        let finished = check(&fleet, &[], conf)?;
        ensure!(finished.code() == Some(0) && finished.stdout.contains("argv[0]"), "{finished:?}");
        ensure!(finished.stderr.lines().count() == mistakes.len(), "{conf}: {finished:?}");
        ensure!(mistakes.iter().all(|mistake| finished.stderr.contains(mistake)), "{conf}: {finished:?}");
    }
    Ok(())
}

fn a_bad_conf_has_the_status_of_one() -> Result<()> {
    let fleet = Fleet::new(0)?;
    for conf in ["", "\n", "   \npayload\n", "true\n", "/\n"] {
        let finished = check(&fleet, &[], conf)?;
        ensure!(finished.code() == Some(2) && finished.stdout.is_empty(), "{conf:?}: {finished:?}");
        ensure!(finished.stderr.contains("job.conf"), "{conf:?}: {finished:?}");
    }
    for (conf, mistake) in [
        ("\u{feff}/bin/sh :CONF:\necho\n", "byte order mark"),
        (":CONF:\r\n#!/bin/sh\r\necho\r\n", "carriage return"),
        ("#!/bin/sh\necho\n", "the conf is a script"),
    ] {
        let finished = check(&fleet, &[], conf)?;
        ensure!(finished.code() == Some(2) && finished.stderr.contains(mistake), "{conf:?}: {finished:?}");
    }
    let missing = fleet.control.dir().join("missing");
    let finished = Process::spawn(fleet.control.command(programs::master()).arg("--check").arg(missing))?.wait()?;
    ensure!(finished.code() == Some(2) && finished.stderr.contains("No such file"), "{finished:?}");
    Ok(())
}

fn a_conf_cannot_change_how_text_is_read() -> Result<()> {
    let fleet = Fleet::new(0)?;
    let finished = check(&fleet, &[], "/bin/echo a\u{202e}b\u{2028}c\u{1b}[2J\n")?;
    ensure!(
        finished.code() == Some(0) && finished.stdout.contains("argv[1]  a\u{fffd}b\u{fffd}c\u{fffd}[2J\n"),
        "{finished:?}"
    );
    let finished = check(&fleet, &[], "ec\u{202e}ho\u{85}\n")?;
    ensure!(finished.code() == Some(2) && finished.stderr.contains("`ec\u{fffd}ho\u{fffd}`"), "{finished:?}");
    ensure!(finished.stderr.lines().count() == 1, "{finished:?}");
    Ok(())
}

fn options_of_a_session_do_no_harm() -> Result<()> {
    let fleet = Fleet::new(0)?;
    let mut command = fleet.control.command(programs::master());
    let command = command.args(["--wait", "3", "--quorum", "4", "--check"]).arg(fleet.conf("/bin/true\n")?);
    let finished = Process::spawn(command)?.wait()?;
    ensure!(finished.code() == Some(0) && finished.stdout.contains("/bin/true"), "{finished:?}");
    Ok(())
}
