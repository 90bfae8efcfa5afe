//! The thread of a task: it holds it, lets it go at its instant, and waits for its end.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nix::errno::Errno;
use synexec_host::clock::{monotonic_now, wall_clock_now};
use synexec_host::guest::GuestState;
use synexec_host::precedence::Precedence;
use synexec_host::process::{HeldTask, Start, Task, TaskCommand};
use synexec_host::timer::{is_core_free, make_precise, sleep_until, stay_awake_until};
use synexec_proto::message::Reason;
use synexec_proto::time::MonotonicInstant;

use super::{EndedTask, Order, TaskEvent, When};

/// This long before its instant a task is only waited for by the clock; until then it can still be told otherwise.
const LAST_SLEEP: Duration = Duration::from_millis(2);

/// How often the host is looked at while the task is held: what happens then is none of the task's.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How often a task that is held is looked at, to learn whether somebody has killed it.
const PULSE: Duration = Duration::from_millis(100);

/// How long after the release a task is looked at, to learn when it ran: soon where a core was free for it.
const CALM_LOOK: Duration = Duration::from_micros(200);

/// The same where others want the cores too: when they all have started, so as not to disturb them. How long that takes
/// follows from how late this one was, between these limits.
const BUSY_LOOK_PER_LATENESS: u32 = 20;
const BUSY_LOOK: [Duration; 2] = [Duration::from_millis(3), Duration::from_millis(30)];

/// How things are when the task starts.
#[derive(Debug, Clone, Copy)]
enum Host {
    Calm,
    /// Others want the cores too, and this thread got one so late.
    Busy {
        lateness: Duration,
    },
    /// The task was told to end before its instant, and will not run.
    Stopped,
}

/// The life of a task.
pub(super) fn run(command: TaskCommand, orders: &Receiver<Order>, tell: impl Fn(TaskEvent)) {
    let program = command.program.clone();
    let cannot_run =
        |error: io::Error| Reason::new(&format!("cannot run {}: {}", program.display(), why(&error, &program)));
    let held = match command.hold() {
        Ok(held) => held,
        Err(error) => return tell(TaskEvent::Held(Err(cannot_run(error)))),
    };
    // From here on, since children inherit it.
    make_precise();
    tell(TaskEvent::Held(Ok((held.held(), held.group()))));
    let Some((when, guest)) = await_release(&held, orders, &tell) else { return };
    let Some(started) = start(held, when, orders, &tell) else { return };
    match started {
        Ok(started) => see_to_its_end(started, when, guest, tell),
        Err(error) => tell(TaskEvent::Started(Err(cannot_run(error)))),
    }
}

/// Why exec has failed, in words.
fn why(error: &io::Error, program: &Path) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(errno @ Errno::ENOENT) if program.exists() => format!("{}: the interpreter that it names", errno.desc()),
        Some(errno) => errno.desc().to_owned(),
        None => error.to_string(),
    }
}

/// When to start, and how the host was shortly before that was said; none when the task is not wanted any more. Tells
/// once if it is gone meanwhile.
fn await_release(held: &HeldTask, orders: &Receiver<Order>, tell: impl Fn(TaskEvent)) -> Option<(When, GuestState)> {
    let (mut was_alive, mut guest, mut looked_at) = (true, GuestState::now(), monotonic_now());
    loop {
        match orders.recv_timeout(PULSE) {
            Ok(Order::Release(when)) => return Some((when, guest)),
            Err(RecvTimeoutError::Disconnected) => return None,
            Ok(Order::Hurry) | Err(RecvTimeoutError::Timeout) => {}
        }
        if monotonic_now().since(looked_at) >= LOOK_INTERVAL {
            (guest, looked_at) = (GuestState::now(), monotonic_now());
        }
        if was_alive && !held.is_alive() {
            was_alive = false;
            tell(TaskEvent::Died(Reason::new("the task was killed before its start")));
        }
    }
}

/// A task that was let go.
struct Started {
    task: Task,
    released: MonotonicInstant,
    /// None when it ended before its first instruction.
    start: Option<Start>,
}

/// Lets the task go, and learns when it ran; none when it was not wanted any more.
fn start(
    held: HeldTask,
    when: When,
    orders: &Receiver<Order>,
    tell: impl Fn(TaskEvent),
) -> Option<io::Result<Started>> {
    let (precedence, host) = match when {
        When::AtOnce => (None, Host::Calm),
        When::At(instant) => (Some(Precedence::take()), await_instant(instant, orders)?),
    };
    let (task, release) = match held.release() {
        Ok(released) => released,
        Err(error) => return Some(Err(error)),
    };
    if let When::AtOnce = when {
        tell(TaskEvent::Started(Ok(())));
    }
    let released = release.at();
    let start = match host {
        Host::Calm => {
            drop(precedence);
            task.wait_for(CALM_LOOK);
            release.observe(&task, CALM_LOOK)
        }
        Host::Busy { lateness } => {
            let [soonest, latest] = BUSY_LOOK;
            let look = (lateness * BUSY_LOOK_PER_LATENESS).clamp(soonest, latest);
            task.wait_for(look);
            drop(precedence);
            release.observe(&task, look)
        }
        Host::Stopped => None,
    };
    Some(Ok(Started { task, released, start }))
}

/// Waits until the task is to be let go; none when it is not wanted any more.
fn await_instant(instant: MonotonicInstant, orders: &Receiver<Order>) -> Option<Host> {
    let is_calm = is_core_free();
    match orders.recv_timeout(instant.minus(LAST_SLEEP).since(monotonic_now())) {
        Ok(_) => return Some(Host::Stopped),
        Err(RecvTimeoutError::Disconnected) => return None,
        Err(RecvTimeoutError::Timeout) => {}
    }
    if is_calm && stay_awake_until(instant) {
        return Some(Host::Calm);
    }
    sleep_until(instant);
    Some(Host::Busy { lateness: monotonic_now().since(instant) })
}

fn see_to_its_end(started: Started, when: When, before: GuestState, tell: impl Fn(TaskEvent)) {
    let Started { task, released, start } = started;
    let (now, now_at) = (wall_clock_now(), monotonic_now());
    let started = now.minus(now_at.since(start.map_or(released, |start| start.at)));
    if let Err(error) = task.wait() {
        log::error!("cannot wait for the task: {error}");
    }
    let (finished, finished_at) = (wall_clock_now(), monotonic_now());
    let guest = GuestState::now().since(&before);
    let lateness = match when {
        When::AtOnce => None,
        When::At(instant) => Some(released.since(instant)),
    };
    tell(TaskEvent::Ended(EndedTask { task, start, released, lateness, started, finished, finished_at, guest }));
}
