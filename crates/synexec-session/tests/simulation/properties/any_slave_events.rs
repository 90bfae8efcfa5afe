//! A slave that receives any events in any order.

use std::net::{Ipv4Addr, SocketAddr};

use proptest::collection::vec;
use proptest::prelude::*;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{CONF_MAX, ConfBegin, Fetch, Held, Message, Reason, ResumeToken, TaskEnded, TaskProgress};
use synexec_proto::wire::Frame;
use synexec_session::interrupt::Interrupt;
use synexec_session::slave::{Action, Event, ObservedOutput, ObservedRun, Slave, SlaveSettings};

use super::draw_world::plan;
use super::{cases, draw};
use synexec_sim::{Bench, START, millis, secs};

/// One act of a master, the network or the user. The host of the slave works correctly.
#[derive(Debug, Clone)]
enum Step {
    Connects,
    Refused,
    Says(Frame),
    /// The master accepts the second connection that the slave has asked for.
    ConnectsSecond,
    SaysOnSecond(Frame),
    ClosesSecond,
    /// A conf and the order to run its task.
    Runs,
    /// The same, with a token and the promise of a heartbeat.
    RunsWatched,
    Disconnects,
    ShutDown,
    Passes(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => Just(Step::Connects),
        2 => Just(Step::Refused),
        30 => draw::frame().prop_map(Step::Says),
        8 => Just(Step::ConnectsSecond),
        8 => draw::frame().prop_map(Step::SaysOnSecond),
        2 => Just(Step::ClosesSecond),
        10 => Just(Step::Runs),
        10 => Just(Step::RunsWatched),
        8 => Just(Step::Disconnects),
        1 => Just(Step::ShutDown),
        30 => draw::millis().prop_map(Step::Passes),
    ]
}

fn take(bench: &mut Bench, step: Step) {
    match step {
        Step::Connects => bench.connect(),
        Step::Refused => bench.refuse(),
        Step::Says(frame) => bench.deliver(frame),
        Step::ConnectsSecond => bench.connect_second(),
        Step::SaysOnSecond(frame) => bench.deliver_on_second(frame),
        Step::ClosesSecond => bench.close_second(),
        Step::RunsWatched => bench.tell(watched_run()),
        Step::Runs => bench.tell([Message::Conf(b"/bin/task".to_vec()), Message::Exec(None)]),
        Step::Disconnects => bench.close(),
        Step::ShutDown => bench.shut_down(),
        Step::Passes(time) => bench.wait(millis(time)),
    }
}

/// A conf of a master that promises a heartbeat, and the order to run its task at once.
fn watched_run() -> [Message; 3] {
    let (token, heartbeat) = (Some(ResumeToken::new([1; 16])), Some(secs(1)));
    let begin = ConfBegin { slaves: 1, length: 9, token, heartbeat, ..ConfBegin::default() };
    [Message::ConfBegin(begin), Message::ConfPart(b"/bin/task".to_vec()), Message::Exec(None)]
}

/// Checks that a slave without a master comes to rest: it has no task, and is in discovery or has exited.
fn assert_comes_to_rest(bench: &mut Bench) {
    bench.close();
    bench.wait(secs(20));
    assert!(!bench.slave.host.is_busy(bench.now), "a task remains");
    assert!(bench.slave.exit().is_some() || bench.slave.in_discovery_since().is_some());
    assert!(bench.slave.host.runs.iter().all(|run| run.ended.is_some()));
}

/// Any event, possible or not. `None` lets time pass.
fn nonsense() -> impl Strategy<Value = Option<Event>> {
    let master = || SocketAddr::from((Ipv4Addr::LOCALHOST, 5165));
    let always = |event: fn(SocketAddr) -> Event| Just(()).prop_map(move |()| event(master()));
    let event = prop_oneof![
        4 => always(|master| Event::Invited { master }),
        4 => always(|master| Event::Connected { master }),
        1 => always(|_| Event::ConnectFailed { why: "refused".into() }),
        1 => always(|_| Event::Disconnected(Disconnect::Closed)),
        1 => always(|_| Event::StragglersGone),
        12 => draw::frame().prop_map(|frame| Event::Received { frame, at: START }),
        4 => draw::frame().prop_map(|frame| Event::SecondReceived { frame }),
        1 => always(|_| Event::SecondEnded(Disconnect::Closed)),
        4 => draw::result(Held::AtFirstInstruction).prop_map(Event::Prepared),
        2 => draw::result(()).prop_map(Event::Started),
        1 => any::<bool>().prop_map(|stopped| Event::Sampled { progress: TaskProgress::default(), stopped }),
        1 => any::<u64>().prop_map(|offset| Event::NoOutputYet(Fetch { offset, length: 9, follow: true, ..Fetch::default() })),
        1 => always(|_| Event::OutputFailed(Reason::new("gone"))),
        1 => always(|_| Event::HeldTaskDied(Reason::new("gone"))),
        2 => (draw::task_end(), any::<bool>())
            .prop_map(|(end, stragglers)| task_ended(draw::task_ended(end), stragglers)),
    ];
    prop_oneof![9 => event.prop_map(Some), 1 => Just(()).prop_map(|()| None)]
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

/// Takes the actions that follow one event.
fn check_actions(slave: &mut Slave, accepted: &mut bool) {
    let actions: Vec<_> = std::iter::from_fn(|| slave.next_action()).collect();
    assert!(actions.len() <= 10, "{actions:?}");
    for action in actions {
        match action {
            Action::Send(Message::ConfOk(_)) => *accepted = true,
            Action::BeginConf(_) | Action::Discard => *accepted = false,
            Action::Release { .. } => assert!(*accepted, "a start without an accepted conf"),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn any_master_and_any_user_leave_it_at_rest(plan in plan(), steps in vec(step(), 0..80)) {
        let mut bench = Bench::new(plan);
        for step in steps {
            take(&mut bench, step);
        }
        assert_comes_to_rest(&mut bench);
    }

    #[test]
    fn no_nonsense_makes_it_panic_or_start_what_it_has_not_accepted(
        dials: bool,
        once: bool,
        reconnects: bool,
        keeps_orphans: bool,
        events in vec(nonsense(), 0..100),
        shutdown in prop::option::of(0..100_usize),
    ) {
        let mut now = START;
        let reconnect = secs(if reconnects { 10 } else { 0 });
        let (name, instance, max_conf) = ("vm".into(), 7, CONF_MAX);
        let rank = Some(7);
        let settings = SlaveSettings { name, instance, rank, dials, once, reconnect, max_conf, keeps_orphans };
        let mut slave = Slave::new(settings, now);
        let mut accepted = false;
        for (at, event) in events.into_iter().enumerate() {
            if let Some(event) = event {
                slave.handle(now, event);
            } else {
                now = slave.deadline().unwrap_or(now).max(now);
                slave.advance(now);
            }
            if shutdown == Some(at) {
                slave.handle(now, Event::Shutdown(Interrupt::Terminate));
            }
            check_actions(&mut slave, &mut accepted);
        }
    }
}
