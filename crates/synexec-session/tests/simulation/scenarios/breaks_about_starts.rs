//! A connection breaks around the start, or between rounds.

use synexec_proto::message::Reason;
use synexec_proto::task_end::TaskEnd;
use synexec_session::master::{Notice, Outcome, Report, Settings, Verdict};
use synexec_session::slave;

use synexec_sim::{
    ClientId, Order, Plan, Refusal, START, Ways, World, assert_starts_true, millis, outcome_of, runs, secs, settings,
};

const FIRST: ClientId = ClientId(0);
const OTHER: ClientId = ClientId(1);
const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));

fn go_sent(notice: &Notice) -> bool {
    matches!(notice, Notice::GoSent { .. })
}

fn returned(notice: &Notice) -> bool {
    matches!(notice, Notice::Returned { .. })
}

fn unreported(world: &World, id: ClientId) -> usize {
    world.slave_told(id, |notice| matches!(notice, slave::Notice::NotReported(_))).len()
}

#[test]
fn a_break_before_the_last_word_calls_the_session_off() {
    let accepted = |notice: &Notice| matches!(notice, Notice::Accepted { .. });
    let ready = |notice: &Notice| matches!(notice, Notice::Ready { .. });
    for (cue, order) in [
        (accepted as fn(&Notice) -> bool, Order::Break(FIRST)),
        (accepted, Order::BreakAtClient(FIRST)),
        (ready, Order::Break(FIRST)),
    ] {
        let mut world = World::pair(settings(2), Plan { prepares: millis(100), ..Plan::default() });
        world.set_delay(OTHER, millis(200));
        world.when(cue, millis(1), order);
        let report = world.run_session();
        assert_eq!((report.verdict, world.tasks_started()), (Verdict::Lost, 0), "{order:?}");
        assert!(matches!(outcome_of(&report, FIRST), Outcome::Lost { .. }));
        assert_eq!(*outcome_of(&report, OTHER), Outcome::Cancelled);
    }
}

/// A connection breaks after the last word reaches the slave and before the instant of the start.
fn broken_in_between(plan: Plan) -> (World, Report) {
    let mut world = World::pair(Settings { lead: Some(secs(1)), ..settings(2) }, plan);
    world.when(go_sent, millis(2), Order::Break(FIRST));
    let report = world.run_session();
    let instant = world.instant().since(START);
    assert!(world.told(returned).is_some_and(|at| at < instant));
    (world, report)
}

#[test]
fn a_break_between_the_last_word_and_the_instant_does_not_change_the_start() {
    let (world, report) = broken_in_between(Plan::default());
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_starts_true(&world, &report);
}

#[test]
fn a_start_that_fails_while_its_slave_is_away_is_told_on_its_return() {
    let mut world = World::pair(settings(2), Plan { spawns: millis(1), ..Plan::default() });
    world.plan_mut(FIRST).refusal = Some(Refusal::Start);
    world.set_delay(FIRST, millis(20));
    world.when(go_sent, millis(25), Order::Break(FIRST));
    let report = world.run_session();
    let declined = Outcome::Declined(Some(Reason::new("no such program")));
    assert_eq!((report.verdict, outcome_of(&report, FIRST)), (Verdict::Declined, &declined));
    assert_eq!(*outcome_of(&report, OTHER), SUCCESS);
}

#[test]
fn in_any_of_several_rounds_it_is_taken_up_again() {
    for after in [0, 1, 3, 4, 5, 6, 20, 500, 997, 998, 999, 1000, 1001, 1002, 1003, 1004, 1005] {
        for order in [Order::Break(FIRST), Order::BreakAtClient(FIRST)] {
            let mut world = World::pair(Settings { rounds: 3.try_into().unwrap(), ..settings(2) }, Plan::default());
            world.set_delay(FIRST, millis(3));
            world.when(go_sent, millis(after), order);
            let report = world.run_session();
            let broke_before_its_start = world.sim(FIRST).host.runs.is_empty();
            let broke_between_rounds = world.told(|notice| matches!(notice, Notice::RoundsLeftOut { .. })).is_some();
            let whole = report.rounds.len() == 3 && report.verdict == Verdict::Succeeded;
            assert!(whole || broke_before_its_start || broke_between_rounds, "{after} {order:?} {report:?}");
            assert_eq!(unreported(&world, FIRST), 0);
        }
    }
}

#[test]
fn the_next_round_waits_for_slaves_that_are_away() {
    let mut world = World::pair(Settings { rounds: 2.try_into().unwrap(), ..settings(2) }, runs(secs(3)));
    world.plan_mut(OTHER).runs = secs(5);
    world.at(secs(2), Order::Reroute(FIRST, Ways::even(secs(1))));
    let last_end = |notice: &Notice| matches!(notice, Notice::Ended { done: 1, .. });
    world.when(last_end, millis(500), Order::Break(FIRST));
    let report = world.run_session();
    assert_eq!((report.verdict, report.rounds.len(), world.tasks_started()), (Verdict::Succeeded, 2, 4));
    let next = world.told(|notice| matches!(notice, Notice::NextRound { .. })).unwrap();
    assert!(next >= world.told(returned).unwrap());
}

#[test]
fn a_slave_that_does_not_come_back_calls_the_next_round_off() {
    let mut world = World::pair(Settings { rounds: 2.try_into().unwrap(), ..settings(2) }, runs(secs(3)));
    world.plan_mut(OTHER).runs = secs(5);
    let first_end = |notice: &Notice| matches!(notice, Notice::Ended { done: 1, .. });
    world.when(first_end, secs(1), Order::Break(FIRST));
    world.when(first_end, secs(1), Order::Cut(FIRST));
    let report = world.run(secs(60));
    assert_eq!((report.verdict, report.rounds.len(), world.tasks_started()), (Verdict::Lost, 2, 2));
    assert!(report.rounds[0].rows.iter().all(|row| row.outcome == SUCCESS), "{report:?}");
    assert!(matches!(outcome_of(&report, FIRST), Outcome::Lost { .. }));
    assert_eq!(*outcome_of(&report, OTHER), Outcome::Cancelled);
}
