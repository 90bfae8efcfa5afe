//! Sessions with a key on both sides.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use synexec_tests::fleet::{Fleet, rows};
use synexec_tests::lab::harness::Test;
use synexec_tests::lab::{Capture, Packet};
use synexec_tests::process::{Finished, Process, eventually};
use synexec_tests::programs;
use synexec_tests::report::{self, only_round, rounds};

pub const TESTS: &[(&str, Test)] = &[
    ("keys::a_session_is_not_to_be_read_by_others", a_session_is_not_to_be_read_by_others),
    ("keys::a_key_is_never_told", a_key_is_never_told),
    ("keys::large_confs_and_outputs_arrive_whole", large_confs_and_outputs_arrive_whole),
    ("keys::rounds_and_live_outputs_work_as_without", rounds_and_live_outputs_work_as_without),
    ("keys::clocks_are_measured_as_without", clocks_are_measured_as_without),
    ("keys::a_broken_connection_is_taken_up_again_with_the_key", a_broken_connection_is_taken_up_again),
    ("keys::without_a_key_both_programs_warn", without_a_key_both_programs_warn),
    ("keys::a_key_file_of_no_use_is_told_first", a_key_file_of_no_use_is_told_first),
    ("keys::a_credential_of_systemd_may_have_the_mode_of_its_list", a_credential_may_have_the_mode_of_its_list),
    ("keys::a_new_key_is_written_and_nothing_written_over", a_new_key_is_written_and_nothing_written_over),
];

/// Writes a key file that only its owner can read.
pub fn key_file(fleet: &Fleet, name: &str, secret: &str) -> Result<String> {
    let path = fleet.control.dir().join(name);
    fs::write(&path, secret)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(path.to_str().context("no text")?.to_owned())
}

const SECRET: &str = "a secret of some length";
const CONF: &str = "the-conf-of-this-test";
const OUTPUT: &str = "the-output-of-this-test";

/// Runs a session with outputs, and returns all packets on the master's wire.
fn captured(fleet: &Fleet, options: &[&str]) -> Result<Vec<Packet>> {
    let _slaves = fleet.slaves(options)?;
    let wire: Capture = fleet.control.capture()?;
    // The output's words do not appear literally in the conf.
    let conf = fleet.conf(format!("/bin/sh :CONF:\n# {CONF}\nprintf 'the-%s-of-this-test\\n' output\n"))?;
    let finished = fleet.master(2, &conf, &[options, &["-o", "out"]].concat())?.wait()?;
    ensure!(finished.code() == Some(0) && rows(&finished, "exited").len() == 2, "{finished:?}");
    let rank_0 = fs::read_dir(fleet.control.dir().join("out"))?.next().context("an output")??;
    ensure!(fs::read_to_string(rank_0.path())?.trim() == OUTPUT);
    wire.packets()
}

fn says(packets: &[Packet], words: &str) -> bool {
    packets.iter().any(|packet| packet.data.windows(words.len()).any(|window| window == words.as_bytes()))
}

fn a_session_is_not_to_be_read_by_others() -> Result<()> {
    let plain = captured(&Fleet::new(2)?, &[])?;
    for words in [CONF, OUTPUT, "vm1", "SYNX"] {
        ensure!(says(&plain, words), "{words} is not visible without encryption");
    }
    let fleet = Fleet::new(2)?;
    let key = key_file(&fleet, "key", SECRET)?;
    let sealed = captured(&fleet, &["-k", &key])?;
    for words in [CONF, OUTPUT, "vm1", "SYNX"] {
        ensure!(!says(&sealed, words), "{words} is visible in spite of encryption");
    }
    let (datagrams, pieces): (Vec<_>, Vec<_>) = sealed.iter().partition(|packet| packet.is_udp);
    ensure!(!datagrams.is_empty() && datagrams.iter().all(|packet| packet.data.len() == 67), "{datagrams:?}");
    ensure!(!pieces.is_empty());
    Ok(())
}

/// The check holds with the highest verbosity too.
fn a_key_is_never_told() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let key = key_file(&fleet, "key", SECRET)?;
    let slave = fleet.slave(0, &["-k", &key, "-vv", "--once"])?;
    let master =
        fleet.master(1, &fleet.conf("/bin/true\n")?, &["-k", &key, "-vv", "--html", "page", "--csv", "table"])?;
    let (slave, master) = (slave.wait()?, master.wait()?);
    ensure!(slave.code() == Some(0) && master.code() == Some(0), "{slave:?} {master:?}");
    let mut told = [&slave.stdout, &slave.stderr, &master.stdout, &master.stderr].map(String::as_str).join("\n");
    for file in ["page", "table"] {
        told += &fs::read_to_string(fleet.control.dir().join(file))?;
    }
    told += &fs::read_to_string(report::file(&fleet.control))?;
    let bytes = |write: fn(u8) -> String, between| SECRET.bytes().map(write).collect::<Vec<_>>().join(between);
    let (in_hex, as_list) = (bytes(|byte| format!("{byte:02x}"), ""), bytes(|byte| byte.to_string(), ", "));
    for form in [SECRET, &in_hex, &as_list] {
        ensure!(!told.to_lowercase().contains(form), "{form} in {told}");
    }
    Ok(())
}

fn large_confs_and_outputs_arrive_whole() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    let _slaves = fleet.slaves(&["-k", &key])?;
    let payload: Vec<u8> = (0..1_usize << 20).map(|n| u8::try_from(n * n % 251).unwrap_or(0)).collect();
    let conf = fleet.conf([&b"/bin/cat :CONF: :CONF: :CONF:\n"[..], &payload].concat())?;
    let finished = fleet.master(2, &conf, &["-k", &key, "-o", "out"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    for entry in fs::read_dir(fleet.control.dir().join("out"))? {
        ensure!(fs::read(entry?.path())? == payload.repeat(3), "an output differs");
    }
    ensure!(fs::read(fleet.guests[1].dir().join("synexec.out"))? == payload.repeat(3));
    Ok(())
}

fn rounds_and_live_outputs_work_as_without() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    let _slaves = fleet.slaves(&["-k", &key])?;
    let conf = fleet.conf("/bin/sh :CONF:\necho round $SYNEXEC_ROUND\n")?;
    let finished = fleet.master(2, &conf, &["-k", &key, "--rounds", "3", "--live", "--progress", "1"])?.wait()?;
    ensure!(finished.code() == Some(0) && rounds(&fleet.control)?.len() == 3, "{finished:?}");
    for line in ["vm0: round 1", "vm1: round 3"] {
        ensure!(finished.stdout.contains(line), "{line}: {finished:?}");
    }
    Ok(())
}

/// The offset of the first clock, or none if this machine was too busy to measure it.
fn measured_offset(fleet: &Fleet, key: &str) -> Result<Option<f64>> {
    let finished = fleet.master(2, &fleet.conf("/bin/true\n")?, &["-k", key])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let round = only_round(&fleet.control)?;
    let skew = round.skew.context("no skew")?;
    let clock = round.slave("vm0")?.clock.context("no clock")?;
    let is_narrow = skew.uncertainty < Duration::from_millis(5) && clock.offset_error < 0.005;
    Ok(is_narrow.then_some(clock.offset))
}

fn clocks_are_measured_as_without() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    let elsewhen = ["unshare", "--time", "--monotonic", "12345", "--boottime", "12345", "--"];
    let _slaves = [fleet.slave_through(0, &elsewhen, &["-k", &key])?, fleet.slave(1, &["-k", &key])?];
    let measure = || measured_offset(&fleet, &key).transpose();
    let offset = eventually("a session with little uncertainty", measure)??;
    ensure!((offset - 12345.0).abs() < 0.1, "{offset} s");
    Ok(())
}

fn a_broken_connection_is_taken_up_again() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    let _slave = fleet.slave(0, &["-k", &key])?;
    let conf = fleet.conf("/bin/sh :CONF:\necho begun\nwhile ! test -e end; do sleep 0.05; done\necho ended\n")?;
    let master = fleet.master(1, &conf, &["-k", &key, "-o", "out"])?;
    fleet.wait_for_output(0, "begun")?;
    ensure!(fleet.guests[0].reset_connections()? == 1);
    master.wait_for("vm0 (10.77.0.2) has reconnected")?;
    fs::write(fleet.guests[0].dir().join("end"), "")?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0) && rows(&finished, "exited").len() == 1, "{finished:?}");
    ensure!(fs::read_to_string(fleet.control.dir().join("out/0-vm0.out"))? == "begun\nended\n", "{finished:?}");
    Ok(())
}

const WARNING: &str = "no key:";

fn without_a_key_both_programs_warn() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    let conf = fleet.conf("/bin/true\n")?;
    for (options, warnings) in [(&[][..], 1), (&["-k", &key], 0)] {
        let slave = fleet.slave(0, options)?;
        let finished = fleet.master(1, &conf, options)?.wait()?;
        ensure!(finished.code() == Some(0), "{finished:?}");
        ensure!(finished.stderr.matches(WARNING).count() == warnings, "{finished:?}");
        let said = slave.output_so_far();
        ensure!(said.matches(WARNING).count() == warnings, "{said}");
        ensure!(warnings == 0 || said.contains("any master that reaches this host can run any program here as root"));
    }
    let slave = fleet.listening_slave(0, &["-i", "lo"])?;
    let alone = fleet.master(1, &conf, &["-i", "lo", "--wait", "1"])?.wait()?;
    ensure!(!alone.stderr.contains(WARNING) && !slave.output_so_far().contains(WARNING), "{alone:?}");
    Ok(())
}

fn runs(fleet: &Fleet, program: &Path, arguments: &[&str]) -> Result<Finished> {
    Process::spawn(fleet.control.command(program).args(arguments))?.wait()
}

fn a_key_file_of_no_use_is_told_first() -> Result<()> {
    let fleet = Fleet::new(0)?;
    let (open, short) =
        (key_file(&fleet, "open", "a secret of some length")?, key_file(&fleet, "short", "too short\n")?);
    fs::set_permissions(&open, Permissions::from_mode(0o640))?;
    for (file, why) in [(&*open, "chmod 600"), (&*short, "at least 16"), ("missing", "No such file"), (".", "regular")]
    {
        for (program, arguments) in [
            // The master reads the key before the conf and the interface.
            (programs::master(), &["-d", "-k", file, "-i", "eth9", "1", "missing.conf"][..]),
            (programs::slave(), &["-d", "-k", file, "-i", "eth9"]),
        ] {
            let finished = runs(&fleet, program, arguments)?;
            ensure!(finished.code() == Some(2) && finished.stdout.is_empty(), "{file}: {finished:?}");
            ensure!(finished.stderr.contains(why) && finished.stderr.contains(file), "{file}: {finished:?}");
            ensure!(!finished.stderr.contains("secret of some length"), "{finished:?}");
        }
    }
    Ok(())
}

/// The service's user has a right by an access control list. The mode shows this right as the group's.
fn a_credential_may_have_the_mode_of_its_list() -> Result<()> {
    let fleet = Fleet::new(0)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    let dir = fleet.control.dir().to_string_lossy().into_owned();
    let status = |mode: u32, credentials: &str| {
        fs::set_permissions(&key, Permissions::from_mode(mode))?;
        // The master accepts the key, and then reports that there is no such conf.
        let mut command = fleet.control.command(programs::master());
        command.env("CREDENTIALS_DIRECTORY", credentials).args(["-k", &key, "--check", "missing.conf"]);
        Process::spawn(&mut command)?.wait()
    };
    for (mode, credentials, is_taken) in
        [(0o440, &*dir, true), (0o440, "/", false), (0o444, &dir, false), (0o460, &dir, false), (0o400, "/", true)]
    {
        let finished = status(mode, credentials)?;
        ensure!(finished.stderr.contains("chmod 600") != is_taken, "{mode:o} {credentials}: {finished:?}");
        ensure!(finished.stderr.contains("missing.conf") == is_taken, "{mode:o} {credentials}: {finished:?}");
    }
    Ok(())
}

fn a_new_key_is_written_and_nothing_written_over() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let made = runs(&fleet, programs::master(), &["--new-key", "new"])?;
    ensure!(made.code() == Some(0) && made.stderr.is_empty() && made.stdout.lines().count() == 1, "{made:?}");
    ensure!(made.stdout.contains("--key-file"), "{made:?}");
    let path = fleet.control.dir().join("new");
    let key = fs::read_to_string(&path)?;
    ensure!(key.len() == 65 && fs::metadata(&path)?.permissions().mode() & 0o777 == 0o600, "{key}");
    ensure!(!made.stdout.contains(key.trim()));
    let again = runs(&fleet, programs::master(), &["--new-key", "new"])?;
    ensure!(again.code() == Some(2) && again.stderr.contains("new") && fs::read_to_string(&path)? == key, "{again:?}");
    let key = path.to_str().context("no text")?;
    let _slave = fleet.slave(0, &["-k", key])?;
    let finished = fleet.master(1, &fleet.conf("/bin/true\n")?, &["-k", key])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(())
}
