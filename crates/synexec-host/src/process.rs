//! A task: a process with a session and process group of its own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use synexec_proto::outcome::TaskEnd;

use crate::exec_image::ExecImage;

/// What to start.
#[derive(Debug)]
pub struct TaskCommand {
    /// The file to execute.
    pub program: PathBuf,
    /// Its arguments, of which the first is its name.
    pub arguments: Vec<OsString>,
    /// What its environment has beyond ours.
    pub environment: Vec<(&'static str, OsString)>,
    /// Where its stdout and stderr go.
    pub output: File,
}

/// A task that was started. Its first process stays a zombie until [`Task::reap`], so that its process group's id
/// cannot come to mean somebody else.
#[derive(Debug)]
pub struct Task {
    child: Child,
    group: ProcessGroup,
}

/// A task's process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessGroup(Pid);

impl TaskCommand {
    /// Starts the task, with stdin from `/dev/null` and no signal blocked.
    ///
    /// # Errors
    /// That of fork or exec.
    pub fn spawn(self) -> io::Result<Task> {
        let image = ExecImage::new(&self.program, self.arguments, &self.environment)?;
        let mut command = Command::new(self.program);
        command.stdin(Stdio::null()).stdout(self.output.try_clone()?).stderr(self.output);
        let become_task = move || {
            detach()?;
            Err(image.execute())
        };
        // SAFETY: between fork and exec only setsid, pthread_sigmask and execve are called, which are async-signal-safe;
        // what execve needs was made before the fork, so nothing is allocated.
        unsafe { command.pre_exec(become_task) };
        let child = command.spawn()?;
        let group = i32::try_from(child.id()).map(Pid::from_raw).map(ProcessGroup).map_err(io::Error::other)?;
        Ok(Task { child, group })
    }
}

/// A session of its own, and no signal blocked: std lets the child inherit what this program has blocked.
fn detach() -> io::Result<()> {
    nix::unistd::setsid()?;
    Ok(SigSet::empty().thread_set_mask()?)
}

impl Task {
    /// The process group, to signal it while another thread waits.
    pub fn group(&self) -> ProcessGroup {
        self.group
    }

    /// Waits until the first process has ended, and leaves it as a zombie.
    ///
    /// # Errors
    /// That of the system call.
    pub fn wait(&self) -> io::Result<()> {
        loop {
            match waitid(Id::Pid(self.group.0), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
                // nix has no name for a real-time signal, and says EINVAL for a process that one has killed.
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(Errno::EINVAL) => return Ok(()),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Lets the zombie go, and tells how it ended; waits where it has not.
    ///
    /// # Errors
    /// That of the system call.
    pub fn reap(mut self) -> io::Result<TaskEnd> {
        let status = self.child.wait()?;
        Ok(match (status.code(), status.signal()) {
            (Some(code), _) => TaskEnd::Exited(low_byte(code)),
            (None, signal) => TaskEnd::Killed(low_byte(signal.unwrap_or_default())),
        })
    }
}

impl ProcessGroup {
    /// Sends a signal to all of the group. That nobody is left is no error.
    ///
    /// # Errors
    /// That of the system call.
    pub fn signal(self, signal: Signal) -> io::Result<()> {
        match killpg(self.0, signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether nobody of the group is left but zombies, which can do nothing any more and are their parent's to reap.
    pub fn is_empty(self) -> bool {
        killpg(self.0, None) == Err(Errno::ESRCH) || !self.has_living_member()
    }

    fn has_living_member(self) -> bool {
        let Ok(processes) = fs::read_dir("/proc") else { return true };
        let mut stats = processes.flatten().filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
        stats.any(|stat| is_living_member(&stat, self.0))
    }
}

/// Reads a line as proc(5) has it: pid, name in parentheses, state, parent, process group.
fn is_living_member(stat: &str, group: Pid) -> bool {
    let Some((_, rest)) = stat.rsplit_once(')') else { return false };
    let mut fields = rest.split_whitespace();
    let state = fields.next().unwrap_or("X");
    let member = fields.nth(1).and_then(|group| group.parse().ok()) == Some(group.as_raw());
    member && !matches!(state, "Z" | "X")
}

/// Exit statuses have eight bits and signals fewer.
fn low_byte(number: i32) -> u8 {
    number.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn shell(script: &str) -> (Task, tempfile::NamedTempFile) {
        let output = tempfile::NamedTempFile::new().unwrap();
        let command = TaskCommand {
            program: "/bin/sh".into(),
            arguments: vec!["shell".into(), "-c".into(), script.into()],
            environment: vec![("SYNEXEC_RANK", "7".into())],
            output: output.reopen().unwrap(),
        };
        (command.spawn().unwrap(), output)
    }

    #[test]
    fn the_end_is_told_as_status_or_signal() {
        for (script, end) in [
            ("exit 3", TaskEnd::Exited(3)),
            ("kill -USR1 $$", TaskEnd::Killed(10)),
            ("kill -40 $$", TaskEnd::Killed(40)),
        ] {
            let (task, _output) = shell(script);
            task.wait().unwrap();
            assert_eq!(task.reap().unwrap(), end);
        }
    }

    #[test]
    fn a_task_has_a_session_of_its_own_no_blocked_signal_and_no_input() {
        crate::signals::block().unwrap();
        let (task, output) =
            shell("read x; echo $? $0 $SYNEXEC_RANK $$; cut -d' ' -f5,6 /proc/$$/stat; cat /proc/self/status");
        task.wait().unwrap();
        let pid = task.group().0;
        let told = std::fs::read_to_string(output.path()).unwrap();
        assert!(told.starts_with(&format!("1 shell 7 {pid}\n{pid} {pid}\n")), "{told}");
        assert!(told.contains("\nSigBlk:\t0000000000000000\n"), "{told}");
        task.reap().unwrap();
    }

    #[test]
    fn a_group_is_empty_when_the_last_of_it_is_gone() {
        let (task, _output) = shell("sleep 1000 & exit 0");
        task.wait().unwrap();
        let group = task.group();
        assert_eq!(task.reap().unwrap(), TaskEnd::Exited(0));
        assert!(!group.is_empty());
        group.signal(Signal::SIGKILL).unwrap();
        while !group.is_empty() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_file_that_the_kernel_does_not_know_is_an_error_and_not_a_script() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        fs::write(&program, "exit 0\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let spawn = || {
            let command = TaskCommand {
                program: program.clone(),
                arguments: vec!["program".into()],
                environment: Vec::new(),
                output: tempfile::tempfile().unwrap(),
            };
            command.spawn().unwrap_err().raw_os_error()
        };
        // A child that another test forks meanwhile keeps the file open for writing until it executes its program.
        let refused = std::iter::repeat_with(spawn).find(|errno| *errno != Some(Errno::ETXTBSY as i32)).unwrap();
        assert_eq!(refused, Some(Errno::ENOEXEC as i32));
    }

    #[test]
    fn a_zombie_is_no_living_member() {
        let group = Pid::from_raw(77);
        assert!(is_living_member("80 (a ) (b) S 1 77 77 0 -1", group));
        assert!(!is_living_member("80 (sleep) Z 1 77 77 0 -1", group));
        assert!(!is_living_member("80 (sleep) S 77 78 77 0 -1", group));
        assert!(!is_living_member("", group));
    }

    #[test]
    fn what_cannot_be_executed_is_an_error_at_once() {
        let output = tempfile::tempfile().unwrap();
        let command = TaskCommand {
            program: "/no/such/program".into(),
            arguments: vec!["program".into()],
            environment: Vec::new(),
            output,
        };
        assert_eq!(command.spawn().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
