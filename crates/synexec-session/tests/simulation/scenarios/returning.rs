//! Which slaves may resume a connection, with which master, and which only claim it.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Message, ResumeToken};
use synexec_proto::task_end::TaskEnd;
use synexec_session::master::{Loss, Notice, Outcome, Report, Settings, Verdict};
use synexec_session::slave::{self, ExitCause};

use synexec_sim::{
    ClientId, Lie, Manner, Order, Plan, START, Script, World, millis, outcome_of, row_of, secs, settings,
};

const FIRST: ClientId = ClientId(0);
const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));
const TOKEN: ResumeToken = ResumeToken::new([9; 16]);

fn runs(time: Duration) -> Plan {
    Plan { runs: time, reconnect: secs(10), ..Plan::default() }
}

/// A world of two slaves whose tasks run for six seconds and whose broken connections are resumed.
fn pair() -> World {
    let mut world = World::new(Settings { reconnect: secs(10), ..settings(2) });
    world.slave(runs(secs(6)));
    world.slave(runs(secs(6)));
    world
}

/// The token that the master gave this slave.
fn token_of(id: ClientId) -> ResumeToken {
    let mut world = pair();
    let report = world.run_session();
    world.token_of(row_of(&report, id).expect("the slave takes part").rank)
}

fn reconnects(report: &Report, id: ClientId) -> u32 {
    row_of(report, id).expect("the slave took part").reconnects
}

fn says_bye(message: &Message) -> bool {
    matches!(message, Message::Bye(_))
}

#[test]
fn tokens_are_the_same_for_nobody() {
    assert_ne!(token_of(FIRST), token_of(ClientId(1)));
}

#[test]
fn a_slave_with_an_unknown_token_is_turned_back() {
    let mut world = pair();
    let impostor = world.stranger_at(secs(3), Manner::Returns(TOKEN));
    let report = world.run_session();
    assert_eq!((report.verdict, report.rows().len()), (Verdict::Succeeded, 2));
    assert_eq!(world.sent_to(impostor, says_bye).len(), 1);
    assert_eq!(
        world.sent_to(impostor, |message| !matches!(message, Message::Probe(Some(_)) | Message::Bye(_))).len(),
        0
    );
    assert!(world.told(|notice| matches!(notice, Notice::Returned { .. })).is_none());
}

#[test]
fn a_token_is_worth_nothing_before_the_start() {
    let token = token_of(FIRST);
    let mut world = World::new(Settings { reconnect: secs(10), ..settings(2) });
    world.slave(Plan { prepares: secs(4), ..runs(secs(6)) });
    world.slave(runs(secs(6)));
    let impostor = world.stranger_at(secs(2), Manner::Returns(token));
    let report = world.run_session();
    assert_eq!((report.verdict, reconnects(&report, FIRST)), (Verdict::Succeeded, 0));
    assert_eq!(world.sent_to(impostor, says_bye).len(), 1);
}

#[test]
fn who_has_stolen_a_token_takes_the_place_until_its_owner_comes_back() {
    let token = token_of(FIRST);
    let mut world = pair();
    world.stranger_at(secs(3), Manner::Returns(token));
    let report = world.run_session();
    assert_eq!((report.verdict, reconnects(&report, FIRST)), (Verdict::Succeeded, 2));
    assert_eq!(world.tasks_started(), 2);
}

#[test]
fn a_token_is_worth_nothing_once_its_owner_is_lost() {
    let token = token_of(FIRST);
    let mut world = World::new(Settings { reconnect: secs(1), ..settings(2) });
    world.slave(runs(secs(6)));
    world.slave(runs(secs(6)));
    world.at(secs(2), Order::Kill(FIRST));
    let impostor = world.stranger_at(secs(4), Manner::Returns(token));
    let report = world.run_session();
    assert_eq!(world.sent_to(impostor, says_bye).len(), 1);
    assert!(matches!(outcome_of(&report, FIRST), Outcome::Lost { why: Loss::Disconnected(Disconnect::Closed), .. }));
}

#[test]
fn without_it_a_break_is_a_loss_at_once() {
    let mut world = World::new(settings(2));
    let broken = world.slave(runs(secs(6)));
    let other = world.slave(runs(secs(6)));
    world.at(secs(3), Order::Break(broken));
    let report = world.run_session();
    assert!(matches!(outcome_of(&report, broken), Outcome::Lost { .. }));
    assert_eq!((report.verdict, outcome_of(&report, other)), (Verdict::Lost, &SUCCESS));
    assert_eq!(world.told(|notice| matches!(notice, Notice::Lost { .. })), Some(secs(3)));
    assert!(world.sim(broken).host.runs[0].ended.unwrap().0.since(START) < millis(3010));
}

#[test]
fn a_slave_that_does_not_come_back_is_lost_when_the_masters_time_is_over() {
    let mut world = World::new(Settings { reconnect: secs(2), ..settings(2) });
    let broken = world.slave(Plan { reconnect: Duration::ZERO, ..runs(secs(6)) });
    let other = world.slave(runs(secs(6)));
    world.at(secs(3), Order::Break(broken));
    let report = world.run_session();
    assert_eq!(world.told(|notice| matches!(notice, Notice::Lost { .. })), Some(secs(5)));
    assert_eq!((report.verdict, outcome_of(&report, other)), (Verdict::Lost, &SUCCESS));
    assert!(world.sim(broken).host.runs[0].ended.unwrap().0.since(START) < millis(3010));
}

#[test]
fn an_older_slave_and_an_original_are_lost_at_once_and_told_nothing_new() {
    let mut world = World::new(Settings { reconnect: secs(10), ..settings(3) });
    let (older, original) = (world.liar(Lie::IsOlder), world.original(Script { runs: secs(9), ..Script::default() }));
    world.slave(runs(secs(4)));
    world.at(secs(2), Order::Break(original));
    let report = world.run_session();
    assert_eq!(*outcome_of(&report, older), SUCCESS);
    assert!(matches!(outcome_of(&report, original), Outcome::Lost { .. }));
    assert_eq!(world.told(|notice| matches!(notice, Notice::Lost { .. })), Some(secs(2)));
    for id in [older, original] {
        assert_eq!(world.sent_to(id, |message| matches!(message, Message::Ack | Message::Bye(_))).len(), 0);
    }
}

#[test]
fn a_master_that_was_killed_is_tried_for_so_long_and_no_longer() {
    let mut world = pair();
    world.at(secs(3), Order::KillMaster);
    world.run_until(millis(12_900));
    assert!(world.sim(FIRST).host.runs[0].ended.unwrap().1 == TaskEnd::Exited(0), "the task ran to its end");
    world.run_until(secs(14));
    world.assert_all_back_in_time();
    let told = |notice: &slave::Notice| matches!(notice, slave::Notice::NotReported(end) if *end == TaskEnd::Exited(0));
    let told = world.slave_told(FIRST, told);
    assert!(matches!(&told[..], [at] if at.as_secs() == 13), "{told:?}");
}

#[test]
fn a_task_without_a_master_is_stopped_when_its_slave_gives_up() {
    let mut world = World::new(Settings { reconnect: secs(10), ..settings(2) });
    let slaves = [false, true].map(|dials| world.slave(Plan { dials, ..runs(secs(100)) }));
    world.at(secs(3), Order::KillMaster);
    world.run_until(secs(14));
    world.assert_all_back_in_time();
    for id in slaves {
        let (ended, end) = world.sim(id).host.runs[0].ended.unwrap();
        assert_eq!((end, ended.since(START).as_secs()), (TaskEnd::Killed(15), 13));
    }
}

#[test]
fn a_slave_of_one_session_ends_with_its_task_and_not_with_its_connection() {
    for (order, cause) in [
        (Order::Break(FIRST), ExitCause::TaskEnded(TaskEnd::Exited(0))),
        (Order::KillMaster, ExitCause::TaskEnded(TaskEnd::Exited(0))),
    ] {
        let mut world = World::new(Settings { reconnect: secs(10), ..settings(1) });
        world.slave(Plan { once: true, ..runs(secs(6)) });
        world.at(secs(3), order);
        world.run_until(secs(14));
        assert_eq!(world.sim(FIRST).exit(), Some(cause), "{order:?}");
    }
}
