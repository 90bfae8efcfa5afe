//! Random worlds.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use synexec_session::interrupt::Interrupt;
use synexec_session::master::{OtherTasks, Settings};

use super::draw;
use synexec_sim::{Answer, ClientId, Manner, Order, Plan, Refusal, Script, SimClock, World, millis, secs, settings};

/// Everything about a world that is fixed before its time begins.
#[derive(Debug, Clone)]
pub struct Plot {
    pub settings: Settings,
    pub guests: Vec<Guest>,
    strangers: Vec<(u64, Manner)>,
    conf_takes: u64,
    pub master_freezes: Option<(u64, u64)>,
    pub interrupts: Vec<u64>,
}

/// One participant of a world.
#[derive(Debug, Clone)]
pub struct Guest {
    pub kind: Kind,
    boots: u64,
    delay: u64,
    pub fault: Option<(u64, Fault)>,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Ours(Plan),
    Original(Script),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Kill,
    Freeze(u64),
    Cut,
    /// The connection breaks, and both ends notice.
    Break,
    /// The connection breaks, and the master does not notice.
    BreakAtClient,
    /// The network forgets the connection. Neither end notices.
    Forget,
    ShutDown,
}

impl Plot {
    /// The world, with its participants in their order.
    pub fn world(&self) -> World {
        let mut world = World::new(self.settings.clone());
        world.set_conf_time(millis(self.conf_takes));
        for guest in &self.guests {
            guest.enter(&mut world);
        }
        for (boots, manner) in &self.strangers {
            world.stranger_at(millis(*boots), *manner);
        }
        for at in &self.interrupts {
            world.at(millis(*at), Order::Interrupt(Interrupt::Interrupt));
        }
        if let Some((at, time)) = self.master_freezes {
            world.at(millis(at), Order::FreezeMaster(millis(time)));
        }
        world
    }

    /// Whether nothing makes the master stop tasks. Originals cannot be told to stop.
    pub fn stops_nobody(&self) -> bool {
        let Settings { on_lost, on_failure, timeout, .. } = &self.settings;
        self.interrupts.is_empty() && [*on_lost, *on_failure] == [OtherTasks::Continue; 2] && timeout.is_none()
    }

    pub fn guests(&self) -> impl Iterator<Item = (ClientId, &Guest)> {
        (0..).map(ClientId).zip(&self.guests)
    }
}

impl Guest {
    /// Whether this participant does everything that a slave should do.
    pub fn is_sound(&self) -> bool {
        self.fault.is_none()
            && match self.kind {
                Kind::Ours(plan) => plan.refusal.is_none(),
                Kind::Original(script) => [script.probe, script.conf, script.exec, script.finish] == [Answer::Right; 4],
            }
    }

    fn enter(&self, world: &mut World) {
        let boots = millis(self.boots);
        let id = match self.kind {
            Kind::Ours(plan) => world.slave_at(boots, plan),
            Kind::Original(script) => world.original_at(boots, script),
        };
        world.set_delay(id, millis(self.delay));
        if let Some((at, fault)) = self.fault {
            // Nothing shows that an original that connects again is the same slave as before.
            let is_unnoticed = matches!(fault, Fault::BreakAtClient | Fault::Forget);
            let is_known = matches!(self.kind, Kind::Ours(_)) || !is_unnoticed;
            world.at(millis(at), if is_known { fault } else { Fault::Break }.of(id));
        }
    }
}

impl Fault {
    fn of(self, id: ClientId) -> Order {
        match self {
            Self::Kill => Order::Kill(id),
            Self::Freeze(time) => Order::Freeze(id, millis(time)),
            Self::Cut => Order::Cut(id),
            Self::Break => Order::Break(id),
            Self::BreakAtClient => Order::BreakAtClient(id),
            Self::Forget => Order::Forget(id),
            Self::ShutDown => Order::Shutdown(id, Interrupt::Terminate),
        }
    }
}

pub fn plot() -> impl Strategy<Value = Plot> {
    (1..13_u32, 0..4_usize).prop_flat_map(|(slaves, surplus)| {
        let guests = usize::try_from(slaves).unwrap_or_default() + surplus;
        let few = prop_oneof![3 => vec(guest(), guests), 1 => vec(guest(), 0..guests)];
        let master = (prop_oneof![3 => Just(0), 1 => 0..5000_u64], rarely((0..20_000_u64, 0..24_000_u64)));
        let interrupts = prop_oneof![4 => Just(Vec::new()), 1 => vec(0..20_000_u64, 1..3)];
        let strangers = vec((0..10_000_u64, manner()), 0..4);
        (any_settings(slaves), few, strangers, master, interrupts).prop_map(
            |(settings, guests, strangers, (conf_takes, master_freezes), interrupts)| Plot {
                settings,
                guests,
                strangers,
                conf_takes,
                master_freezes,
                interrupts,
            },
        )
    })
}

/// The settings of a slave of ours, and the behaviour of its host and task.
pub fn plan() -> impl Strategy<Value = Plan> {
    let refusal = prop_oneof![20 => Just(None), 1 => Just(Some(Refusal::Conf)), 1 => Just(Some(Refusal::Start))];
    let time = || prop_oneof![2 => Just(0), 1 => 0..3000_u64].prop_map(millis);
    let times = (time(), time(), prop_oneof![0..10_u64, 0..20_000_u64].prop_map(millis), time());
    let rank = prop::option::weighted(0.2, 0..13_u32);
    let settings = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), reconnect(), rank);
    let bytes = prop_oneof![1 => Just(0), 3 => 0..60_000_u32];
    let output = ((bytes.clone(), bytes), prop::bool::weighted(0.1), prop::bool::weighted(0.2));
    (refusal, times, draw::task_end(), settings, (output, clock())).prop_map(
        |(
            refusal,
            times,
            end,
            (ignores_sigterm, dials, once, reconnect, rank),
            (((writes, writes_errors), loses_output, is_stopped), clock),
        )| Plan {
            refusal,
            prepares: times.0,
            spawns: times.1,
            runs: times.2,
            straggles: times.3,
            end,
            ignores_sigterm,
            writes,
            writes_errors,
            loses_output,
            is_stopped,
            dials,
            once,
            reconnect,
            clock,
            // A slave that dials and is turned away is back later than other slaves.
            rank: rank.filter(|_| !dials),
            ..Plan::default()
        },
    )
}

/// Time to resume a connection, often zero.
fn reconnect() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(Duration::ZERO), Just(secs(10))]
}

/// Clocks that are days apart and drift by up to 100 microseconds a second.
fn clock() -> impl Strategy<Value = SimClock> {
    let days = 10 * 86_400_000_000_000_i64;
    let ahead = prop_oneof![Just(0), -900_000_000_000..0_i64, 0..days];
    (ahead, -100_000..=100_000_i64).prop_map(|(ahead, drift)| SimClock { ahead, drift })
}

fn guest() -> impl Strategy<Value = Guest> {
    let kind = prop_oneof![4 => plan().prop_map(Kind::Ours), 1 => script().prop_map(Kind::Original)];
    let boots = prop_oneof![1 => Just(0), 1 => 0..8000_u64];
    let delay = prop_oneof![0..2_u64, 0..300_u64];
    let fault = prop_oneof![
        Just(Fault::Kill),
        Just(Fault::Cut),
        Just(Fault::Break),
        Just(Fault::BreakAtClient),
        Just(Fault::Forget),
        Just(Fault::ShutDown),
        (0..50_000_u64).prop_map(Fault::Freeze),
    ];
    (kind, boots, delay, rarely((0..20_000_u64, fault))).prop_map(|(kind, boots, delay, fault)| Guest {
        kind,
        boots,
        delay,
        fault,
    })
}

fn script() -> impl Strategy<Value = Script> {
    let wrong = || prop_oneof![Just(Answer::Silence), Just(Answer::Vanish), Just(Answer::Garbled)];
    // The master waits for ever for a task that seems to run for ever.
    let finish = || prop_oneof![12 => Just(Answer::Right), 1 => wrong()];
    let answer = || prop_oneof![12 => finish(), 1 => Just(Answer::No)];
    (answer(), answer(), answer(), finish(), 0..20_000_u64).prop_map(|(probe, conf, exec, finish, runs)| Script {
        probe,
        conf,
        exec,
        finish,
        runs: millis(runs),
    })
}

fn any_settings(slaves: u32) -> impl Strategy<Value = Settings> {
    let length = prop_oneof![9 => Just(40), 1 => Just(70_000)];
    let progress = rarely((1..5000_u64).prop_map(millis));
    let quorum = rarely((1..=slaves).prop_filter_map("the number is not zero", NonZeroU32::new));
    let others = || prop_oneof![3 => Just(OtherTasks::Continue), 1 => Just(OtherTasks::Stop)];
    let rounds = prop_oneof![4 => Just(1), 1 => 2..4_u32].prop_filter_map("the number is not zero", NonZeroU32::new);
    let others = (others(), others());
    let outputs = (draw::outputs(), prop::bool::weighted(0.3));
    let ends = (rounds, quorum, rarely((1000..10_000_u64).prop_map(millis)), others, reconnect());
    let conf = (length, draw::variables());
    (15..60_u64, conf, outputs, progress, ends).prop_map(
        move |(wait, (conf_length, variables), (outputs, separate), progress, ends)| {
            let (rounds, quorum, timeout, (on_lost, on_failure), reconnect) = ends;
            Settings {
                wait: Some(secs(wait)),
                rounds,
                conf_length,
                variables,
                outputs,
                separate,
                progress,
                quorum,
                timeout,
                on_lost,
                on_failure,
                reconnect,
                ..settings(slaves)
            }
        },
    )
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        Just(Manner::Silent),
        Just(Manner::Garbage),
        Just(Manner::OtherSession),
        Just(Manner::HalfHeader),
        Just(Manner::HelloOnly),
        Just(Manner::Impostor),
    ]
}

fn rarely<T: std::fmt::Debug + Clone>(what: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.1, what)
}
