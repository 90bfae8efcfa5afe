//! The work of a forked child before exec. The child makes only async-signal-safe calls and allocates nothing: other
//! threads of the parent may have held any lock at the fork.

use std::convert::Infallible;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};

use nix::libc;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{
    AccessFlags, access, chdir, dup2_stderr, dup2_stdin, dup2_stdout, setgid, setgroups, setsid, setuid,
};

use super::child_failure::{ChildFailure, READY, Step};
use crate::core_dump::OwnFilter;
use crate::exec_image::ExecImage;
use crate::identity::Identity;

/// The last signal, real-time signals included, signal(7).
const LAST_SIGNAL: i32 = 64;

/// The user to run the program as, and the payload that this user must be able to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct OtherUser<'a> {
    pub(super) identity: &'a Identity,
    pub(super) payload: Option<&'a CStr>,
}

/// The program that a forked child executes, and the child's ends of its pipes.
pub(super) struct Child<'a> {
    pub(super) image: &'a ExecImage,
    pub(super) input: &'a File,
    pub(super) output: &'a File,
    /// The file for stderr, which may be that for stdout.
    pub(super) errors: &'a File,
    /// The user to become, if that is another user.
    pub(super) user: Option<OtherUser<'a>>,
    /// Whether the child dies with the thread that forked it. That thread lives as long as the child.
    pub(super) dies_with_thread: bool,
    /// The gate: one byte opens it, and it closes when the parent is gone.
    pub(super) gate: PipeReader,
    /// The pipe for reports to the parent. exec closes it.
    pub(super) report: PipeWriter,
}

impl Child<'_> {
    /// Waits at the gate and executes the program.
    pub(super) fn run(mut self) -> ! {
        let Err(failure) = self.prepare_and_execute();
        // This fails if the parent is gone.
        let _ = self.send(failure.encode());
        // SAFETY: unlike exit, _exit runs no handler that the parent has registered.
        unsafe { libc::_exit(127) }
    }

    fn prepare_and_execute(&mut self) -> Result<Infallible, ChildFailure> {
        self.settle().map_err(ChildFailure::own)?;
        let filter = OwnFilter::open();
        if let Some(user) = self.user {
            user.switch_to(self.image)?;
        }
        self.wait_and_execute(filter.as_ref()).map_err(ChildFailure::own)
    }

    fn settle(&self) -> io::Result<()> {
        setsid()?;
        dup2_stdin(self.input)?;
        dup2_stdout(self.output)?;
        dup2_stderr(self.errors)?;
        reset_signals();
        Ok(SigSet::empty().thread_set_mask()?)
    }

    fn wait_and_execute(&mut self, filter: Option<&OwnFilter>) -> io::Result<Infallible> {
        if self.dies_with_thread {
            // This comes after the change of user, which would undo the setting.
            set_pdeathsig(Signal::SIGKILL)?;
        }
        self.send(READY)?;
        self.wait_at_the_gate()?;
        // Until now, the child has a copy of a memory that may contain a key. If this fails, only the core dumps of the
        // task miss their memory.
        let _ = filter.map(OwnFilter::restore);
        Err(self.image.execute())
    }

    fn send(&mut self, number: i32) -> io::Result<()> {
        self.report.write_all(&number.to_ne_bytes())
    }

    fn wait_at_the_gate(&mut self) -> io::Result<()> {
        loop {
            match self.gate.read(&mut [0]) {
                Ok(0) => return Err(ErrorKind::BrokenPipe.into()),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl OtherUser<'_> {
    /// Becomes the user, and moves to `/` if the user cannot enter this directory. Then checks that the user can run
    /// the task. An error of exec would say less, and would come too late for a task that is held before exec.
    fn switch_to(&self, image: &ExecImage) -> Result<(), ChildFailure> {
        self.set_user().map_err(|errno| ChildFailure { step: Step::Become, errno })?;
        if access(c".", AccessFlags::X_OK).is_err() {
            chdir(c"/").map_err(|errno| ChildFailure { step: Step::Become, errno })?;
        }
        if let Some(payload) = self.payload {
            access(payload, AccessFlags::R_OK).map_err(|errno| ChildFailure { step: Step::Payload, errno })?;
        }
        access(image.program(), AccessFlags::X_OK).map_err(|errno| ChildFailure { step: Step::Program, errno })
    }

    /// Sets the groups and the user. The user comes last, because only the former user may set the groups.
    fn set_user(&self) -> nix::Result<()> {
        setgroups(self.identity.groups())?;
        setgid(self.identity.gid())?;
        setuid(self.identity.uid())
    }
}

/// Resets every signal to its default action. exec would keep ignored signals ignored: std ignores SIGPIPE, and nohup
/// ignores SIGHUP.
fn reset_signals() {
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the default action runs no code of this program. The call fails only for signals that always have
        // their default action.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
