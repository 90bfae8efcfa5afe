//! Joining: slaves are invited, counted, and released.

use std::time::Duration;

use synexec_proto::task_end::TaskEnd;
use synexec_session::master::{Action, Loss, Notice, Outcome, Report, Settings, Verdict};

use synexec_sim::{
    ClientId, Manner, Order, Plan, World, assert_rows_complete, millis, outcome_of, row_of, secs, settings,
};

const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));

fn assert_all_succeeded(report: &Report, slaves: usize) {
    assert_rows_complete(report, slaves);
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert!(report.rows().iter().all(|row| row.outcome == SUCCESS), "{report:?}");
}

#[test]
fn all_join_and_all_succeed() {
    let mut world = World::of(5);
    let slaves: Vec<ClientId> = (0..5).map(|_| world.slave(Plan::default())).collect();
    assert_all_succeeded(&world.run(secs(2)), 5);
    world.settle();
    world.assert_all_back_in_time();
    assert!(slaves.iter().all(|id| world.sim(*id).host.confs == [world.conf()]));
}

#[test]
fn just_as_many_as_wanted_take_part_and_the_surplus_is_released_at_once() {
    let mut world = World::of(3);
    let slaves: Vec<ClientId> = (0..7).map(|_| world.slave(Plan { runs: secs(20), ..Plan::default() })).collect();
    world.run_until(secs(1));
    assert_eq!(world.tasks_started(), 3);
    let released = slaves.iter().filter(|id| world.sim(**id).in_discovery_since().is_some());
    assert_eq!(released.count(), 4);
    assert_all_succeeded(&world.run(secs(30)), 3);
    world.settle();
    world.assert_all_back_in_time();
    assert_eq!(world.tasks_started(), 3);
}

#[test]
fn two_hundred_join_at_once() {
    let mut world = World::of(200);
    for _ in 0..200 {
        world.slave(Plan::default());
    }
    assert_all_succeeded(&world.run(secs(2)), 200);
}

#[test]
fn slaves_that_dial_need_no_invitation() {
    let mut world = World::of(2);
    let plan = Plan { dials: true, ..Plan::default() };
    let (first, second) = (world.slave(plan), world.slave_at(millis(3300), plan));
    let report = world.run(secs(5));
    assert_all_succeeded(&report, 2);
    assert_eq!((outcome_of(&report, first), outcome_of(&report, second)), (&SUCCESS, &SUCCESS));
    world.settle();
    world.assert_all_back_in_time();
}

#[test]
fn one_that_vanishes_while_others_are_awaited_is_dropped_and_awaited_again() {
    let mut world = World::of(2);
    let gone = world.slave(Plan::default());
    world.at(secs(2), Order::Kill(gone));
    let (second, third) = (world.slave_at(secs(3), Plan::default()), world.slave_at(secs(5), Plan::default()));
    let report = world.run(secs(8));
    assert_all_succeeded(&report, 2);
    assert!(world.told(|notice| matches!(notice, Notice::Dropped { joined: 0, .. })).is_some());
    assert!(row_of(&report, gone).is_none());
    assert!(row_of(&report, second).is_some() && row_of(&report, third).is_some());
}

#[test]
fn one_that_went_silent_is_found_by_the_roll_call_and_another_takes_its_place() {
    let mut world = World::of(2);
    let silent = world.slave(Plan::default());
    world.at(secs(1), Order::Freeze(silent, secs(3600)));
    world.slave_at(millis(3500), Plan::default());
    world.slave_at(millis(4200), Plan::default());
    let report = world.run(secs(7));
    assert_all_succeeded(&report, 2);
    assert!(row_of(&report, silent).is_none());
    let complete = world.told(|notice| matches!(notice, Notice::Joined { joined: 2, .. })).unwrap();
    let dropped = world.told(|notice| matches!(notice, Notice::Dropped { why: Loss::NoProbeAnswer(_), .. })).unwrap();
    assert!(dropped <= complete + millis(1010), "{complete:?} {dropped:?}");
    assert!(world.execs()[0] <= dropped + millis(100));
}

#[test]
fn one_that_went_silent_is_not_waited_for_when_another_is_there_already() {
    let mut world = World::of(2);
    let silent = world.slave(Plan::default());
    world.at(secs(1), Order::Freeze(silent, secs(3600)));
    world.slave_at(millis(3500), Plan::default());
    world.slave_at(millis(3500), Plan::default());
    let report = world.run(secs(7));
    assert_all_succeeded(&report, 2);
    assert!(row_of(&report, silent).is_none());
    assert!(world.execs()[0] < millis(4100));
}

#[test]
fn a_roll_call_that_all_answer_costs_one_round_trip() {
    let mut world = World::of(3);
    for boots in [0, 2500, 4500] {
        world.slave_at(millis(boots), Plan::default());
    }
    assert_all_succeeded(&world.run(secs(7)), 3);
    let complete = world.told(|notice| matches!(notice, Notice::Joined { joined: 3, .. })).unwrap();
    assert!(world.told(|notice| matches!(notice, Notice::Configuring { .. })).unwrap() <= complete + millis(10));
}

#[test]
fn distant_slaves_join_too() {
    let mut world = World::of(3);
    for delay in [0, 300, 1500] {
        let id = world.slave(Plan::default());
        world.set_delay(id, millis(delay));
    }
    assert_all_succeeded(&world.run(secs(60)), 3);
    world.settle();
    world.assert_all_back_in_time();
}

#[test]
fn strangers_neither_count_nor_delay() {
    let session = |strangers: &[Manner]| {
        let mut world = World::of(2);
        for manner in strangers {
            world.stranger_at(Duration::ZERO, *manner);
            world.stranger_at(millis(3500), *manner);
        }
        world.slave(Plan::default());
        world.slave_at(millis(3800), Plan::default());
        assert_all_succeeded(&world.run(secs(10)), 2);
        world.over_after()
    };
    let all = [
        Manner::Silent,
        Manner::Garbage,
        Manner::OtherSession,
        Manner::HalfHeader,
        Manner::HelloOnly,
        Manner::Impostor,
    ];
    assert_eq!(session(&all), session(&[]));
}

#[test]
fn strangers_are_turned_away_in_time() {
    let mut world = World::of(1);
    world.stranger_at(Duration::ZERO, Manner::Silent);
    world.stranger_at(Duration::ZERO, Manner::HelloOnly);
    world.run_until(secs(6));
    let turned_away = |action: &Action| matches!(action, Action::Tell(Notice::TurnedAway { why: None, .. }));
    assert_eq!(world.master_did(turned_away).len(), 2);
}

#[test]
fn the_wait_runs_out() {
    let mut world = World::new(Settings { wait: Some(secs(10)), ..settings(3) });
    let slaves = [world.slave(Plan::default()), world.slave(Plan::default())];
    world.stranger_at(secs(1), Manner::HelloOnly);
    let report = world.run(secs(11));
    assert_eq!((report.verdict, world.over_after()), (Verdict::NotEnoughSlaves, secs(10)));
    assert_rows_complete(&report, 2);
    assert!(slaves.iter().all(|id| *outcome_of(&report, *id) == Outcome::Cancelled));
    assert!(world.told(|notice| matches!(notice, Notice::GaveUp { joined: 2, slaves: 3, .. })).is_some());
    world.settle();
    world.assert_all_back_in_time();
    assert_eq!(world.tasks_started(), 0);
}

#[test]
fn a_wait_that_runs_out_during_the_roll_call_tells_who_was_there() {
    let mut world = World::new(Settings { wait: Some(secs(5)), ..settings(2) });
    let silent = world.slave(Plan::default());
    world.at(secs(1), Order::Freeze(silent, secs(100)));
    world.slave_at(millis(4500), Plan { dials: true, ..Plan::default() });
    let report = world.run(secs(6));
    let joined = report.rows().len();
    assert_rows_complete(&report, joined);
    assert!(world.told(|notice| matches!(notice, Notice::GaveUp { joined: told, .. } if *told == joined)).is_some());
}
