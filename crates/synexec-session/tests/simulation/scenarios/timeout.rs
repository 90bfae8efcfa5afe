//! `--timeout`: the time of the tasks is over.

use std::time::Duration;

use synexec_proto::digest::Digest;
use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt::Terminate;
use synexec_session::master::{Loss, Notice, Outcome, Output, OutputsWanted, Settings, Verdict};

use synexec_sim::{
    ClientId, Order, Plan, START, Script, SimClock, Ways, World, millis, outcome_of, row_of, runs, secs, settings,
};

const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));
const TIME: Duration = secs(3);
const TIMED_OUT: Outcome = Outcome::TimedOut(TIME);

/// A world of this many slaves with a timeout of three seconds.
fn wanting(slaves: u32) -> World {
    World::new(Settings { timeout: Some(TIME), ..settings(slaves) })
}

fn timed_out(notice: &Notice) -> bool {
    matches!(notice, Notice::TimedOut { .. })
}

/// Time from the timeout to the end of the session.
fn over_later(world: &World) -> Duration {
    world.over_after().saturating_sub(world.instant().since(START) + TIME)
}

#[test]
fn tasks_that_run_are_stopped_and_the_rows_of_other_tasks_do_not_change() {
    let mut world = wanting(3);
    let clock = SimClock { ahead: -900_000_000_000, drift: 80_000 };
    let slow = [world.slave(Plan { clock, ..runs(secs(100)) }), world.slave(runs(secs(100)))];
    let done = world.slave(Plan { clock, ..runs(secs(1)) });
    let report = world.run_session();
    assert_eq!((report.verdict, outcome_of(&report, done)), (Verdict::TaskFailed, &SUCCESS));
    assert!(slow.iter().all(|id| *outcome_of(&report, *id) == TIMED_OUT), "{report:?}");
    assert!(slow.iter().all(|id| row_of(&report, *id).unwrap().times.unwrap().elapsed.abs_diff(TIME) < millis(10)));
    assert_eq!(world.all_told(|notice| *notice == Notice::TimedOut { timeout: TIME, running: 2 }).len(), 1);
    assert!(over_later(&world) < millis(10), "{:?}", over_later(&world));
}

#[test]
fn if_all_tasks_end_in_time_the_user_is_told_nothing() {
    let mut world = wanting(2);
    world.slave(runs(millis(2900)));
    world.slave(Plan { end: TaskEnd::Exited(3), ..runs(secs(1)) });
    let report = world.run_session();
    assert_eq!((report.verdict, world.told(timed_out)), (Verdict::TaskFailed, None));
    assert!(report.rows().iter().all(|row| matches!(row.outcome, Outcome::Ended(_))));
}

#[test]
fn a_task_that_ends_at_nearly_that_time_is_one_or_the_other_as_its_end_was() {
    for time in (2930..3070).step_by(3) {
        let mut world = wanting(1);
        let id = world.slave(runs(millis(time)));
        world.set_delay(id, millis(20));
        let report = world.run_session();
        let run = world.sim(id).host.runs[0].ended.expect("the task has ended");
        let in_time = run.0 < world.instant().plus(TIME);
        let expected = if in_time { SUCCESS } else { TIMED_OUT };
        assert_eq!(*outcome_of(&report, id), expected, "{time} {run:?}");
        assert_eq!(report.verdict, if in_time { Verdict::Succeeded } else { Verdict::TaskFailed });
    }
}

/// In this time the clocks drift apart by more than it takes to stop a task.
#[test]
fn a_task_that_ends_well_when_it_is_stopped_has_timed_out_whatever_its_clock_says() {
    for drift in [-90_000, 90_000] {
        let time = secs(600);
        let mut world = World::new(Settings { timeout: Some(time), ..settings(1) });
        let clock = SimClock { ahead: 0, drift };
        let id = world.slave(Plan { clock, end_by_sigterm: Some(TaskEnd::Exited(0)), ..runs(secs(1000)) });
        let report = world.run(secs(700));
        assert_eq!(
            (report.verdict, outcome_of(&report, id)),
            (Verdict::TaskFailed, &Outcome::TimedOut(time)),
            "{drift}"
        );
    }
}

#[test]
fn a_host_that_stands_still_during_the_timeout_has_the_usual_time() {
    let mut world = wanting(2);
    let paused = world.slave(runs(secs(100)));
    let other = world.slave(runs(secs(100)));
    world.at(millis(2900), Order::Freeze(paused, secs(15)));
    let report = world.run_session();
    assert!([paused, other].iter().all(|id| *outcome_of(&report, *id) == TIMED_OUT), "{report:?}");
}

#[test]
fn a_user_who_wants_an_end_then_does_not_wait_as_long_for_a_host_that_stands_still() {
    let mut world = wanting(2);
    let paused = world.slave(runs(secs(100)));
    world.slave(runs(secs(100)));
    world.at(millis(2900), Order::Freeze(paused, secs(20)));
    world.when(timed_out, secs(1), Order::Interrupt(Terminate));
    let report = world.run_session();
    assert!(matches!(outcome_of(&report, paused), Outcome::Lost { why: Loss::DidNotStop, .. }), "{report:?}");
    assert_eq!(over_later(&world).as_secs(), 11);
}

#[test]
fn one_that_comes_back_late_has_its_time_to_stop() {
    let mut world = World::new(Settings { timeout: Some(TIME), reconnect: secs(60), ..settings(1) });
    let plan = Plan { reconnect: secs(60), ignores_sigterm: true, ..runs(secs(100)) };
    let id = world.slave(plan);
    world.at(secs(2), Order::Reroute(id, Ways::even(secs(2))));
    world.at(secs(2), Order::Break(id));
    let report = world.run_session();
    assert_eq!(*outcome_of(&report, id), TIMED_OUT, "{report:?}");
}

#[test]
fn a_task_that_ignores_sigterm_is_killed_five_seconds_later() {
    let mut world = wanting(2);
    let stubborn = world.slave(Plan { ignores_sigterm: true, ..runs(secs(100)) });
    world.slave(Plan { straggles: secs(100), ..runs(secs(100)) });
    let report = world.run_session();
    assert!(report.rows().iter().all(|row| row.outcome == TIMED_OUT), "{report:?}");
    assert_eq!(world.sim(stubborn).host.runs[0].ended.unwrap().1, TaskEnd::Killed(9));
    assert!((secs(5)..millis(5100)).contains(&over_later(&world)), "{:?}", over_later(&world));
}

#[test]
fn an_original_cannot_be_stopped_and_has_timed_out() {
    let mut world = wanting(3);
    let slow = world.original(Script { runs: secs(100), ..Script::default() });
    let done = world.original(Script::default());
    let ours = world.slave(runs(secs(100)));
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::TaskFailed);
    assert_eq!([slow, done, ours].map(|id| outcome_of(&report, id)), [&TIMED_OUT, &Outcome::Finished, &TIMED_OUT]);
}

#[test]
fn one_that_is_silent_then_is_lost() {
    let mut world = wanting(2);
    let silent = world.slave(runs(secs(100)));
    let other = world.slave(runs(secs(100)));
    world.at(secs(2), Order::Freeze(silent, secs(40)));
    let report = world.run_session();
    assert!(matches!(outcome_of(&report, silent), Outcome::Lost { why: Loss::Silent(_), .. }), "{report:?}");
    assert_eq!((report.verdict, outcome_of(&report, other)), (Verdict::Lost, &TIMED_OUT));
}

#[test]
fn what_was_written_by_then_is_fetched() {
    for outputs in [OutputsWanted::Whole, OutputsWanted::Live] {
        let mut world = World::new(Settings { outputs, timeout: Some(TIME), ..settings(1) });
        let id = world.slave(Plan { writes: 100_000, ..runs(secs(100)) });
        let report = world.run_session();
        let row = row_of(&report, id).unwrap();
        let length = row.output_place.as_ref().unwrap().length;
        let written = &world.sim(id).host.output()[..usize::try_from(length).unwrap()];
        assert!((2990..3010).contains(&length), "{length}");
        assert_eq!(world.fetched(1, 0).unwrap().0, written);
        assert_eq!(row.output, Some(Output::Whole { length, digest: Digest::of(written) }));
        assert_eq!((report.verdict, &row.outcome), (Verdict::TaskFailed, &TIMED_OUT));
    }
}

#[test]
fn every_round_has_its_time() {
    let mut world = World::new(Settings { timeout: Some(TIME), rounds: 3.try_into().unwrap(), ..settings(2) });
    let slow = world.slave(runs(secs(100)));
    let done = world.slave(runs(secs(2)));
    let report = world.run_session();
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::TaskFailed, 3));
    for (round, run) in report.rounds.iter().zip(&world.sim(slow).host.runs) {
        assert_eq!(round.rows.iter().filter(|row| row.outcome == TIMED_OUT).count(), 1);
        assert!(run.ended.unwrap().0.since(run.started).abs_diff(TIME) < millis(10));
    }
    assert_eq!((world.all_told(timed_out).len(), outcome_of(&report, done)), (3, &SUCCESS));
}

#[test]
fn who_is_away_when_the_time_is_over_is_waited_for_before_the_next_round() {
    let (timeout, rounds, reconnect) = (Some(TIME), 2.try_into().unwrap(), secs(10));
    let mut world = World::new(Settings { timeout, rounds, reconnect, ..settings(2) });
    world.slave(Plan { reconnect, ..runs(secs(100)) });
    let done = world.slave(Plan { reconnect, ..runs(secs(1)) });
    // The connection breaks between the ends of the two tasks and is resumed after the second end.
    let first_end = |notice: &Notice| matches!(notice, Notice::Ended { done: 1, .. });
    world.when(first_end, millis(1500), Order::Reroute(done, Ways::even(millis(500))));
    world.when(first_end, millis(1501), Order::Break(done));
    let report = world.run_session();
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::TaskFailed, 2), "{report:?}");
    assert_eq!(world.all_told(|notice| matches!(notice, Notice::Returned { .. })).len(), 1);
    for round in &report.rounds {
        assert!(round.rows.iter().all(|row| [&SUCCESS, &TIMED_OUT].contains(&&row.outcome)), "{round:?}");
    }
}

#[test]
fn an_original_that_could_not_be_stopped_ends_the_rounds() {
    let mut world = World::new(Settings { timeout: Some(TIME), rounds: 3.try_into().unwrap(), ..settings(2) });
    let original = world.original(Script { runs: secs(100), ..Script::default() });
    world.slave(runs(secs(1)));
    let report = world.run_session();
    assert_eq!((report.rounds.len(), world.v1(original).runs), (2, 1), "{report:?}");
    assert_eq!(report.verdict, Verdict::Lost);
}

#[test]
fn a_user_may_still_end_it_while_tasks_are_stopped() {
    let mut world = wanting(1);
    let id = world.slave(Plan { ignores_sigterm: true, ..runs(secs(100)) });
    world.when(timed_out, secs(1), Order::Interrupt(Terminate));
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::Interrupted(Terminate));
    assert_eq!(*outcome_of(&report, id), TIMED_OUT);
    assert!((secs(5)..millis(5100)).contains(&over_later(&world)));
}

#[test]
fn said_twice_then_it_ends_at_once() {
    let mut world = wanting(1);
    let id = world.slave(Plan { ignores_sigterm: true, ..runs(secs(100)) });
    world.when(timed_out, secs(1), Order::Interrupt(Terminate));
    world.when(timed_out, secs(2), Order::Interrupt(Terminate));
    let report = world.run_session();
    assert!((secs(2)..millis(2010)).contains(&over_later(&world)));
    assert!(matches!(outcome_of(&report, id), Outcome::Lost { why: Loss::DidNotStop, .. }), "{report:?}");
}

/// Two slaves that can resume their connections. The first connection breaks at two seconds.
fn away(comes_back: bool) -> (World, [ClientId; 2]) {
    let mut world = World::new(Settings { timeout: Some(TIME), reconnect: secs(10), ..settings(2) });
    let plan = Plan { reconnect: secs(10), ..runs(secs(100)) };
    let slaves = [world.slave(plan), world.slave(plan)];
    world.at(secs(2), Order::Reroute(slaves[0], synexec_sim::Ways::even(secs(1))));
    world.at(secs(2), Order::Break(slaves[0]));
    if !comes_back {
        world.at(secs(2), Order::Cut(slaves[0]));
    }
    (world, slaves)
}

#[test]
fn one_that_is_away_then_is_stopped_on_its_return() {
    let (mut world, slaves) = away(true);
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::TaskFailed, "{report:?}");
    assert!(slaves.iter().all(|id| *outcome_of(&report, *id) == TIMED_OUT));
}

#[test]
fn one_that_is_away_then_and_stays_so_is_lost() {
    let (mut world, slaves) = away(false);
    let report = world.run_session();
    assert!(matches!(outcome_of(&report, slaves[0]), Outcome::Lost { why: Loss::Disconnected(_), .. }));
    assert_eq!((report.verdict, outcome_of(&report, slaves[1])), (Verdict::Lost, &TIMED_OUT));
}

#[test]
fn a_master_that_was_stopped_then_does_not_blame_who_was_in_time() {
    let mut world = wanting(2);
    let in_time = world.slave(runs(millis(2500)));
    let slow = world.slave(runs(secs(100)));
    world.at(secs(2), Order::FreezeMaster(secs(20)));
    let report = world.run_session();
    assert_eq!((outcome_of(&report, in_time), outcome_of(&report, slow)), (&SUCCESS, &TIMED_OUT));
}
