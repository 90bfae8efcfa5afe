use super::*;

fn shell(script: &str) -> Process {
    Process::spawn(Command::new("sh").args(["-c", script])).unwrap()
}

#[test]
fn lines_of_both_streams_are_waited_for() {
    let process = shell("echo one; echo two >&2; printf 'three two'; exec sleep 600");
    assert_eq!(process.wait_for("two").unwrap(), "two");
    assert_eq!(process.wait_for("one").unwrap(), "one");
    assert!(process.is_running());
}

#[test]
fn lines_are_counted() {
    let process = shell("echo a1; echo b; echo a2; printf a3");
    assert_eq!(process.wait_for_count("a", 3).unwrap(), ["a1", "a2", "a3"]);
}

#[test]
fn waiting_fails_at_once_when_the_output_has_ended() {
    let error = shell("echo something else").wait_for("never").unwrap_err().to_string();
    assert!(error.contains("something else"), "{error}");
}

#[test]
fn the_end_is_told_with_each_stream() {
    let finished = shell("echo out; echo err >&2; exit 3").wait().unwrap();
    assert_eq!(finished.code(), Some(3));
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn signals_reach_the_program_itself() {
    let process = shell("trap 'echo got it; exit 0' TERM; echo $$; while :; do sleep 0.01; done");
    process.wait_for(&process.pid().to_string()).unwrap();
    process.signal(Signal::SIGTERM).unwrap();
    process.wait_for("got it").unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert!(process.signal(Signal::SIGTERM).is_err());
}

#[test]
fn environment_and_work_directory_are_kept() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo $GREETING; pwd; exit ${HOME+1}"]);
    command.env("GREETING", "hello").env_remove("HOME").current_dir("/");
    let finished = Process::spawn(command).unwrap().wait().unwrap();
    assert_eq!((finished.stdout.as_str(), finished.code()), ("hello\n/\n", Some(0)));
}

#[test]
fn a_missing_program_is_named() {
    let finished = Process::spawn(Command::new("/no/such/program")).unwrap().wait().unwrap();
    assert_eq!(finished.code(), Some(127));
    assert!(finished.stderr.contains("/no/such/program"), "{}", finished.stderr);
}

#[test]
fn a_dropped_process_is_gone() {
    let process = shell("echo started; exec sleep 600");
    process.wait_for("started").unwrap();
    let pid = process.pid();
    drop(process);
    assert_eq!(kill(pid, None), Err(nix::errno::Errno::ESRCH));
}

#[test]
fn output_held_open_by_another_does_not_hold_up_the_end() {
    let process = shell("sleep 60 & echo $!");
    let finished = process.wait().unwrap();
    let left: i32 = finished.stdout.trim().parse().unwrap();
    kill(Pid::from_raw(left), Signal::SIGKILL).unwrap();
    process.output.wait_for_end(PATIENCE);
    assert!(process.output.has_ended());
}
