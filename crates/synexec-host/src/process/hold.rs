//! A task that is ready and waits for its start.
//!
//! A forked child waits at a gate, which is a pipe. If the kernel allows this process to trace the child, the gate
//! opens at once and the child stops at the first instruction of its program, so that exec cannot fail at the start.
//! Otherwise the child stays at the gate. If this process ends, the child ends too. `PTRACE_O_EXITKILL` kills a traced
//! child, and is in force before exec. A child at the gate ends because its pipe closes.

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

use super::child::{Child, OtherUser};
use super::child_failure::{ChildFailure, READY};
use super::children::{self, OwnChild};
use super::command::TaskCommand;
use super::group::ProcessGroup;
use super::interpreter;
use super::keeper;
use super::privileges::gains_privileges;
use super::start::{FirstRun, Release, ReleaseKind};
use super::syscalls::{self, Change};
use super::task::Task;
use crate::clock::monotonic_now;
use crate::exec_image::ExecImage;

/// A held task. Dropping this value kills the task. The value stays on the thread that made it, since only that thread
/// may trace the task.
#[derive(Debug)]
pub struct HeldTask {
    pid: Pid,
    held: Held,
    /// The gate: one byte opens it.
    gate: PipeWriter,
    /// The pipe for reports from the child.
    report: PipeReader,
    /// The task, until it is released or reaped. Making this value first keeps the release free of delay.
    task: Option<Task>,
    first_run: FirstRun,
    _traced_by_this_thread: PhantomData<*const ()>,
}

impl TaskCommand {
    /// Makes the task ready and holds it. Its stdin is `/dev/null`, and no signal is blocked or ignored.
    ///
    /// # Errors
    /// The process cannot be forked or prepared; if the task can be held after exec, also when exec fails.
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
        let (mark, mut environment) = (children::mark(), self.environment);
        let dies_with_thread = mark.is_some();
        if let Some(mark) = mark {
            environment.set(keeper::MARK, mark);
        }
        let image = ExecImage::new(&self.program, self.arguments, environment)?;
        let payload_name = payload.map(|payload| CString::new(payload.as_os_str().as_bytes())).transpose()?;
        let user = identity.map(|identity| OtherUser { identity, payload: payload_name.as_deref() });
        let input = File::open("/dev/null")?;
        let (their_gate, gate) = io::pipe()?;
        let (report, their_report) = io::pipe()?;
        // SAFETY: the child makes only async-signal-safe calls and allocates nothing, see `Child`.
        match unsafe { OwnChild::fork() }? {
            None => {
                drop((gate, report));
                let (output, gate) = (&self.output, their_gate);
                let errors = self.errors.as_ref().unwrap_or(output);
                Child {
                    image: &image,
                    input: &input,
                    output,
                    errors,
                    user,
                    dies_with_thread,
                    gate,
                    report: their_report,
                }
                .run()
            }
            Some(child) => {
                drop((their_gate, their_report));
                HeldTask::new(child, gate, report).until_ready(|failure| failure.into_error(identity, payload))
            }
        }
    }
}

impl HeldTask {
    /// The point at which the task is held.
    pub fn held(&self) -> Held {
        self.held
    }

    /// The process group, to signal the task while this thread waits. A deadly signal that is pending at the release
    /// ends the task before its first instruction.
    pub fn group(&self) -> ProcessGroup {
        ProcessGroup(self.pid)
    }

    /// Whether the held task is alive. The task may have been killed, for instance by the kernel when memory runs out.
    pub fn is_alive(&self) -> bool {
        self.task.as_ref().is_some_and(|task| !task.wait_for(Duration::ZERO))
    }

    /// Releases the task. A task that was killed while it was held is released too, and its end reports the signal.
    ///
    /// # Errors
    /// The task was held before exec, and exec fails.
    pub fn release(mut self) -> io::Result<(Task, Release)> {
        let at = monotonic_now();
        let kind = match self.held {
            Held::AtFirstInstruction => self.detach().map(|()| ReleaseKind::Resumed),
            Held::BeforeExec => self.execute().map(|()| ReleaseKind::Executed),
        }?;
        let until = monotonic_now();
        let Some(task) = self.task.take() else { return Err(io::Error::other("the task was released before")) };
        Ok((task, Release { kind, at, until, first_run: std::mem::take(&mut self.first_run) }))
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

    /// Waits until the child is ready at the gate.
    fn until_ready(mut self, to_error: impl Fn(ChildFailure) -> io::Error) -> io::Result<Self> {
        match self.receive()? {
            Some(READY) => {
                self.first_run = FirstRun::of_stopped(self.pid);
                Ok(self)
            }
            Some(number) => Err(to_error(ChildFailure::decode(number))),
            None => Err(io::Error::other("the child was killed before it was ready")),
        }
    }

    /// Makes the child execute its program and stop at the first instruction. A child that cannot be traced stays at
    /// the gate.
    fn load(mut self) -> io::Result<Self> {
        let options = Options::PTRACE_O_TRACEEXEC.union(Options::PTRACE_O_EXITKILL);
        if let Err(why) = ptrace::seize(self.pid, options) {
            log::debug!("the task is held before exec: it cannot be traced: {why}");
            return Ok(self);
        }
        self.open_gate()?;
        self.until_loaded()?;
        self.held = Held::AtFirstInstruction;
        self.first_run = FirstRun::of_stopped(self.pid);
        Ok(self)
    }

    /// Waits until exec has succeeded. Passes on the signals that the child gets meanwhile.
    fn until_loaded(&mut self) -> io::Result<()> {
        loop {
            match syscalls::wait(self.pid)? {
                Change::Stopped { event: libc::PTRACE_EVENT_EXEC, .. } => return Ok(()),
                Change::Stopped { signal, event: 0 } => syscalls::continue_traced(self.pid, signal)?,
                Change::Stopped { .. } => syscalls::continue_traced(self.pid, 0)?,
                Change::Ended { .. } => {
                    self.task = None;
                    return Err(self.exec_error());
                }
            }
        }
    }

    /// The error of exec, as the child has reported it.
    fn exec_error(&mut self) -> io::Error {
        match self.receive() {
            Ok(Some(errno)) => io::Error::from_raw_os_error(errno),
            Ok(None) => io::Error::other("the task was killed before exec"),
            Err(error) => error,
        }
    }

    fn open_gate(&mut self) -> io::Result<()> {
        self.gate.write_all(&[0])
    }

    /// Makes the child execute its program, and waits until exec has closed the child's end of the report pipe.
    fn execute(&mut self) -> io::Result<()> {
        match self.open_gate() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            opened => opened?,
        }
        match self.receive()? {
            None => Ok(()),
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Lets the traced child run.
    fn detach(&mut self) -> io::Result<()> {
        match ptrace::detach(self.pid, None) {
            // A signal has killed the task meanwhile. The end of the task reports the signal.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Receives a number from the child; none when the child has closed its end of the pipe.
    fn receive(&mut self) -> io::Result<Option<i32>> {
        let mut number = [0; 4];
        match self.report.read_exact(&mut number) {
            Ok(()) => Ok(Some(i32::from_ne_bytes(number))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for HeldTask {
    fn drop(&mut self) {
        if self.task.is_some() {
            // This fails only if the child is gone already.
            let _ = kill(self.pid, Signal::SIGKILL);
            while let Ok(Change::Stopped { .. }) = syscalls::wait(self.pid) {}
        }
    }
}
