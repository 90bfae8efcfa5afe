//! The user interrupts the session.

use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt::{self, Terminate};
use synexec_session::master::{Loss, Notice, Outcome, Output, OutputsWanted, Report, Settings, Verdict};

use synexec_sim::{ClientId, Order, Plan, Script, World, millis, outcome_of, row_of, secs, settings};

use super::shared::session_with_rows;

/// Runs a session that is interrupted at three seconds.
fn interrupted(world: &mut World, slaves: usize) -> Report {
    world.at(secs(3), Order::Interrupt(Terminate));
    let report = session_with_rows(slaves, secs(60), world);
    assert_eq!(report.verdict, Verdict::Interrupted(Terminate));
    report
}

fn long() -> Plan {
    Plan { runs: secs(1000), ..Plan::default() }
}

#[test]
fn while_joining_it_ends_at_once() {
    let mut world = World::of(3);
    world.slave(Plan::default());
    world.slave(Plan::default());
    let report = interrupted(&mut world, 2);
    assert!(report.rows().iter().all(|row| row.outcome == Outcome::Cancelled));
    assert_eq!((world.over_after(), world.tasks_started()), (secs(3), 0));
}

#[test]
fn while_configuring_it_ends_at_once() {
    let mut world = World::of(2);
    world.slave(Plan::default());
    world.slave(Plan { prepares: secs(10), ..Plan::default() });
    let report = interrupted(&mut world, 2);
    assert!(report.rows().iter().all(|row| row.outcome == Outcome::Cancelled));
    assert_eq!((world.over_after(), world.tasks_started()), (secs(3), 0));
}

#[test]
fn while_executing_tasks_are_told_to_stop_and_their_ends_arrive() {
    let mut world = World::of(3);
    let slaves = [world.slave(long()), world.slave(Plan::default()), world.slave(long())];
    let report = interrupted(&mut world, 3);
    let [first, done, last] = slaves.map(|id| outcome_of(&report, id));
    assert_eq!((first, last), (&Outcome::Ended(TaskEnd::Killed(15)), &Outcome::Ended(TaskEnd::Killed(15))));
    assert_eq!(*done, Outcome::Ended(TaskEnd::Exited(0)));
    assert!(world.over_after() < millis(3100));
}

#[test]
fn a_task_that_ignores_sigterm_is_killed_five_seconds_later() {
    let mut world = World::of(2);
    let stubborn = world.slave(Plan { ignores_sigterm: true, ..long() });
    world.slave(long());
    let report = interrupted(&mut world, 2);
    assert_eq!(*outcome_of(&report, stubborn), Outcome::Ended(TaskEnd::Killed(9)));
    assert!((secs(8)..millis(8100)).contains(&world.over_after()));
}

#[test]
fn what_is_left_of_a_stopped_task_is_killed_too() {
    let mut world = World::of(1);
    let id = world.slave(Plan { straggles: secs(1000), ..long() });
    let report = interrupted(&mut world, 1);
    assert_eq!(*outcome_of(&report, id), Outcome::Ended(TaskEnd::Killed(15)));
    assert!((secs(8)..millis(8100)).contains(&world.over_after()), "the result waits for the remaining processes");
    let gone = world.sim(id).host.group_gone().unwrap();
    assert!(gone.since(synexec_sim::START) < millis(8100), "{gone:?}");
}

#[test]
fn a_task_that_was_told_to_go_and_has_not_run_yet_never_runs() {
    let mut world = World::of(1);
    let id = world.slave(Plan { spawns: secs(5), ..long() });
    let report = interrupted(&mut world, 1);
    assert_eq!(*outcome_of(&report, id), Outcome::Ended(TaskEnd::Killed(15)));
    assert!(world.over_after() < millis(3100));
    assert_eq!(world.tasks_started(), 0);
}

#[test]
fn an_original_cannot_be_stopped_and_is_not_awaited() {
    let mut world = World::of(2);
    let original = world.original(Script { runs: secs(1000), ..Script::default() });
    let ours = world.slave(long());
    let report = interrupted(&mut world, 2);
    assert!(matches!(outcome_of(&report, original), Outcome::Lost { why: Loss::CannotStop, .. }));
    assert_eq!(*outcome_of(&report, ours), Outcome::Ended(TaskEnd::Killed(15)));
}

#[test]
fn one_that_is_silent_does_not_keep_the_user_waiting() {
    let mut world = World::of(2);
    let silent = world.slave(long());
    world.slave(long());
    world.at(secs(2), Order::Freeze(silent, secs(30)));
    let report = interrupted(&mut world, 2);
    assert!(matches!(outcome_of(&report, silent), Outcome::Lost { why: Loss::DidNotStop, .. }));
    assert_eq!(world.over_after(), secs(13));
}

/// A pair whose first slave reports at once when the session is interrupted at three seconds, and whose second slave
/// reports five seconds later. Outputs are wanted, and broken connections are resumed.
fn one_reports_early() -> World {
    let settings = Settings { outputs: OutputsWanted::Whole, ..settings(2) };
    let mut world = World::pair(settings, Plan { writes: 1000, ..long() });
    world.plan_mut(ClientId(1)).ignores_sigterm = true;
    world
}

#[test]
fn one_that_has_reported_and_is_gone_is_not_awaited() {
    let gone = ClientId(0);
    for (order, keeps_output) in [(Order::Kill(gone), false), (Order::Shutdown(gone, Terminate), true)] {
        let mut world = one_reports_early();
        world.at(secs(4), order);
        let report = interrupted(&mut world, 2);
        assert!((secs(8)..millis(8100)).contains(&world.over_after()), "{order:?} {:?}", world.over_after());
        assert_eq!(*outcome_of(&report, gone), Outcome::Ended(TaskEnd::Killed(15)));
        let is_whole = |client| matches!(row_of(&report, client).unwrap().output, Some(Output::Whole { .. }));
        assert_eq!((is_whole(gone), is_whole(ClientId(1))), (keeps_output, true), "{report:?}");
    }
}

#[test]
fn one_that_goes_while_its_output_is_fetched_is_not_awaited() {
    let mut world = one_reports_early();
    world.set_delay(ClientId(0), millis(100));
    let fetching = |notice: &Notice| matches!(notice, Notice::Fetching { .. });
    world.when(fetching, millis(50), Order::Kill(ClientId(0)));
    let report = interrupted(&mut world, 2);
    assert!((secs(8)..millis(8400)).contains(&world.over_after()), "{:?}", world.over_after());
    assert!(matches!(row_of(&report, ClientId(0)).unwrap().output, Some(Output::Failed { .. })), "{report:?}");
}

#[test]
fn a_second_interrupt_leaves_at_once() {
    let mut world = World::of(2);
    let stubborn = world.slave(Plan { ignores_sigterm: true, ..long() });
    let ours = world.slave(long());
    world.at(secs(4), Order::Interrupt(Interrupt::Interrupt));
    let report = interrupted(&mut world, 2);
    assert_eq!(world.over_after(), secs(4));
    assert!(matches!(outcome_of(&report, stubborn), Outcome::Lost { why: Loss::DidNotStop, .. }));
    assert_eq!(*outcome_of(&report, ours), Outcome::Ended(TaskEnd::Killed(15)));
    assert_eq!(world.sim(stubborn).host.runs[0].ended.unwrap().1, TaskEnd::Killed(9));
}
