//! What a forked child does until it is the program. Only async-signal-safe calls, and no allocation: other threads of
//! the parent may have held any lock at the fork.

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

use super::refusal::{READY, Refusal, Step};
use crate::exec_image::ExecImage;
use crate::identity::Identity;

/// Real-time signals included, signal(7).
const LAST_SIGNAL: i32 = 64;

/// Another user that the child becomes, and the payload that this user must be able to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Other<'a> {
    pub(super) identity: &'a Identity,
    pub(super) payload: Option<&'a CStr>,
}

/// The child's ends of what connects it with its parent, and what it becomes.
pub(super) struct Child<'a> {
    pub(super) image: &'a ExecImage,
    pub(super) input: &'a File,
    pub(super) output: &'a File,
    pub(super) other: Option<Other<'a>>,
    /// Whether the child dies with the thread that forked it. That thread lives as long as the child.
    pub(super) is_kept: bool,
    /// The gate: one byte opens it, and it closes when the parent is gone.
    pub(super) gate: PipeReader,
    /// The pipe for reports to the parent. exec closes it.
    pub(super) report: PipeWriter,
}

impl Child<'_> {
    /// Waits at the gate and becomes the program.
    pub(super) fn run(mut self) -> ! {
        let Err(refusal) = self.become_program();
        // This fails if the parent is gone.
        let _ = self.tell(refusal.news());
        // SAFETY: unlike exit, it runs nothing that the parent has registered.
        unsafe { libc::_exit(127) }
    }

    fn become_program(&mut self) -> Result<Infallible, Refusal> {
        self.settle().map_err(Refusal::itself)?;
        if let Some(other) = self.other {
            other.become_it(self.image)?;
        }
        self.wait_and_execute().map_err(Refusal::itself)
    }

    fn settle(&self) -> io::Result<()> {
        setsid()?;
        dup2_stdin(self.input)?;
        dup2_stdout(self.output)?;
        dup2_stderr(self.output)?;
        reset_signals();
        Ok(SigSet::empty().thread_set_mask()?)
    }

    fn wait_and_execute(&mut self) -> io::Result<Infallible> {
        if self.is_kept {
            // After becoming another user, which takes it back.
            set_pdeathsig(Signal::SIGKILL)?;
        }
        self.tell(READY)?;
        self.wait_at_the_gate()?;
        Err(self.image.execute())
    }

    fn tell(&mut self, news: i32) -> io::Result<()> {
        self.report.write_all(&news.to_ne_bytes())
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

impl Other<'_> {
    /// Becomes the user, stays in this directory if that user can enter it, and sees that it can run the task: exec
    /// would say less of what is wrong, and where the task is held before it, too late.
    fn become_it(&self, image: &ExecImage) -> Result<(), Refusal> {
        self.set_user().map_err(|errno| Refusal { step: Step::Become, errno })?;
        if access(c".", AccessFlags::X_OK).is_err() {
            chdir(c"/").map_err(|errno| Refusal { step: Step::Become, errno })?;
        }
        if let Some(payload) = self.payload {
            access(payload, AccessFlags::R_OK).map_err(|errno| Refusal { step: Step::Payload, errno })?;
        }
        access(image.program(), AccessFlags::X_OK).map_err(|errno| Refusal { step: Step::Program, errno })
    }

    /// The user last, since after that the rest would not be allowed any more.
    fn set_user(&self) -> nix::Result<()> {
        setgroups(self.identity.groups())?;
        setgid(self.identity.gid())?;
        setuid(self.identity.uid())
    }
}

/// Whatever this program or who started it has ignored (as std does SIGPIPE, and nohup SIGHUP), exec would keep so.
fn reset_signals() {
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the default action runs no code of ours. It fails for signals that have no other.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
