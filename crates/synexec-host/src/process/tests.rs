use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use synexec_proto::message::Held;
use synexec_proto::task_end::TaskEnd;

use super::stat::Stat;
use super::*;
use crate::clock::monotonic_now;
use crate::environment::Environment;
use crate::identity::Identity;

/// Whether a group has no living process. Zombies do not count.
fn is_empty(group: ProcessGroup) -> bool {
    let is_living_member = |stat: Stat| stat.group == group.0 && stat.is_alive();
    killpg(group.0, None) == Err(Errno::ESRCH) || Stat::of_all().is_some_and(|mut all| !all.any(is_living_member))
}

fn command(program: &Path, arguments: &[&str], output: &File) -> TaskCommand {
    let mut environment = Environment::of_tasks(None, &[]);
    environment.set("SYNEXEC_RANK", "7");
    TaskCommand {
        program: program.into(),
        arguments: arguments.iter().map(OsString::from).collect(),
        environment,
        output: output.try_clone().unwrap(),
        errors: None,
        identity: None,
        payload: None,
    }
}

fn hold_shell(script: &str) -> (HeldTask, File) {
    let output = tempfile::tempfile().unwrap();
    (command(Path::new("/bin/sh"), &["shell", "-c", script], &output).hold().unwrap(), output)
}

fn shell(script: &str) -> (Task, File) {
    let (held, output) = hold_shell(script);
    (held.release().unwrap().0, output)
}

fn text(mut output: File) -> String {
    let mut text = String::new();
    output.rewind().unwrap();
    output.read_to_string(&mut text).unwrap();
    text
}

/// The errno of a program that cannot be held. ETXTBSY does not count: a child that another test forks meanwhile keeps
/// the file open for writing until exec.
fn errno_of(program: &Path) -> Option<i32> {
    let hold = || command(program, &["program"], &tempfile::tempfile().unwrap()).hold().unwrap_err().raw_os_error();
    std::iter::repeat_with(hold).find(|errno| *errno != Some(Errno::ETXTBSY as i32)).unwrap()
}

#[test]
fn the_end_is_reported_as_status_or_signal() {
    for (script, end) in
        [("exit 3", TaskEnd::Exited(3)), ("kill -USR1 $$", TaskEnd::Killed(10)), ("kill -40 $$", TaskEnd::Killed(40))]
    {
        let (task, _output) = shell(script);
        task.wait().unwrap();
        assert_eq!(task.reap().unwrap(), end);
    }
}

#[test]
fn a_held_task_does_nothing_until_it_is_released() {
    let (held, output) = hold_shell("echo ran");
    assert_eq!(held.held(), Held::AtFirstInstruction);
    assert_eq!(output.metadata().unwrap().len(), 0);
    let before = monotonic_now();
    let (task, release) = held.release().unwrap();
    let start = release.observe(&task, Duration::from_micros(100)).unwrap();
    task.wait().unwrap();
    assert_eq!((task.reap().unwrap(), text(output).as_str()), (TaskEnd::Exited(0), "ran\n"));
    assert!(before <= start.released && start.released <= start.at && start.at <= monotonic_now(), "{start:?}");
    assert!(start.uncertainty < Duration::from_secs(1));
}

fn hold_before_exec(script: &str) -> (HeldTask, File) {
    let output = tempfile::tempfile().unwrap();
    let held = command(Path::new("/bin/sh"), &["shell", "-c", script], &output).fork().unwrap();
    assert_eq!((held.held(), held.is_alive()), (Held::BeforeExec, true));
    (held, output)
}

#[test]
fn a_task_that_is_held_before_exec_can_be_released() {
    let (held, output) = hold_before_exec("echo ran");
    let before = monotonic_now();
    let (task, release) = held.release().unwrap();
    let start = release.observe(&task, Duration::from_micros(100)).unwrap();
    task.wait().unwrap();
    assert_eq!((task.reap().unwrap(), text(output).as_str()), (TaskEnd::Exited(0), "ran\n"));
    assert!(before <= start.released && start.released <= start.at && !start.uncertainty.is_zero(), "{start:?}");
}

#[test]
fn a_task_that_is_held_before_exec_and_signalled_never_executes() {
    let (held, output) = hold_before_exec("echo ran");
    held.group().signal(Signal::SIGTERM).unwrap();
    while held.is_alive() {
        std::thread::yield_now();
    }
    let (task, _) = held.release().unwrap();
    assert_eq!((task.reap().unwrap(), text(output).as_str()), (TaskEnd::Killed(15), ""));
    let (held, output) = hold_before_exec("echo ran");
    let group = held.group();
    drop(held);
    assert!(is_empty(group) && text(output).is_empty());
}

#[test]
fn a_held_task_that_is_dropped_has_not_run_and_is_gone() {
    let (held, output) = hold_shell("echo ran");
    let group = held.group();
    drop(held);
    assert!(is_empty(group));
    assert_eq!(text(output), "");
}

#[test]
fn a_held_task_that_is_signalled_runs_no_instruction() {
    let (held, output) = hold_shell("echo ran");
    held.group().signal(Signal::SIGTERM).unwrap();
    assert!(held.is_alive());
    let (task, _) = held.release().unwrap();
    task.wait().unwrap();
    assert_eq!((task.reap().unwrap(), text(output).as_str()), (TaskEnd::Killed(15), ""));
}

#[test]
fn a_held_task_that_is_killed_ends_with_that_signal() {
    let (held, output) = hold_shell("echo ran");
    held.group().signal(Signal::SIGKILL).unwrap();
    while held.is_alive() {
        std::thread::yield_now();
    }
    let (task, _) = held.release().unwrap();
    assert_eq!((task.reap().unwrap(), text(output).as_str()), (TaskEnd::Killed(9), ""));
}

#[test]
fn a_task_has_a_session_of_its_own_no_blocked_or_ignored_signal_and_no_input() {
    crate::signals::block(None).unwrap();
    let (task, output) =
        shell("read x; echo $? $0 $SYNEXEC_RANK $$; cut -d' ' -f5,6 /proc/$$/stat; cat /proc/self/status");
    task.wait().unwrap();
    let pid = task.group().0;
    let told = text(output);
    assert!(told.starts_with(&format!("1 shell 7 {pid}\n{pid} {pid}\n")), "{told}");
    assert!(told.contains("\nSigBlk:\t0000000000000000\n"), "{told}");
    // The C library may use signals from 32 on for itself.
    let ignored = told.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    assert!(ignored.trailing_zeros() >= 31, "{told}");
    assert!(told.contains("\nTracerPid:\t0\n"), "{told}");
    task.reap().unwrap();
}

#[test]
fn a_task_that_runs_is_sampled_with_its_children() {
    let (task, _output) = shell("while :; do :; done & while :; do :; done");
    let group = task.group();
    let sample = || group.sample().unwrap();
    while sample().cpu < Duration::from_millis(50) {
        std::thread::yield_now();
    }
    assert!(sample().memory > 100_000 && !sample().stopped);
    group.signal(Signal::SIGSTOP).unwrap();
    while !sample().stopped {
        std::thread::yield_now();
    }
    group.signal(Signal::SIGKILL).unwrap();
    let (end, usage) = task.reap_with_usage().unwrap();
    assert_eq!(end, TaskEnd::Killed(9));
    assert!(usage.cpu_user > Duration::from_millis(1) && usage.peak_memory > 100_000, "{usage:?}");
    assert!(group.sample().is_none());
}

#[test]
fn a_group_is_empty_when_the_last_of_it_is_gone() {
    let (task, _output) = shell("sleep 1000 & exit 0");
    task.wait().unwrap();
    let group = task.group();
    assert_eq!(task.reap().unwrap(), TaskEnd::Exited(0));
    assert!(!is_empty(group));
    group.signal(Signal::SIGKILL).unwrap();
    while !is_empty(group) {
        std::thread::yield_now();
    }
}

#[test]
fn a_program_that_cannot_be_executed_cannot_be_held() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("program");
    for (content, errno) in [("exit 0\n", Errno::ENOEXEC), ("#!/no/such/interpreter\n", Errno::ENOENT)] {
        fs::write(&program, content).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(errno_of(&program), Some(errno as i32), "{content}");
    }
    assert_eq!(errno_of(Path::new("/no/such/program")), Some(Errno::ENOENT as i32));
    assert_eq!(errno_of(Path::new("/etc/passwd")), Some(Errno::EACCES as i32));
}

#[test]
fn a_task_has_the_core_dump_filter_with_which_this_process_was_started() {
    let own = || fs::read_to_string("/proc/self/coredump_filter").unwrap();
    let told_by = |held: HeldTask, output: File| {
        held.release().unwrap().0.reap().unwrap();
        text(output)
    };
    // Another test of this process may have excluded the memory already.
    let before = own();
    crate::core_dump::exclude_memory();
    assert_eq!(own(), "00000000\n");
    let script = "cat /proc/self/coredump_filter";
    let (loaded, output) = hold_shell(script);
    let loaded = told_by(loaded, output);
    let output = tempfile::tempfile().unwrap();
    let at_gate = command(Path::new("/bin/sh"), &["sh", "-c", script], &output).fork().unwrap();
    let filter = fs::read_to_string(format!("/proc/{}/coredump_filter", at_gate.group().0)).unwrap();
    assert_eq!(filter, "00000000\n");
    let at_gate = told_by(at_gate, output);
    assert_eq!(loaded, at_gate);
    assert!(loaded == before || before == "00000000\n", "{loaded} instead of {before}");
    assert_ne!(loaded, "00000000\n");
}

/// A command that runs as the user `nobody`; none if this process is not root.
fn as_nobody(program: &Path, arguments: &[&str], output: &File) -> Option<TaskCommand> {
    let identity = Identity::find("nobody").ok()?;
    let environment = Environment::of_tasks(Some(&identity), &[]);
    Some(TaskCommand { environment, identity: Some(identity), ..command(program, arguments, output) })
}

#[test]
fn a_task_of_another_user_is_held_and_has_its_rights_and_environment() {
    let output = tempfile::tempfile().unwrap();
    let script = "id -u; id -G; echo $USER; env | grep -c CARGO; pwd; cat /etc/shadow";
    let Some(command) = as_nobody(Path::new("/bin/sh"), &["sh", "-c", script], &output) else { return };
    let held = command.hold().unwrap();
    assert_eq!(held.held(), Held::AtFirstInstruction);
    let (task, _) = held.release().unwrap();
    assert_eq!(task.reap().unwrap(), TaskEnd::Exited(1));
    let told = text(output);
    assert!(told.starts_with("65534\n65534\nnobody\n0\n/"), "{told}");
    assert!(told.contains("Permission denied"), "{told}");
}

#[test]
fn a_setuid_program_has_its_rights_also_when_it_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let (program, output) = (dir.path().join("id"), tempfile::tempfile().unwrap());
    let Some(command) = as_nobody(&program, &["id", "-u"], &output) else { return };
    // Another process writes the file. If this process did, a child that another test forks meanwhile would keep the
    // file open for writing, and exec would fail.
    let installed = std::process::Command::new("install").args(["-m", "4755", "/usr/bin/id"]).arg(&program).status();
    assert!(installed.unwrap().success());
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let held = command.hold().unwrap();
    assert_eq!(held.held(), Held::AtFirstInstruction);
    held.release().unwrap().0.reap().unwrap();
    assert_eq!(text(output), "0\n");
}

#[test]
fn the_error_names_the_file_that_another_user_cannot_read_or_execute() {
    let dir = tempfile::tempdir().unwrap();
    let (payload, output) = (dir.path().join("payload"), tempfile::tempfile().unwrap());
    fs::write(&payload, "exit 0\n").unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let Some(command) = as_nobody(Path::new("/bin/sh"), &["sh"], &output) else { return };
    let error = TaskCommand { payload: Some(payload.clone()), ..command }.hold().unwrap_err().to_string();
    assert!(error.contains("user nobody cannot read") && error.contains("--work-dir"), "{error}");
    let error = as_nobody(&payload, &["payload"], &output).unwrap().hold().unwrap_err().to_string();
    assert!(error.contains("user nobody cannot execute it: Permission denied"), "{error}");
}

#[test]
fn a_name_with_a_nul_byte_is_an_error() {
    let output = tempfile::tempfile().unwrap();
    let error = command(Path::new("/bin/\0sh"), &[], &output).hold().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
