//! Held tasks between the conf and the start: the task starts on all slaves or on none.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::Pid;
use synexec_tests::fleet::{Fleet, as_slave, is_alive, left_in, row, rows};
use synexec_tests::lab::harness::Test;
use synexec_tests::lab::missing::Missing;
use synexec_tests::process::{Process, eventually};
use synexec_tests::programs;
use synexec_tests::report::only_round;

pub const TESTS: &[(&str, Test)] = &[
    ("starting::a_slave_killed_while_it_holds_its_task", a_slave_killed_while_it_holds_its_task),
    ("starting::a_slave_killed_while_it_holds_before_exec", a_slave_killed_while_it_holds_before_exec),
    ("starting::a_slave_that_takes_back_its_word_calls_the_start_off", a_slave_that_takes_back_its_word),
    ("starting::where_ptrace_is_refused_the_task_is_held_before_exec", where_ptrace_is_refused),
    ("starting::a_setuid_program_is_held_before_exec_and_keeps_its_rights", a_setuid_program_is_held_before_exec),
    (
        "starting::a_file_that_cannot_be_executed_is_declined_and_runs_nowhere",
        a_file_that_cannot_be_executed_is_declined,
    ),
    ("starting::a_payload_without_its_interpreter_is_declined", a_payload_without_its_interpreter_is_declined),
    ("starting::a_task_held_before_exec_may_be_declined_at_the_start", declined_at_the_start),
    (
        "starting::a_script_held_before_exec_without_its_interpreter_is_declined",
        a_script_held_before_exec_without_its_interpreter_is_declined,
    ),
    ("starting::an_interrupt_calls_the_start_off", an_interrupt_calls_the_start_off),
    ("starting::an_interrupt_calls_off_a_start_before_exec", an_interrupt_calls_off_a_start_before_exec),
    ("starting::a_killed_master_calls_the_start_off", a_killed_master_calls_the_start_off),
    ("starting::a_slave_told_to_end_while_it_holds_its_task", a_slave_told_to_end_while_it_holds_its_task),
];

const TASK: &str = "/bin/sh :CONF:\necho ran\n";

const RUNS: &str = "#!/bin/sh\necho ran\n";
const NO_INTERPRETER: &str = "#!/no/such/interpreter\n";

/// Words before a program that take away the right to ptrace.
const NO_PTRACE: &[&str] = &[env!("CARGO_BIN_EXE_no_ptrace")];

/// Words before a program that change nothing.
const PLAINLY: &[&str] = &["env"];

/// The user nobody.
const NOBODY: u32 = 65534;

/// A session with an ordered start, far enough away to be called off in time.
struct Holding {
    master: Process,
    /// The pids of the tasks, by guest.
    tasks: Vec<String>,
}

fn hold(fleet: &Fleet, slaves: &[Process]) -> Result<Holding> {
    let master = fleet.master(slaves.len(), &fleet.conf(TASK)?, &["--lead", "30000"])?;
    master.wait_for_count(") is ready to start", slaves.len())?;
    let tasks: Vec<_> = slaves.iter().map(Process::children).collect::<Result<_>>()?;
    ensure!(tasks.iter().all(|tasks| tasks.len() == 1 && is_alive(&tasks[0])), "not one task each: {tasks:?}");
    Ok(Holding { master, tasks: tasks.concat() })
}

fn through(fleet: &Fleet, wrapper: &[&str]) -> Result<Vec<Process>> {
    (0..fleet.guests.len()).map(|guest| fleet.slave_through(guest, wrapper, &[])).collect()
}

fn none_is_left(tasks: &[String]) -> Result<()> {
    eventually("the end of what was held", || tasks.iter().all(|task| !is_alive(task)).then_some(()))
}

fn none_has_run(fleet: &Fleet) -> Result<()> {
    ensure!((0..fleet.guests.len()).all(|guest| !fleet.has_run(guest)), "a task has run");
    Ok(())
}

/// Checks that the slave has left the session and has no leftovers.
fn is_clean(slave: &Process, dir: &Path) -> Result<()> {
    slave.wait_for("session over")?;
    none_is_left(&slave.children()?)?;
    // The slave prints this line before it has cleaned up.
    let is_empty = || left_in(dir).is_ok_and(|left| left == ["synexec_slave.lock"]).then_some(());
    eventually("nothing but the lock in the work dir", is_empty)
}

/// Kills the first of the slaves with held tasks, and checks the outcome of the session.
fn kill_one_that_holds(fleet: &Fleet, slaves: &[Process]) -> Result<()> {
    let Holding { master, tasks } = hold(fleet, slaves)?;
    slaves[0].signal(Signal::SIGKILL)?;
    none_is_left(&tasks)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5) && !finished.stderr.contains("the task starts"), "{finished:?}");
    let lost = row(&finished, "vm0")?;
    ensure!(lost.contains("lost after") && lost.contains("of starting"), "{lost}");
    for (guest, slave) in slaves.iter().enumerate().skip(1) {
        ensure!(row(&finished, &format!("vm{guest}"))?.contains("cancelled"), "{finished:?}");
        is_clean(slave, fleet.guests[guest].dir())?;
    }
    none_has_run(fleet)
}

fn loses_one_that_holds(wrapper: &[&str], held: &str) -> Result<()> {
    let fleet = Fleet::new(3)?;
    let slaves = through(&fleet, wrapper)?;
    kill_one_that_holds(&fleet, &slaves)?;
    ensure!(slaves[1].output_so_far().contains(&format!("conf accepted, task held ({held})")));
    let _again = fleet.slave(0, &[])?;
    fleet.serves_a_session()?;
    Ok(())
}

fn a_slave_killed_while_it_holds_its_task() -> Result<()> {
    loses_one_that_holds(PLAINLY, "loaded")
}

fn a_slave_killed_while_it_holds_before_exec() -> Result<()> {
    loses_one_that_holds(NO_PTRACE, "before exec")
}

/// A confirmed task that was killed cannot start. Checks both ways to hold a task.
fn a_slave_that_takes_back_its_word() -> Result<()> {
    let fleet = Fleet::new(3)?;
    for wrapper in [NO_PTRACE, PLAINLY] {
        let slaves = through(&fleet, wrapper)?;
        let Holding { master, tasks } = hold(&fleet, &slaves)?;
        kill(Pid::from_raw(tasks[0].parse()?), Signal::SIGKILL)?;
        let finished = master.wait()?;
        ensure!(finished.code() == Some(4) && !finished.stderr.contains("the task starts"), "{finished:?}");
        let refused = row(&finished, "vm0")?;
        ensure!(refused.contains("declined: the task was killed before its start"), "{refused}");
        ensure!(rows(&finished, "cancelled").len() == 2, "{finished:?}");
        none_is_left(&tasks)?;
        none_has_run(&fleet)?;
        fleet.serves_a_session()?;
    }
    Ok(())
}

fn where_ptrace_is_refused() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = [fleet.slave_through(0, NO_PTRACE, &[])?, fleet.slave(1, &[])?];
    let finished = fleet.master(2, &fleet.conf(TASK)?, &[])?.wait()?;
    ensure!(finished.code() == Some(0) && finished.stdout.contains("; skew "), "{finished:?}");
    let round = only_round(&fleet.control)?;
    ensure!(
        round.slave("vm0")?.held.as_deref() == Some("before exec")
            && round.slave("vm1")?.held.as_deref() == Some("loaded"),
        "{round:?}"
    );
    ensure!(fleet.has_run(0) && fleet.has_run(1));
    Ok(())
}

fn a_setuid_program_is_held_before_exec() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let dir = fleet.guests[0].dir();
    let slave = give_to_nobody(dir)?;
    let mut command = fleet.guests[0].command("setpriv");
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--pdeathsig", "KILL", "--"];
    command.args(nobody).arg(slave);
    let _slave = Process::spawn(as_slave(&mut command, &fleet.guests[0], "vm0", &[]))?;
    let program = dir.join("show-user");
    fs::copy("/usr/bin/id", &program)?;
    for (mode, held, user) in [(0o755, "loaded", "65534\n"), (0o4755, "before exec", "0\n")] {
        fs::set_permissions(&program, Permissions::from_mode(mode))?;
        let finished = fleet.master(1, &fleet.conf("./show-user -u\n")?, &[])?.wait()?;
        ensure!(finished.code() == Some(0), "{finished:?}");
        ensure!(only_round(&fleet.control)?.slave("vm0")?.held.as_deref() == Some(held), "{finished:?}");
        ensure!(fleet.output(0)? == user, "it ran as user {}", fleet.output(0)?);
    }
    Ok(())
}

/// Makes nobody the owner of the directory, and puts a copy of the slave there, because nobody may lack access to the
/// original.
fn give_to_nobody(dir: &Path) -> Result<PathBuf> {
    match chown(dir, Some(NOBODY), Some(NOBODY)) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            return Err(Missing("this user namespace has no second user").into());
        }
        outcome => outcome?,
    }
    if statvfs(dir)?.flags().contains(FsFlags::ST_NOSUID) {
        return Err(Missing("temporary directories are mounted nosuid").into());
    }
    let slave = dir.join("slave");
    fs::copy(programs::slave(), &slave)?;
    Ok(slave)
}

pub fn write_program(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    fs::write(path, content)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn a_file_that_cannot_be_executed_is_declined() -> Result<()> {
    let fleet = Fleet::new(4)?;
    let _slaves = fleet.slaves(&[])?;
    let cases = [
        (RUNS, 0o755, "cancelled"),
        (NO_INTERPRETER, 0o755, "No such file or directory"),
        ("of no known format\n", 0o755, "Exec format error"),
        (RUNS, 0o644, "Permission denied"),
    ];
    for (guest, (content, mode, _)) in fleet.guests.iter().zip(cases) {
        write_program(&guest.dir().join("program"), content, mode)?;
    }
    let finished = fleet.session_declined_by(3, &fleet.conf("./program\n")?, &[])?;
    ensure!(finished.code() == Some(4), "{finished:?}");
    for (guest, (_, _, end)) in cases.iter().enumerate() {
        let row = row(&finished, &format!("vm{guest}"))?;
        ensure!(row.contains(end) && row.contains("declined: cannot run ./program") == (guest > 0), "{row}");
    }
    none_has_run(&fleet)?;
    fleet.serves_a_session()?;
    Ok(())
}

/// Only exec detects the fault. Without ptrace this happens after the other starts.
fn declined_at_the_start() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = through(&fleet, NO_PTRACE)?;
    for (guest, content) in fleet.guests.iter().zip([RUNS, "of no known format\n"]) {
        write_program(&guest.dir().join("program"), content, 0o755)?;
    }
    let finished = fleet.master(2, &fleet.conf("./program\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(4), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("exited 0") && fleet.has_run(0), "{finished:?}");
    let declined = row(&finished, "vm1")?;
    ensure!(declined.contains("declined: cannot run ./program: Exec format error"), "{declined}");
    fleet.serves_a_session()?;
    Ok(())
}

fn a_script_held_before_exec_without_its_interpreter_is_declined() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = through(&fleet, NO_PTRACE)?;
    for (guest, content) in fleet.guests.iter().zip([RUNS, NO_INTERPRETER]) {
        write_program(&guest.dir().join("program"), content, 0o755)?;
    }
    let finished = fleet.master(2, &fleet.conf("./program\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(4) && row(&finished, "vm0")?.contains("cancelled"), "{finished:?}");
    ensure!(row(&finished, "vm1")?.contains("No such file or directory: the interpreter"), "{finished:?}");
    none_has_run(&fleet)
}

fn a_payload_without_its_interpreter_is_declined() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let finished = fleet.session_declined_by(2, &fleet.conf(":CONF:\n#!/no/such/interpreter\n")?, &[])?;
    ensure!(finished.code() == Some(4), "{finished:?}");
    for (guest, slave) in slaves.iter().enumerate() {
        let row = row(&finished, &format!("vm{guest}"))?;
        ensure!(row.contains("No such file or directory"), "{row}");
        is_clean(slave, fleet.guests[guest].dir())?;
    }
    Ok(())
}

fn interrupt_a_start(fleet: &Fleet, slaves: &[Process]) -> Result<()> {
    let Holding { master, tasks } = hold(fleet, slaves)?;
    master.signal(Signal::SIGINT)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(130) && !finished.stderr.contains("the task starts"), "{finished:?}");
    for (guest, slave) in slaves.iter().enumerate() {
        ensure!(row(&finished, &format!("vm{guest}"))?.contains("cancelled"), "{finished:?}");
        is_clean(slave, fleet.guests[guest].dir())?;
    }
    none_is_left(&tasks)?;
    none_has_run(fleet)?;
    fleet.serves_a_session()?;
    Ok(())
}

fn an_interrupt_calls_the_start_off() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    interrupt_a_start(&fleet, &slaves)
}

fn an_interrupt_calls_off_a_start_before_exec() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = through(&fleet, NO_PTRACE)?;
    interrupt_a_start(&fleet, &slaves)
}

fn a_killed_master_calls_the_start_off() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let Holding { master, tasks } = hold(&fleet, &slaves)?;
    master.signal(Signal::SIGKILL)?;
    for (guest, slave) in slaves.iter().enumerate() {
        is_clean(slave, fleet.guests[guest].dir())?;
    }
    none_is_left(&tasks)?;
    none_has_run(&fleet)?;
    fleet.serves_a_session()?;
    Ok(())
}

fn a_slave_told_to_end_while_it_holds_its_task() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let Holding { master, tasks } = hold(&fleet, &slaves)?;
    slaves[0].signal(Signal::SIGTERM)?;
    ensure!(slaves[0].wait()?.code() == Some(143));
    none_is_left(&tasks)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5) && row(&finished, "vm1")?.contains("cancelled"), "{finished:?}");
    none_has_run(&fleet)?;
    let left = left_in(fleet.guests[0].dir())?;
    ensure!(left.is_empty(), "{left:?}");
    let _again = fleet.slave(0, &[])?;
    fleet.serves_a_session()?;
    Ok(())
}
