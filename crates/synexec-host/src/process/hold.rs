//! A task that is ready and waits for its start.
//!
//! A child is forked and waits at a gate, a pipe. Where the kernel lets us trace it, the gate is opened at once and the
//! child stops at the first instruction of its program: exec can fail no more. Otherwise it stays at the gate. Either
//! way it ends when this process does: a tracee by `PTRACE_O_EXITKILL`, which is in force from before exec on; a child
//! at the gate because its pipe closes.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use synexec_proto::message::Held;

use super::child::{Child, Other};
use super::children::{self, OwnChild};
use super::command::TaskCommand;
use super::group::ProcessGroup;
use super::interpreter;
use super::keeper;
use super::privileges::gains_privileges;
use super::refusal::{READY, Refusal};
use super::start::{FirstRun, How, Release};
use super::syscalls::{self, Change};
use super::task::Task;
use crate::clock::monotonic_now;
use crate::exec_image::ExecImage;

/// A held task. Dropping it kills it. It stays on the thread that made it, which alone may trace it.
#[derive(Debug)]
pub struct HeldTask {
    pid: Pid,
    held: Held,
    gate: PipeWriter,
    report: PipeReader,
    /// Until it is released or reaped. Made before the release, so that nothing delays that.
    task: Option<Task>,
    first_run: FirstRun,
    _traced_by_this_thread: PhantomData<*const ()>,
}

impl TaskCommand {
    /// Makes the task ready, with stdin from `/dev/null` and no signal blocked or ignored, and holds it.
    ///
    /// # Errors
    /// That of fork, or of exec where the task can be held behind it.
    pub fn hold(self) -> io::Result<HeldTask> {
        let program = self.program.clone();
        let held = self.fork()?;
        let held = if gains_privileges(&program) { held } else { held.load()? };
        if held.held == Held::BeforeExec {
            interpreter::check(&program)?;
        }
        Ok(held)
    }

    /// Makes the task ready and holds it before exec.
    pub(super) fn fork(self) -> io::Result<HeldTask> {
        let (identity, payload) = (self.identity.as_ref(), self.payload.as_deref());
        let mark = children::mark().map(|mark| (keeper::MARK, mark.into()));
        let (is_kept, mut environment) = (mark.is_some(), self.environment);
        environment.extend(mark);
        let image = ExecImage::new(&self.program, self.arguments, identity, &environment)?;
        let payload_name = payload.map(|payload| CString::new(payload.as_os_str().as_bytes())).transpose()?;
        let other = identity.map(|identity| Other { identity, payload: payload_name.as_deref() });
        let input = File::open("/dev/null")?;
        let (their_gate, gate) = io::pipe()?;
        let (report, their_report) = io::pipe()?;
        // SAFETY: the child makes only async-signal-safe calls and allocates nothing, see `Child`.
        match unsafe { OwnChild::fork() }? {
            None => {
                drop((gate, report));
                let output = &self.output;
                let gate = their_gate;
                Child { image: &image, input: &input, output, other, is_kept, gate, report: their_report }.run()
            }
            Some(child) => {
                drop((their_gate, their_report));
                HeldTask::new(child, gate, report).until_ready(|refusal| refusal.why(identity, payload))
            }
        }
    }
}

impl HeldTask {
    /// The point at which the task is held.
    pub fn held(&self) -> Held {
        self.held
    }

    /// The process group, to signal it while this thread waits. What has a signal pending that ends it runs no
    /// instruction of its program when it is released.
    pub fn group(&self) -> ProcessGroup {
        ProcessGroup(self.pid)
    }

    /// Whether the held task is alive. It may have been killed, for instance by the kernel when memory runs out.
    pub fn is_alive(&self) -> bool {
        self.task.as_ref().is_some_and(|task| !task.wait_for(Duration::ZERO))
    }

    /// Releases the task. A task that was killed while it was held is released too, and its end reports the signal.
    ///
    /// # Errors
    /// The error of exec, if the task was held before exec.
    pub fn release(mut self) -> io::Result<(Task, Release)> {
        let at = monotonic_now();
        let how = match self.held {
            Held::AtFirstInstruction => self.detach().map(|()| How::Resumed),
            Held::BeforeExec => self.execute().map(|()| How::Executed),
        }?;
        let until = monotonic_now();
        let Some(task) = self.task.take() else { return Err(io::Error::other("it has been released before")) };
        Ok((task, Release { how, at, until, first_run: std::mem::take(&mut self.first_run) }))
    }

    fn new(child: OwnChild, gate: PipeWriter, report: PipeReader) -> Self {
        Self {
            pid: child.pid(),
            held: Held::BeforeExec,
            gate,
            report,
            task: Some(Task::new(child)),
            first_run: FirstRun::default(),
            _traced_by_this_thread: PhantomData,
        }
    }

    fn until_ready(mut self, why: impl Fn(Refusal) -> io::Error) -> io::Result<Self> {
        match self.hear()? {
            Some(READY) => {
                self.first_run = FirstRun::of_stopped(self.pid);
                Ok(self)
            }
            Some(news) => Err(why(Refusal::of(news))),
            None => Err(io::Error::other("the child was killed before it was ready")),
        }
    }

    /// Has the child execute the program and stop there; leaves it where it is if it may not be traced.
    fn load(mut self) -> io::Result<Self> {
        let options = Options::PTRACE_O_TRACEEXEC.union(Options::PTRACE_O_EXITKILL);
        if let Err(refusal) = ptrace::seize(self.pid, options) {
            log::debug!("the task is held before exec: it cannot be traced: {refusal}");
            return Ok(self);
        }
        self.open_gate()?;
        self.until_loaded()?;
        self.held = Held::AtFirstInstruction;
        self.first_run = FirstRun::of_stopped(self.pid);
        Ok(self)
    }

    fn until_loaded(&mut self) -> io::Result<()> {
        loop {
            match syscalls::wait(self.pid)? {
                Change::Stopped { event: libc::PTRACE_EVENT_EXEC, .. } => return Ok(()),
                Change::Stopped { signal, event: 0 } => syscalls::go_on(self.pid, signal)?,
                Change::Stopped { .. } => syscalls::go_on(self.pid, 0)?,
                Change::Ended { .. } => {
                    self.task = None;
                    return Err(self.why_not_executed());
                }
            }
        }
    }

    fn why_not_executed(&mut self) -> io::Error {
        match self.hear() {
            Ok(Some(errno)) => io::Error::from_raw_os_error(errno),
            Ok(None) => io::Error::other("it was killed before it could be executed"),
            Err(error) => error,
        }
    }

    fn open_gate(&mut self) -> io::Result<()> {
        self.gate.write_all(&[0])
    }

    /// Has the child execute the program, and waits until exec has closed its end of the report.
    fn execute(&mut self) -> io::Result<()> {
        match self.open_gate() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            opened => opened?,
        }
        match self.hear()? {
            None => Ok(()),
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    fn detach(&mut self) -> io::Result<()> {
        match ptrace::detach(self.pid, None) {
            // Somebody has killed it meanwhile; that is told as its end.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a number from the child; none when the child has closed its end.
    fn hear(&mut self) -> io::Result<Option<i32>> {
        let mut news = [0; 4];
        match self.report.read_exact(&mut news) {
            Ok(()) => Ok(Some(i32::from_ne_bytes(news))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for HeldTask {
    fn drop(&mut self) {
        if self.task.is_some() {
            // This fails only where the child is gone already.
            let _ = kill(self.pid, Signal::SIGKILL);
            while let Ok(Change::Stopped { .. }) = syscalls::wait(self.pid) {}
        }
    }
}
