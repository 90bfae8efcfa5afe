//! The conf: every slave accepts it, or no task starts.

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Reason;
use synexec_session::master::{Loss, Notice, Outcome, PhaseName, Report, Settings, Verdict};

use synexec_sim::{Order, Plan, Refusal, World, millis, outcome_of, secs, settings};

use super::shared::session_with_rows;

/// A slave that takes ten seconds to accept the conf.
fn slow() -> Plan {
    Plan { prepares: secs(10), ..Plan::default() }
}

/// Runs a session that is called off, and checks that it starts no task.
fn called_off(world: &mut World, slaves: usize) -> Report {
    let report = session_with_rows(slaves, secs(100), world);
    assert_eq!((world.tasks_started(), world.execs().len()), (0, 0));
    report
}

fn lost_while_configuring(outcome: &Outcome) -> Option<&Loss> {
    match outcome {
        Outcome::Lost { phase: PhaseName::Configuring, why, .. } => Some(why),
        _ => None,
    }
}

#[test]
fn one_declines_and_everybody_else_is_cancelled() {
    let mut world = World::of(4);
    let declines = world.slave(Plan { refusal: Some(Refusal::Conf), ..Plan::default() });
    let others = [world.slave(Plan::default()), world.slave(Plan::default()), world.slave(slow())];
    let report = called_off(&mut world, 4);
    assert_eq!(report.verdict, Verdict::Declined);
    assert_eq!(*outcome_of(&report, declines), Outcome::Declined(Some(Reason::new("not here"))));
    assert!(others.iter().all(|id| *outcome_of(&report, *id) == Outcome::Cancelled));
    assert!(world.over_after() < millis(1100), "the master does not wait for the slow slave");
}

#[test]
fn one_that_has_declined_is_free_at_once() {
    let mut world = World::of(2);
    let declines = world.slave(Plan { refusal: Some(Refusal::Conf), ..Plan::default() });
    world.slave(slow());
    world.run_until(millis(100));
    world.assert_at_rest(declines);
    called_off(&mut world, 2);
}

#[test]
fn all_that_decline_in_time_are_heard() {
    let mut world = World::of(3);
    for prepares in [0, 500, 900] {
        world.slave(Plan { refusal: Some(Refusal::Conf), prepares: millis(prepares), ..Plan::default() });
    }
    let report = called_off(&mut world, 3);
    assert!(report.rows().iter().all(|row| matches!(row.outcome, Outcome::Declined(Some(_)))), "{report:?}");
    assert!(world.over_after() < millis(1000), "the master waits for no other slave");
}

#[test]
fn one_that_vanishes_while_configuring_is_lost_and_nobody_is_started() {
    let mut world = World::of(3);
    let gone = world.slave(slow());
    let others = [world.slave(Plan::default()), world.slave(slow())];
    world.at(secs(3), Order::Kill(gone));
    let report = called_off(&mut world, 3);
    assert_eq!(report.verdict, Verdict::Lost);
    assert_eq!(lost_while_configuring(outcome_of(&report, gone)), Some(&Loss::Disconnected(Disconnect::Closed)));
    assert!(others.iter().all(|id| *outcome_of(&report, *id) == Outcome::Cancelled));
}

#[test]
fn one_that_accepted_and_vanished_before_the_others_is_lost_too() {
    let mut world = World::of(2);
    let gone = world.slave(Plan::default());
    world.slave(slow());
    world.at(secs(3), Order::Kill(gone));
    let report = called_off(&mut world, 2);
    assert!(lost_while_configuring(outcome_of(&report, gone)).is_some());
}

#[test]
fn one_that_goes_silent_while_configuring_is_lost_after_thirty_seconds() {
    let mut world = World::of(2);
    let silent = world.slave(Plan { prepares: secs(25), ..Plan::default() });
    world.slave(Plan::default());
    world.at(secs(12), Order::Freeze(silent, secs(60)));
    let report = called_off(&mut world, 2);
    let lost = world.told(|notice| matches!(notice, Notice::Lost { .. })).unwrap();
    assert!(lost >= secs(30) && lost <= secs(42), "{lost:?}");
    assert!(lost_while_configuring(outcome_of(&report, silent)).is_some());
}

#[test]
fn one_that_lives_and_never_answers_is_lost_after_thirty_seconds() {
    let mut world = World::of(2);
    let slow = world.slave(Plan { prepares: secs(70), ..Plan::default() });
    world.slave(Plan::default());
    let report = called_off(&mut world, 2);
    assert_eq!(lost_while_configuring(outcome_of(&report, slow)), Some(&Loss::NoAnswer(secs(30))));
    assert!(world.over_after() > secs(30) && world.over_after() < secs(32));
}

#[test]
fn a_large_conf_arrives_whole() {
    let mut world = World::new(Settings { conf_length: 200_000, ..settings(2) });
    let slaves = [world.slave(Plan::default()), world.slave(Plan { prepares: secs(2), ..Plan::default() })];
    assert_eq!(world.run(secs(5)).verdict, Verdict::Succeeded);
    assert!(slaves.iter().all(|id| world.sim(*id).host.confs == [world.conf()]));
}

#[test]
fn nobody_is_lost_while_the_network_takes_its_time_for_the_conf() {
    let mut world = World::of(2);
    world.set_conf_time(secs(300));
    world.slave(Plan::default());
    world.slave(Plan { prepares: secs(25), ..Plan::default() });
    assert_eq!(world.run(secs(400)).verdict, Verdict::Succeeded);
}

#[test]
fn a_conf_that_cannot_be_read_any_more_ends_the_session() {
    let mut world = World::of(2);
    let slaves = [world.slave(Plan::default()), world.slave(slow())];
    world.at(secs(2), Order::ConfFails);
    let report = called_off(&mut world, 2);
    assert_eq!((report.verdict, world.over_after()), (Verdict::MasterFailed, secs(2)));
    assert!(slaves.iter().all(|id| *outcome_of(&report, *id) == Outcome::Cancelled));
}
