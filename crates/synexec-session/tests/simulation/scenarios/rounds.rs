//! Rounds: the task runs many times, and each run has its own common start.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt::Terminate;
use synexec_session::master::{Loss, Notice, Outcome, PhaseName, Report, Settings, Verdict};

use synexec_sim::{
    ClientId, Order, Plan, Refusal, Script, SimClock, World, assert_starts_true, millis, outcome_of, row_of, secs,
    settings,
};

const FIRST: ClientId = ClientId(0);
const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));

/// A world that wants this many slaves and rounds.
fn wanted(slaves: u32, rounds: u32) -> World {
    World::new(Settings { rounds: rounds.try_into().expect("the number is not zero"), ..settings(slaves) })
}

/// Two slaves and five rounds.
fn five() -> World {
    let mut world = wanted(2, 5);
    world.slave(Plan::default());
    world.slave(Plan::default());
    world
}

fn third(notice: &Notice) -> bool {
    matches!(notice, Notice::NextRound { round: 3, .. })
}

/// Checks that all rounds before the last are complete and that their rows are good.
fn earlier_rounds_are_good(report: &Report, rounds: usize) {
    let rows = report.rounds[..rounds].iter().flat_map(|round| &round.rows);
    assert!(rows.into_iter().all(|row| row.outcome == SUCCESS && row.start.is_some()), "{report:?}");
    assert_eq!(report.rounds.len(), rounds + 1);
}

#[test]
fn every_round_has_its_rows_and_its_skew() {
    let mut world = wanted(8, 20);
    for number in 0..8 {
        let clock = SimClock { ahead: number * 3_600_000_000_000, drift: 24_000 * (number - 4) };
        let id = world.slave(Plan { runs: millis(1), spawns: Duration::ZERO, clock, ..Plan::default() });
        world.set_delay(id, millis(number.unsigned_abs() * 3));
    }
    let report = world.run_session();
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Succeeded, 20));
    assert_starts_true(&world, &report);
    assert!(report.rounds.iter().all(|round| round.rows.len() == 8));
    assert!(report.rounds.iter().all(|round| round.skew.unwrap().skew < Duration::from_micros(100)), "{report:?}");
}

#[test]
fn every_task_is_held_before_each_round() {
    let mut world = five();
    world.run_session();
    assert_eq!((world.tasks_started(), world.sim(FIRST).host.confs.len()), (10, 1), "one conf, and five runs each");
    assert_eq!(world.all_told(|notice| matches!(notice, Notice::GoSent { .. })).len(), 5);
}

#[test]
fn a_task_that_fails_does_not_end_the_rounds() {
    let mut world = wanted(2, 5);
    let fails = world.slave(Plan { end: TaskEnd::Exited(3), ..Plan::default() });
    world.slave(Plan::default());
    let report = world.run_session();
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::TaskFailed, 5));
    assert_eq!(*outcome_of(&report, fails), Outcome::Ended(TaskEnd::Exited(3)));
}

#[test]
fn one_that_is_lost_while_its_task_runs_ends_the_rounds() {
    let mut world = five();
    world.when(third, millis(500), Order::Kill(FIRST));
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::Lost);
    earlier_rounds_are_good(&report, 2);
    let lost = outcome_of(&report, FIRST);
    let why = Loss::Disconnected(Disconnect::Closed);
    assert!(matches!(lost, Outcome::Lost { phase: PhaseName::Executing, why: told, .. } if *told == why), "{lost:?}");
    assert_eq!(*outcome_of(&report, ClientId(1)), SUCCESS, "the master waits for the task");
}

#[test]
fn one_that_is_lost_between_two_rounds_calls_the_next_one_off() {
    let mut world = five();
    world.when(third, Duration::ZERO, Order::Kill(FIRST));
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::Lost);
    earlier_rounds_are_good(&report, 2);
    assert!(matches!(outcome_of(&report, FIRST), Outcome::Lost { phase: PhaseName::Configuring, .. }), "{report:?}");
    assert_eq!((outcome_of(&report, ClientId(1)), world.sim(ClientId(1)).host.runs.len()), (&Outcome::Cancelled, 2));
}

#[test]
fn one_that_cannot_hold_its_task_again_ends_the_rounds() {
    let mut world = five();
    let second = |notice: &Notice| matches!(notice, Notice::NextRound { round: 2, .. });
    world.when(second, millis(500), Order::Refuse(FIRST, Refusal::Conf));
    let report = world.run_session();
    assert_eq!((report.verdict, world.tasks_started()), (Verdict::Declined, 4));
    earlier_rounds_are_good(&report, 2);
    assert!(matches!(outcome_of(&report, FIRST), Outcome::Declined(Some(_))));
    assert_eq!(*outcome_of(&report, ClientId(1)), Outcome::Cancelled);
}

#[test]
fn one_that_cannot_start_its_task_again_ends_the_rounds() {
    let mut world = five();
    world.when(third, Duration::ZERO, Order::Refuse(FIRST, Refusal::Start));
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::Declined);
    earlier_rounds_are_good(&report, 2);
    assert_eq!(*outcome_of(&report, ClientId(1)), SUCCESS, "the slave heard the last word");
}

#[test]
fn a_user_ends_the_rounds_with_the_one_that_runs() {
    let mut world = five();
    world.when(third, millis(500), Order::Interrupt(Terminate));
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::Interrupted(Terminate));
    earlier_rounds_are_good(&report, 2);
    assert!(report.rows().iter().all(|row| row.outcome == Outcome::Ended(TaskEnd::Killed(15))), "{report:?}");
}

#[test]
fn a_user_ends_the_rounds_between_two() {
    let mut world = five();
    world.when(third, Duration::ZERO, Order::Interrupt(Terminate));
    let report = world.run_session();
    assert_eq!((report.verdict, world.tasks_started()), (Verdict::Interrupted(Terminate), 4));
    earlier_rounds_are_good(&report, 2);
    assert!(report.rows().iter().all(|row| row.outcome == Outcome::Cancelled));
}

#[test]
fn a_master_that_vanishes_between_two_rounds_leaves_all_slaves_at_rest() {
    for after in [0, 3, 8, 500] {
        let mut world = five();
        world.when(third, millis(after), Order::KillMaster);
        world.settle();
        world.assert_all_back_in_time();
        assert!(world.tasks_started() <= 6);
    }
}

#[test]
fn originals_take_part_in_every_round() {
    let mut world = wanted(3, 4);
    let originals = [world.original(Script::default()), world.original(Script { runs: secs(2), ..Script::default() })];
    let ours = world.slave(Plan::default());
    let report = world.run_session();
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Succeeded, 4));
    assert!(originals.iter().all(|id| world.v1(*id).runs == 4 && *outcome_of(&report, *id) == Outcome::Finished));
    assert_eq!((world.sim(ours).host.runs.len(), row_of(&report, ours).unwrap().start.is_some()), (4, true));
    assert!(report.rounds.iter().all(|round| round.skew.unwrap().known == 1));
}

#[test]
fn originals_alone_go_from_round_to_round() {
    let mut world = wanted(2, 3);
    let originals = [world.original(Script::default()), world.original(Script::default())];
    let report = world.run_session();
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Succeeded, 3));
    assert!(originals.iter().all(|id| world.v1(*id).runs == 3));
}

/// The verdict of two rounds of slaves with these plans, and of an original slave if one is wanted.
fn verdict_within(max_skew: Duration, plans: &[Plan; 2], original: bool) -> Verdict {
    let rounds = 2.try_into().expect("the number is not zero");
    let mut world = World::new(Settings { rounds, max_skew: Some(max_skew), ..settings(2 + u32::from(original)) });
    for plan in plans {
        world.slave(*plan);
    }
    if original {
        world.original(Script::default());
    }
    world.run_session().verdict
}

#[test]
fn a_skew_above_what_the_user_allows_is_a_verdict() {
    let late = Plan { spawns: millis(50), ..Plan::default() };
    assert_eq!(verdict_within(millis(60), &[late, Plan::default()], false), Verdict::Succeeded);
    assert_eq!(verdict_within(millis(40), &[late, Plan::default()], false), Verdict::SkewExceeded);
    assert_eq!(
        verdict_within(millis(60), &[late, Plan::default()], true),
        Verdict::SkewExceeded,
        "one start is unknown"
    );
}

#[test]
fn a_task_that_failed_is_worse_than_a_skew() {
    let late = Plan { spawns: millis(50), ..Plan::default() };
    let fails = Plan { end: TaskEnd::Exited(1), ..Plan::default() };
    assert_eq!(verdict_within(millis(40), &[late, fails], false), Verdict::TaskFailed);
}

#[test]
fn a_skew_in_an_early_round_counts() {
    let mut world = World::new(Settings { rounds: 3.try_into().unwrap(), max_skew: Some(secs(1)), ..settings(2) });
    world.slave(Plan::default());
    world.slave(Plan::default());
    world.when(|notice| matches!(notice, Notice::GoSent { .. }), Duration::ZERO, Order::Freeze(FIRST, secs(4)));
    let report = world.run_session();
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::SkewExceeded, 3));
}
