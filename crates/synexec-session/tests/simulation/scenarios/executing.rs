//! Tasks that run and fail, and slaves that are lost meanwhile.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Reason;
use synexec_proto::task_end::TaskEnd;
use synexec_session::master::{Loss, Notice, Outcome, PhaseName, Report, Verdict};

use synexec_sim::{Order, Plan, Refusal, World, millis, outcome_of, runs, secs};

use super::shared::session_with_rows;

const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));

/// Runs a session, and checks what holds for every session that has started its tasks.
fn executed(world: &mut World, slaves: usize) -> Report {
    session_with_rows(slaves, secs(300), world)
}

fn lost_while_executing(outcome: &Outcome) -> Option<&Loss> {
    match outcome {
        Outcome::Lost { phase: PhaseName::Executing, why, .. } => Some(why),
        _ => None,
    }
}

#[test]
fn every_end_is_told_as_it_was() {
    let mut world = World::of(4);
    let ends = [TaskEnd::Exited(0), TaskEnd::Exited(7), TaskEnd::Killed(11), TaskEnd::Exited(0)];
    let slaves = ends.map(|end| world.slave(Plan { end, ..Plan::default() }));
    let report = executed(&mut world, 4);
    assert_eq!(report.verdict, Verdict::TaskFailed);
    for (id, end) in slaves.into_iter().zip(ends) {
        assert_eq!(*outcome_of(&report, id), Outcome::Ended(end));
    }
    assert!(report.rows().iter().all(|row| row.times.is_some_and(|times| times.elapsed == secs(1))));
}

#[test]
fn a_task_that_ends_at_once_is_reported() {
    let mut world = World::of(8);
    for _ in 0..8 {
        world.slave(Plan { runs: Duration::ZERO, spawns: Duration::ZERO, ..Plan::default() });
    }
    assert_eq!(executed(&mut world, 8).verdict, Verdict::Succeeded);
    assert!(world.over_after() < millis(50), "{:?}", world.over_after());
}

#[test]
fn one_that_cannot_start_has_declined_and_the_others_are_awaited() {
    let mut world = World::of(2);
    let declines = world.slave(Plan { refusal: Some(Refusal::Start), ..Plan::default() });
    let other = world.slave(runs(secs(9)));
    let report = executed(&mut world, 2);
    assert_eq!(report.verdict, Verdict::Declined);
    assert_eq!(*outcome_of(&report, declines), Outcome::Declined(Some(Reason::new("no such program"))));
    assert_eq!(*outcome_of(&report, other), SUCCESS);
}

#[test]
fn one_that_vanishes_is_one_lost_row_and_the_others_are_awaited() {
    let mut world = World::of(3);
    let gone = world.slave(runs(secs(20)));
    let others = [world.slave(runs(secs(2))), world.slave(runs(secs(60)))];
    world.at(secs(5), Order::Kill(gone));
    let report = executed(&mut world, 3);
    assert_eq!(report.verdict, Verdict::Lost);
    assert_eq!(lost_while_executing(outcome_of(&report, gone)), Some(&Loss::Disconnected(Disconnect::Closed)));
    assert!(others.iter().all(|id| *outcome_of(&report, *id) == SUCCESS));
}

#[test]
fn one_that_vanishes_before_it_says_that_it_started_is_lost() {
    let mut world = World::of(2);
    let gone = world.slave(Plan { spawns: secs(5), ..Plan::default() });
    world.slave(Plan::default());
    world.at(secs(2), Order::Kill(gone));
    let report = executed(&mut world, 2);
    assert!(lost_while_executing(outcome_of(&report, gone)).is_some());
}

#[test]
fn one_that_has_ended_and_vanishes_is_not_lost() {
    let mut world = World::of(2);
    let gone = world.slave(runs(secs(1)));
    world.slave(runs(secs(60)));
    world.at(secs(2), Order::Kill(gone));
    assert_eq!(executed(&mut world, 2).verdict, Verdict::Succeeded);
}

#[test]
fn one_that_is_silent_for_thirty_seconds_is_lost_then_and_not_earlier() {
    let mut world = World::of(2);
    let silent = world.slave(runs(secs(200)));
    let other = world.slave(runs(secs(100)));
    world.at(secs(12), Order::Freeze(silent, secs(90)));
    let report = executed(&mut world, 2);
    let Some(Loss::Silent(silence)) = lost_while_executing(outcome_of(&report, silent)) else {
        panic!("{report:?}");
    };
    assert!((secs(30)..secs(31)).contains(silence), "{silence:?}");
    let lost = world.told(|notice| matches!(notice, Notice::Lost { .. })).unwrap();
    assert!((secs(37)..secs(43)).contains(&lost), "{lost:?}");
    assert_eq!(*outcome_of(&report, other), SUCCESS);
}

#[test]
fn one_that_is_lost_and_comes_back_stops_its_task_while_the_others_run() {
    let mut world = World::of(2);
    let lost = world.slave(runs(secs(200)));
    world.slave(runs(secs(100)));
    world.at(secs(12), Order::Freeze(lost, secs(40)));
    world.run_until(secs(53));
    world.assert_at_rest(lost);
    assert_eq!(executed(&mut world, 2).verdict, Verdict::Lost);
}

#[test]
fn one_that_comes_back_in_time_is_not_lost() {
    let mut world = World::of(1);
    let id = world.slave(runs(secs(100)));
    for start in [6, 40, 70] {
        world.at(secs(start), Order::Freeze(id, secs(24)));
    }
    assert_eq!(executed(&mut world, 1).verdict, Verdict::Succeeded);
}

#[test]
fn a_master_that_was_stopped_blames_nobody() {
    let mut world = World::of(2);
    world.slave(runs(secs(5)));
    world.slave(runs(secs(200)));
    world.at(secs(2), Order::FreezeMaster(secs(70)));
    assert_eq!(executed(&mut world, 2).verdict, Verdict::Succeeded);
}

#[test]
fn a_master_that_was_stopped_when_it_had_just_asked_asks_again() {
    let mut world = World::of(1);
    let id = world.slave(runs(secs(200)));
    world.set_delay(id, millis(100));
    // The master hears the slave at about one second and probes it five seconds later.
    world.at(millis(6100), Order::FreezeMaster(secs(60)));
    assert_eq!(executed(&mut world, 1).verdict, Verdict::Succeeded);
}

#[test]
fn a_host_that_is_cut_off_is_lost_and_stops_its_task() {
    let mut world = World::of(2);
    let cut = world.slave(runs(secs(500)));
    world.slave(runs(secs(60)));
    world.at(secs(7), Order::Cut(cut));
    let report = executed(&mut world, 2);
    assert!(matches!(lost_while_executing(outcome_of(&report, cut)), Some(Loss::Silent(_))));
    world.assert_back_in_time(cut);
    assert_eq!(world.sim(cut).host.runs[0].ended.unwrap().1, TaskEnd::Killed(15));
}

#[test]
fn what_a_task_leaves_behind_does_not_keep_its_end_from_being_told() {
    let mut world = World::of(1);
    world.slave(Plan { straggles: secs(40), ..Plan::default() });
    assert_eq!(world.run(secs(2)).verdict, Verdict::Succeeded);
}
