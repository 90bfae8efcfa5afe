//! The thread of a task: it holds the task, lets it go at its instant, and waits for its end.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nix::errno::Errno;
use synexec_host::clock::{monotonic_now, wall_clock_now};
use synexec_host::guest::GuestState;
use synexec_host::precedence::Precedence;
use synexec_host::process::{HeldTask, Start, Task, TaskCommand, fault_of_script};
use synexec_host::timer::{is_core_free, make_precise, sleep_until, stay_awake_until};
use synexec_proto::message::Reason;
use synexec_proto::time::MonotonicInstant;

use super::event::{TaskEvent, ThreadCommand, UnreapedTask, When};
use crate::reserve::Reserve;
use crate::streams::Streams;

/// Time before the instant in which the thread waits for nothing but the clock. Before that it still takes commands.
const LAST_SLEEP: Duration = Duration::from_millis(2);

/// Time between two looks at the host while the task is held. Events on the host before the release are not counted as
/// the task's.
const HOST_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two looks at the room for the output while the task runs.
const RESERVE_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two checks whether a held task was killed.
const LIVENESS_INTERVAL: Duration = Duration::from_millis(100);

/// Time from the release to the look that shows when the task ran, if a core was free for it.
const FREE_CORE_LOOK: Duration = Duration::from_micros(200);

/// The same time if other processes want the cores too: so many times the lateness of this thread, and between these
/// limits. The other tasks have started by then, and the look does not disturb them.
const BUSY_CORE_LOOK_PER_LATENESS: u32 = 20;
const BUSY_CORE_LOOK: [Duration; 2] = [Duration::from_millis(3), Duration::from_millis(30)];

/// How the wait for the instant ended.
#[derive(Debug, Clone, Copy)]
enum Wait {
    OnFreeCore,
    /// Other processes want the cores too, and this thread got one so late.
    OnBusyCore {
        lateness: Duration,
    },
    /// A signal has ended the task before its instant; it will not run.
    CutShort,
}

/// The whole life of a task.
pub(super) fn run(
    command: TaskCommand,
    reserves: Streams<Reserve>,
    inbox: &Receiver<ThreadCommand>,
    deliver: impl Fn(TaskEvent),
) {
    let program = command.program.clone();
    let cannot_run =
        |error: io::Error| Reason::new(&format!("cannot run {}: {}", program.display(), why(&error, &program)));
    let held = match command.hold() {
        Ok(held) => held,
        Err(error) => return deliver(TaskEvent::Held(Err(cannot_run(error)))),
    };
    // Children inherit the precise timer, so the task is held before.
    make_precise();
    deliver(TaskEvent::Held(Ok((held.held(), held.group()))));
    let Some((when, guest)) = await_release(&held, inbox, &deliver) else { return };
    let Some(started) = start(held, when, inbox, &deliver) else { return };
    match started {
        Ok(started) => await_end(started, when, guest, reserves, deliver),
        Err(error) => {
            reserves.map(Reserve::give_back);
            deliver(TaskEvent::Started(Err(cannot_run(error))));
        }
    }
}

/// Why exec failed, in words.
fn why(error: &io::Error, program: &Path) -> String {
    let Some(errno) = error.raw_os_error().map(Errno::from_raw) else { return error.to_string() };
    let detail = match errno {
        Errno::ENOENT if program.exists() => Some(fault_of_script(program).unwrap_or("the interpreter that it names")),
        Errno::ENOEXEC => fault_of_script(program),
        _ => None,
    };
    detail.map_or_else(|| errno.desc().to_owned(), |detail| format!("{}: {detail}", errno.desc()))
}

/// Waits for the command to start; gives its instant and the state of the host shortly before, or none if the task is
/// not wanted any more. Delivers one event if the task is killed meanwhile.
fn await_release(
    held: &HeldTask,
    inbox: &Receiver<ThreadCommand>,
    deliver: impl Fn(TaskEvent),
) -> Option<(When, GuestState)> {
    let (mut was_alive, mut guest, mut looked_at) = (true, GuestState::now(), monotonic_now());
    loop {
        match inbox.recv_timeout(LIVENESS_INTERVAL) {
            Ok(ThreadCommand::Release(when)) => return Some((when, guest)),
            Err(RecvTimeoutError::Disconnected) => return None,
            Ok(ThreadCommand::Hurry) | Err(RecvTimeoutError::Timeout) => {}
        }
        if monotonic_now().since(looked_at) >= HOST_INTERVAL {
            (guest, looked_at) = (GuestState::now(), monotonic_now());
        }
        if was_alive && !held.is_alive() {
            was_alive = false;
            deliver(TaskEvent::Died(Reason::new("the task was killed before its start")));
        }
    }
}

/// A task that was let go.
struct Started {
    task: Task,
    released: MonotonicInstant,
    /// None if it ended before its first instruction.
    start: Option<Start>,
}

/// Lets the task go, and learns when it ran; none if the task is not wanted any more.
fn start(
    held: HeldTask,
    when: When,
    inbox: &Receiver<ThreadCommand>,
    deliver: impl Fn(TaskEvent),
) -> Option<io::Result<Started>> {
    let (precedence, wait) = match when {
        When::AtOnce => (None, Wait::OnFreeCore),
        When::At(instant) => (Some(Precedence::take()), await_instant(instant, inbox)?),
    };
    let (task, release) = match held.release() {
        Ok(released) => released,
        Err(error) => return Some(Err(error)),
    };
    if let When::AtOnce = when {
        deliver(TaskEvent::Started(Ok(())));
    }
    let released = release.at();
    let start = match wait {
        Wait::OnFreeCore => {
            drop(precedence);
            task.wait_for(FREE_CORE_LOOK);
            release.observe(&task, FREE_CORE_LOOK)
        }
        Wait::OnBusyCore { lateness } => {
            let [soonest, latest] = BUSY_CORE_LOOK;
            let look = (lateness * BUSY_CORE_LOOK_PER_LATENESS).clamp(soonest, latest);
            task.wait_for(look);
            drop(precedence);
            release.observe(&task, look)
        }
        Wait::CutShort => None,
    };
    Some(Ok(Started { task, released, start }))
}

/// Waits until the task is to be let go; none if the task is not wanted any more.
fn await_instant(instant: MonotonicInstant, inbox: &Receiver<ThreadCommand>) -> Option<Wait> {
    let has_free_core = is_core_free();
    match inbox.recv_timeout(instant.minus(LAST_SLEEP).since(monotonic_now())) {
        Ok(_) => return Some(Wait::CutShort),
        Err(RecvTimeoutError::Disconnected) => return None,
        Err(RecvTimeoutError::Timeout) => {}
    }
    if has_free_core && stay_awake_until(instant) {
        return Some(Wait::OnFreeCore);
    }
    sleep_until(instant);
    Some(Wait::OnBusyCore { lateness: monotonic_now().since(instant) })
}

fn await_end(
    started: Started,
    when: When,
    before: GuestState,
    mut reserves: Streams<Reserve>,
    deliver: impl Fn(TaskEvent),
) {
    let Started { task, released, start } = started;
    let (now, now_at) = (wall_clock_now(), monotonic_now());
    let started = now.minus(now_at.since(start.map_or(released, |start| start.at)));
    if let Err(error) = task.wait_with_looks(RESERVE_INTERVAL, || {
        reserves.as_mut().map(Reserve::look);
    }) {
        log::error!("cannot wait for the task: {error}");
    }
    let (finished, finished_at) = (wall_clock_now(), monotonic_now());
    let guest = GuestState::now().since(&before);
    let lateness = match when {
        When::AtOnce => None,
        When::At(instant) => Some(released.since(instant)),
    };
    let shortages = reserves.as_mut().map(Reserve::finish);
    deliver(TaskEvent::Ended(UnreapedTask {
        task,
        start,
        released,
        lateness,
        started,
        finished,
        finished_at,
        guest,
        shortages,
        reserves,
    }));
}
