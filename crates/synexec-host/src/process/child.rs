//! What a forked child does until it is the program. Only async-signal-safe calls, and no allocation: other threads of
//! the parent may have held any lock at the fork.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};

use nix::libc;
use nix::sys::signal::SigSet;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use crate::exec_image::ExecImage;

/// Real-time signals included, signal(7).
const LAST_SIGNAL: i32 = 64;

/// What a child tells when it is ready; anything else is the errno of what it could not do.
pub(super) const READY: i32 = 0;

/// The child's ends of what connects it with its parent, and what it becomes.
pub(super) struct Child<'a> {
    pub(super) image: &'a ExecImage,
    pub(super) input: &'a File,
    pub(super) output: &'a File,
    /// Opened by one byte; closed when the parent is gone.
    pub(super) gate: PipeReader,
    /// Closed by exec.
    pub(super) report: PipeWriter,
}

impl Child<'_> {
    /// Waits at the gate and becomes the program.
    pub(super) fn run(mut self) -> ! {
        let Err(error) = self.become_program();
        // The parent that should hear it may be gone.
        let _ = self.tell(error.raw_os_error().unwrap_or(libc::EIO));
        // SAFETY: unlike exit, it runs nothing that the parent has registered.
        unsafe { libc::_exit(127) }
    }

    fn become_program(&mut self) -> io::Result<Infallible> {
        setsid()?;
        dup2_stdin(self.input)?;
        dup2_stdout(self.output)?;
        dup2_stderr(self.output)?;
        reset_signals();
        SigSet::empty().thread_set_mask()?;
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

/// Whatever this program or who started it has ignored (as std does SIGPIPE, and nohup SIGHUP), exec would keep so.
fn reset_signals() {
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the default action runs no code of ours. It fails for signals that have no other.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
