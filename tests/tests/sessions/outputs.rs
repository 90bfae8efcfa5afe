//! `-o`: the outputs of tasks, as files on the control domain.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use synexec_proto::digest::Digest;
use synexec_tests::fleet::{Fleet, left_in, row, rows, slave_on};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Finished, Process, eventually};
use synexec_tests::report::{Round, only_round};

pub const TESTS: &[(&str, Test)] = &[
    ("outputs::files_contain_the_outputs_of_the_tasks", files_contain_the_outputs_of_the_tasks),
    ("outputs::a_file_is_named_safely_whatever_the_slave_is_called", a_file_is_named_safely),
    ("outputs::each_round_has_a_directory", each_round_has_a_directory),
    ("outputs::a_slave_killed_while_outputs_are_fetched", a_slave_killed_while_outputs_are_fetched),
    ("outputs::a_directory_that_cannot_be_made_is_told_first", a_directory_that_cannot_be_made_is_told_first),
    ("outputs::a_directory_with_earlier_outputs_is_refused_without_force", a_directory_with_earlier_outputs_is_refused),
    ("outputs::outputs_of_interrupted_tasks_are_fetched", outputs_of_interrupted_tasks_are_fetched),
];

/// A task whose output is empty, a line without a line break, or 20 MiB, depending on the guest.
const SIZES: &str = "/bin/sh :CONF:\ncase $SYNEXEC_NAME in vm1) printf 'a line without its end';; vm2) head -c 20971520 \
                     /dev/urandom;; esac\n";

/// Bytes that [`COUNT`] writes.
const COUNTED: usize = 7_888_888;
const COUNT: &str = "/usr/bin/seq 1000000 1986110\n";

fn directory(fleet: &Fleet) -> PathBuf {
    fleet.control.dir().join("out")
}

/// The file of a slave's output, `RANK-NAME.out`.
fn file(fleet: &Fleet, round: &Round, name: &str) -> Result<PathBuf> {
    let rank = &round.slave(name)?.all["rank"];
    Ok(directory(fleet).join(format!("{rank}-{name}.out")))
}

fn files_contain_the_outputs_of_the_tasks() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(3, &fleet.conf(SIZES)?, &["-o", "out"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let round = only_round(&fleet.control)?;
    for (guest, size) in [0, 22, 20 << 20].into_iter().enumerate() {
        let name = format!("vm{guest}");
        let (file, output) = (file(&fleet, &round, &name)?, &round.slave(&name)?.all["output"]);
        let fetched = fs::read(&file)?;
        ensure!(fetched == fs::read(fleet.guests[guest].dir().join("synexec.out"))?, "{name}: {finished:?}");
        ensure!(fetched.len() == size && output["bytes"] == size, "{name} has {}: {output}", fetched.len());
        ensure!(
            output["state"] == "stored" && output["blake3"] == Digest::of(&fetched).to_string(),
            "{name}: {output}"
        );
        ensure!(output["file"] == file.display().to_string(), "{name}: {output}");
    }
    ensure!(left_in(&directory(&fleet))?.len() == 3, "{:?}", left_in(&directory(&fleet))?);
    Ok(())
}

fn a_file_is_named_safely() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let names = ["a/b c", "../../up\n$(x)*"];
    let slave = |(guest, name): (_, &&str)| slave_on(guest, name, &[]);
    let _slaves: Vec<_> = fleet.guests.iter().zip(&names).map(slave).collect::<Result<_>>()?;
    let conf = fleet.conf("/bin/sh :CONF:\nprintf %s \"$SYNEXEC_NAME\"\n")?;
    let finished = fleet.master(2, &conf, &["-o", "out"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let left = left_in(&directory(&fleet))?;
    let left: Vec<_> = left.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let is_safe = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    ensure!(left.len() == 2 && left.iter().all(|name| name.chars().all(is_safe)), "{left:?}");
    ensure!(left.iter().any(|name| name.ends_with("-a_b_c.out")), "{left:?}");
    ensure!(!fleet.control.dir().join("out/../../up").exists());
    Ok(())
}

fn each_round_has_a_directory() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/sh :CONF:\necho $SYNEXEC_NAME in round $SYNEXEC_ROUND\n")?;
    let finished = fleet.master(2, &conf, &["-o", "out", "--rounds", "2"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    ensure!(left_in(&directory(&fleet))? == ["round-1", "round-2"], "{:?}", left_in(&directory(&fleet))?);
    for round in ["1", "2"] {
        let directory = directory(&fleet).join(format!("round-{round}"));
        let files = left_in(&directory)?;
        let names: Vec<_> = files.iter().filter_map(|file| file.to_str()?.split(['-', '.']).nth(1)).collect();
        ensure!(files.len() == 2 && names.contains(&"vm0") && names.contains(&"vm1"), "{files:?}");
        for (name, file) in names.iter().zip(&files) {
            let content = fs::read_to_string(directory.join(file))?;
            ensure!(content == format!("{name} in round {round}\n"), "{name}: {content:?}");
        }
    }
    Ok(())
}

/// The two outputs take seconds to fetch, so one is surely under way when its slave is killed.
fn a_slave_killed_while_outputs_are_fetched() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let expected: Vec<_> = (1_000_000..=1_986_110).map(|number| format!("{number}\n")).collect();
    let expected = expected.concat();
    ensure!(expected.len() == COUNTED);
    fleet.control.limit_rate("20mbit")?;
    let master = fleet.master(2, &fleet.conf(COUNT)?, &["-o", "out"])?;
    let is_vm0s = |name: &std::ffi::OsString| name.to_string_lossy().ends_with("-vm0.out.part");
    let is_under_way = || left_in(&directory(&fleet)).is_ok_and(|left| left.iter().any(is_vm0s)).then_some(());
    eventually("the fetch", is_under_way)?;
    slaves[0].signal(Signal::SIGKILL)?;
    fleet.control.limit_rate("1gbit")?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5), "{finished:?}");
    let round = only_round(&fleet.control)?;
    ensure!(
        fs::read_to_string(file(&fleet, &round, "vm1")?)? == expected,
        "the output of the other slave: {finished:?}"
    );
    ensure!(left_in(&directory(&fleet))?.len() == 1, "{:?}", left_in(&directory(&fleet))?);
    is_told_where_it_is(&fleet, &finished, &round)?;
    ensure!(fleet.output(0)? == expected, "the slave's own output file is incomplete");
    Ok(())
}

/// The killed slave's task has succeeded, and the user can still copy its output.
fn is_told_where_it_is(fleet: &Fleet, finished: &Finished, round: &Round) -> Result<()> {
    let kept = fleet.guests[0].dir().join("synexec.out").display().to_string();
    let row = row(finished, "vm0")?;
    ensure!(row.contains("exited 0") && row.contains(&kept), "{row}");
    let told = finished.stderr.lines().any(|line| line.contains("the output of vm0") && line.contains(&kept));
    ensure!(told, "{finished:?}");
    let output = &round.slave("vm0")?.all["output"];
    ensure!(output["state"] == "failed" && output["kept_at"] == kept && output["bytes"] == COUNTED, "{output}");
    ensure!(output["why"].is_string() && output["file"].is_null(), "{output}");
    Ok(())
}

fn a_directory_that_cannot_be_made_is_told_first() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.listening_slave(0, &[])?;
    let before = slave.output_so_far();
    let conf = fleet.conf("/bin/echo ran\n")?;
    for directory in ["/proc/none/out", "job.conf", "job.conf/out"] {
        let finished = fleet.master(1, &conf, &["-o", directory])?.wait()?;
        ensure!(finished.code() == Some(2) && finished.stdout.is_empty(), "{directory}: {finished:?}");
        ensure!(finished.stderr.contains(&format!("cannot write outputs into {directory}")), "{finished:?}");
    }
    ensure!(!fleet.has_run(0) && slave.output_so_far() == before, "{}", slave.output_so_far());
    Ok(())
}

/// A refused run changes nothing and sends nothing; `--force` removes earlier outputs and leaves other files alone.
fn a_directory_with_earlier_outputs_is_refused() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/sh :CONF:\necho $SYNEXEC_NAME\n")?;
    let run = |slaves, options: &[&str]| fleet.master(slaves, &conf, &[&["-o", "out"], options].concat())?.wait();
    ensure!(run(2, &["--rounds", "2"])?.code() == Some(0));
    fs::write(directory(&fleet).join("notes.txt"), "mine")?;
    fleet.forget_outputs()?;
    let before: Vec<_> = slaves.iter().map(Process::output_so_far).collect();
    let refused = run(2, &[])?;
    let why = "out has outputs of an earlier run, such as round-1/0-vm0.out; choose another directory, or remove these \
               outputs with --force";
    ensure!(refused.code() == Some(2) && refused.stderr.contains(why), "{refused:?}");
    ensure!(slaves.iter().map(Process::output_so_far).collect::<Vec<_>>() == before && !fleet.has_run(0));
    ensure!(left_in(&directory(&fleet))? == ["notes.txt", "round-1", "round-2"]);
    // A session that cannot begin leaves the earlier outputs alone.
    let listener = fleet.control.enter(|| std::net::TcpListener::bind("0.0.0.0:5165"))?;
    ensure!(run(1, &["--force"])?.code() == Some(7));
    drop(listener);
    ensure!(left_in(&directory(&fleet))? == ["notes.txt", "round-1", "round-2"]);
    let forced = run(1, &["--force", "--expect", "vm1"])?;
    ensure!(forced.code() == Some(0), "{forced:?}");
    ensure!(left_in(&directory(&fleet))? == ["0-vm1.out", "notes.txt"], "{:?}", left_in(&directory(&fleet))?);
    let without_directory = fleet.master(1, &conf, &["--force"])?.wait()?;
    ensure!(
        without_directory.code() == Some(2) && without_directory.stderr.contains("--output"),
        "{without_directory:?}"
    );
    Ok(())
}

fn outputs_of_interrupted_tasks_are_fetched() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/sh :CONF:\necho $SYNEXEC_NAME has begun; sleep 1000 & wait\n")?;
    let master = fleet.master(2, &conf, &["-o", "out"])?;
    (0..2).try_for_each(|guest| fleet.wait_for_output(guest, "begun").map(drop))?;
    master.signal(Signal::SIGINT)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(130) && rows(&finished, "killed").len() == 2, "{finished:?}");
    let round = only_round(&fleet.control)?;
    for name in ["vm0", "vm1"] {
        let fetched = fs::read_to_string(file(&fleet, &round, name)?)?;
        ensure!(fetched == format!("{name} has begun\n"), "{fetched:?} of {finished:?}");
    }
    Ok(())
}
