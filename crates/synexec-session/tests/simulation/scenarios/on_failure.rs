//! `--on-failure`: a task fails, and the master stops the other tasks if the user wants this.

use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt;
use synexec_session::master::{Notice, OtherTasks, Outcome, OutputsWanted, Settings, StopCause, Verdict};

use synexec_sim::{ClientId, Order, Plan, Refusal, Script, World, millis, outcome_of, row_of, runs, secs, settings};

const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));
const STOPPED: Outcome = Outcome::Ended(TaskEnd::Killed(15));

fn wanting(slaves: u32) -> World {
    World::new(Settings { on_failure: OtherTasks::Stop, ..settings(slaves) })
}

/// A slave whose task ends in this way after so many seconds.
fn ends(seconds: u64, end: TaskEnd) -> Plan {
    Plan { end, ..runs(secs(seconds)) }
}

fn stopping(notice: &Notice) -> bool {
    matches!(notice, Notice::StoppingOthers { cause: StopCause::Failure(_), .. })
}

#[test]
fn the_others_are_stopped_at_once_and_their_rows_say_why() {
    for end in [TaskEnd::Exited(3), TaskEnd::Killed(11)] {
        let mut world = wanting(4);
        let failed = world.slave(ends(5, end));
        let done = world.slave(runs(secs(1)));
        let others = [world.slave(runs(secs(100))), world.slave(Plan { ignores_sigterm: true, ..runs(secs(100)) })];
        let report = world.run_session();
        assert_eq!((report.verdict, outcome_of(&report, done)), (Verdict::TaskFailed, &SUCCESS));
        assert_eq!(*outcome_of(&report, failed), Outcome::Ended(end));
        let killed = [STOPPED, Outcome::Ended(TaskEnd::Killed(9))];
        assert_eq!(others.map(|id| outcome_of(&report, id).clone()), killed);
        let why = |id: ClientId| row_of(&report, id).unwrap().stopped_after.as_ref().map(ToString::to_string);
        assert_eq!(others.map(why), [Some("the failure of vm0".into()), Some("the failure of vm0".into())]);
        assert_eq!([failed, done].map(why), [None, None]);
        assert_eq!(world.all_told(stopping).len(), 1);
        assert!((secs(10)..millis(10_200)).contains(&world.over_after()), "{:?}", world.over_after());
    }
}

#[test]
fn without_it_the_others_run_to_their_ends() {
    let mut world = World::of(2);
    world.slave(ends(1, TaskEnd::Exited(3)));
    let other = world.slave(runs(secs(50)));
    let report = world.run_session();
    assert_eq!((report.verdict, outcome_of(&report, other)), (Verdict::TaskFailed, &SUCCESS));
}

#[test]
fn a_task_that_was_stopped_and_exits_0_has_not_failed() {
    let mut world = wanting(2);
    world.slave(ends(2, TaskEnd::Exited(1)));
    let other = world.slave(Plan { end_by_sigterm: Some(TaskEnd::Exited(0)), ..runs(secs(100)) });
    let report = world.run_session();
    assert_eq!((report.verdict, outcome_of(&report, other)), (Verdict::TaskFailed, &SUCCESS));
    assert!(row_of(&report, other).unwrap().stopped_after.is_some());
}

#[test]
fn a_task_that_cannot_be_started_has_failed() {
    let mut world = wanting(2);
    world.slave(Plan { refusal: Some(Refusal::Start), ..Plan::default() });
    let other = world.slave(runs(secs(100)));
    let report = world.run_session();
    assert_eq!((report.verdict, outcome_of(&report, other)), (Verdict::Declined, &STOPPED));
}

#[test]
fn a_lost_slave_is_no_failure_and_a_failure_is_no_loss() {
    let mut world = wanting(2);
    let gone = world.slave(runs(secs(100)));
    let other = world.slave(runs(secs(20)));
    world.at(secs(5), Order::Kill(gone));
    assert_eq!(*outcome_of(&world.run_session(), other), SUCCESS);
    let mut world = World::new(Settings { on_lost: OtherTasks::Stop, ..settings(2) });
    world.slave(ends(5, TaskEnd::Exited(1)));
    let other = world.slave(runs(secs(20)));
    assert_eq!(*outcome_of(&world.run_session(), other), SUCCESS);
}

#[test]
fn tasks_that_are_stopped_for_another_reason_stop_nobody() {
    let mut world = World::new(Settings { timeout: Some(secs(5)), on_failure: OtherTasks::Stop, ..settings(2) });
    for _ in 0..2 {
        world.slave(runs(secs(100)));
    }
    let report = world.run_session();
    assert!(report.rows().iter().all(|row| row.outcome == Outcome::TimedOut(secs(5)) && row.stopped_after.is_none()));
    let mut world = wanting(2);
    for _ in 0..2 {
        world.slave(runs(secs(100)));
    }
    world.at(secs(5), Order::Interrupt(Interrupt::Interrupt));
    let report = world.run_session();
    assert!(report.rows().iter().all(|row| row.outcome == STOPPED && row.stopped_after.is_none()), "{report:?}");
    assert_eq!(world.told(stopping), None);
}

#[test]
fn a_slave_that_is_away_is_stopped_on_its_return() {
    let mut world = World::new(Settings { on_failure: OtherTasks::Stop, reconnect: secs(10), ..settings(2) });
    world.slave(ends(5, TaskEnd::Exited(1)));
    let away = world.slave(Plan { reconnect: secs(10), ..runs(secs(100)) });
    world.at(millis(4900), Order::Break(away));
    let report = world.run_session();
    assert_eq!(*outcome_of(&report, away), STOPPED, "{report:?}");
}

#[test]
fn an_original_cannot_be_stopped_and_is_not_awaited() {
    let mut world = wanting(2);
    world.slave(ends(5, TaskEnd::Exited(1)));
    world.original(Script { runs: secs(100), ..Script::default() });
    assert_eq!(world.run_session().verdict, Verdict::Lost);
    assert!(world.over_after() < millis(5200));
}

#[test]
fn a_slave_that_is_away_and_not_needed_any_more_is_not_awaited() {
    let rounds = 3.try_into().unwrap();
    let settings = Settings { on_failure: OtherTasks::Stop, rounds, reconnect: secs(10), ..settings(2) };
    let mut world = World::new(settings);
    world.slave(ends(3, TaskEnd::Exited(1)));
    let away = world.slave(Plan { reconnect: secs(10), ..runs(secs(1)) });
    world.at(secs(2), Order::Break(away));
    world.at(secs(2), Order::Cut(away));
    let report = world.run(secs(20));
    assert_eq!((report.verdict, outcome_of(&report, away)), (Verdict::TaskFailed, &SUCCESS));
    assert!(world.over_after() < millis(5000), "{:?}", world.over_after());
}

#[test]
fn nobody_waits_for_a_slave_that_is_away_after_the_last_round() {
    let rounds = 3.try_into().unwrap();
    let basic = Settings { on_failure: OtherTasks::Stop, rounds, ..settings(2) };
    let away = |world: &mut World| {
        let away = ClientId(0);
        world.at(secs(4), Order::Cut(away));
        world.at(secs(4), Order::Break(away));
    };
    // The failure is a timeout, which stops the tasks itself.
    let mut world = World::pair(Settings { timeout: Some(secs(6)), ..basic.clone() }, runs(secs(1)));
    world.plan_mut(ClientId(1)).runs = secs(100);
    away(&mut world);
    let report = world.run(secs(30));
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::TaskFailed, 1));
    assert!(world.over_after() < secs(8), "{:?}", world.over_after());
    // Outputs are fetched, and the slave goes away while another one sends its output.
    let outputs = OutputsWanted::Whole;
    let mut world = World::pair(Settings { outputs, ..basic }, Plan { writes: 100, ..runs(secs(1)) });
    *world.plan_mut(ClientId(1)) = Plan { writes: 100, reconnect: secs(10), ..ends(2, TaskEnd::Exited(1)) };
    world.set_disk(usize::MAX, secs(2));
    away(&mut world);
    let report = world.run(secs(30));
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::TaskFailed, 1));
    assert!(world.over_after() < secs(8), "{:?}", world.over_after());
}

#[test]
fn the_round_is_the_last_one_even_if_nothing_was_left_to_stop() {
    for other in [4, 1] {
        let rounds = 3.try_into().unwrap();
        let mut world = World::new(Settings { on_failure: OtherTasks::Stop, rounds, ..settings(2) });
        world.slave(ends(2, TaskEnd::Exited(1)));
        world.slave(runs(secs(other)));
        let report = world.run_session();
        assert_eq!((report.verdict, report.rounds.len()), (Verdict::TaskFailed, 1));
        assert!(world.told(|notice| *notice == Notice::RoundsLeftOut { rounds: 2 }).is_some());
    }
}
