//! A slave that receives any events, even from its own host, which may report acts that never happened.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use arbitrary::{Arbitrary, Result};
use synexec_proto::message::{Held, Message, Reason, TaskEnded};
use synexec_proto::time::MonotonicInstant;
use synexec_session::slave::{Action, Event, ObservedOutput, ObservedRun, Slave};

use crate::draw::{self, Input};
use crate::memory;
use crate::messages::canonical_frame;
use synexec_sim::{Plan, START, secs};

/// Largest number of steps.
const STEPS: usize = 400;

/// Largest number of actions after one event.
const ACTIONS: usize = 10;

/// Bytes that one event may allocate, besides several times its own size.
const EVENT_COST: usize = 16 * 1024;

/// Checks that the slave never panics, never starts a conf that it has not accepted, never starts a task twice, and
/// takes few actions at once.
pub fn any_host(data: &[u8]) {
    let mut input = Input::new(data);
    let Ok(mut trial) = Trial::new(&mut input) else { return };
    for _ in 0..STEPS {
        if trial.exited || input.is_empty() || trial.step(&mut input).is_err() {
            break;
        }
    }
}

struct Trial {
    slave: Slave,
    now: MonotonicInstant,
    /// Whether the task of an accepted conf is held and not yet released.
    held: bool,
    exited: bool,
}

impl Trial {
    fn new(input: &mut Input<'_>) -> Result<Self> {
        let (dials, once) = (bool::arbitrary(input)?, bool::arbitrary(input)?);
        let reconnect = if bool::arbitrary(input)? { secs(10) } else { Duration::ZERO };
        let plan = Plan { dials, once, reconnect, keeps_orphans: bool::arbitrary(input)?, ..Plan::default() };
        Ok(Self { slave: Slave::new(plan.settings("vm"), START), now: START, held: false, exited: false })
    }

    fn step(&mut self, input: &mut Input<'_>) -> Result<()> {
        if input.ratio(1, 6)? {
            self.now = self.slave.deadline().unwrap_or(self.now).max(self.now);
            memory::within(EVENT_COST, || self.slave.advance(self.now));
        } else {
            let event = event(input, self.now)?;
            self.held |= matches!(event, Event::Prepared(Ok(_)));
            let length = if let Event::Received { frame, .. } = &event { frame.data().len() } else { 0 };
            memory::within(EVENT_COST + 20 * length, || self.slave.handle(self.now, event));
        }
        self.look();
        Ok(())
    }

    fn look(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.slave.next_action() {
            actions += 1;
            assert!(!self.exited, "{action:?} after its exit");
            self.follow(&action);
        }
        assert!(actions <= ACTIONS, "{actions} actions at once");
    }

    fn follow(&mut self, action: &Action) {
        match action {
            Action::Send(message) | Action::SendOnSecond(message) => _ = canonical_frame(message),
            Action::BeginConf(_) | Action::Hold { .. } | Action::Discard => self.held = false,
            Action::Release { .. } => {
                assert!(std::mem::take(&mut self.held), "the slave starts a task that is not held");
            }
            Action::Exit(_) => self.exited = true,
            _ => {}
        }
    }
}

fn event(input: &mut Input<'_>, now: MonotonicInstant) -> Result<Event> {
    let master = SocketAddr::from((Ipv4Addr::LOCALHOST, 5165));
    let gone = || Reason::new("gone");
    Ok(match input.int_in_range(0..=25)? {
        0 | 1 => Event::Invited { master },
        2 | 3 => Event::Connected { master },
        4 => Event::ConnectFailed { why: "refused".into() },
        5 => Event::ListenFailed { why: "in use".into() },
        6 => Event::Disconnected(draw::disconnect(input)?),
        7 => Event::StragglersGone,
        8..=10 => Event::Prepared(result(input, Held::AtFirstInstruction)?),
        11 => Event::Started(result(input, ())?),
        12 => Event::Sampled { progress: draw::progress(input)?, stopped: bool::arbitrary(input)? },
        13 => Event::NoOutputYet(draw::fetch(input)?),
        14 => Event::OutputFailed(gone()),
        15 => Event::HeldTaskDied(gone()),
        16 => task_ended(draw::task_ended(input, now)?, bool::arbitrary(input)?),
        17 if input.ratio(1, 8)? => Event::Shutdown(draw::interrupt(input)?),
        18 => {
            let frame = canonical_frame(&Message::Probe(draw::capabilities(input)?));
            Event::Received { frame, at: now }
        }
        19 => Event::SecondReceived { frame: draw::frame(input, now)? },
        20 => Event::SecondEnded(draw::disconnect(input)?),
        _ => Event::Received { frame: draw::frame(input, now)?, at: now },
    })
}

/// The event for a task that ended like this.
fn task_ended(ended: TaskEnded, stragglers: bool) -> Event {
    let run = ObservedRun {
        started: ended.started,
        finished: ended.finished,
        started_at: ended.started_at,
        finished_at: ended.finished_at,
        end: ended.end,
        start_uncertainty: ended.start_uncertainty,
        lateness: ended.lateness,
        usage: ended.usage,
        guest: ended.guest,
    };
    let output =
        ObservedOutput { place: ended.output, errors: ended.errors, lost: ended.output_lost, end: b"last".to_vec() };
    Event::TaskEnded { run, output: Box::new(output), stragglers }
}

fn result<T>(input: &mut Input<'_>, good: T) -> Result<std::result::Result<T, Reason>> {
    Ok(if input.ratio(3, 4)? { Ok(good) } else { Err(Reason::new("no")) })
}
