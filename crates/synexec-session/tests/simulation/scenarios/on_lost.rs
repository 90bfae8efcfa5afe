//! `--on-lost`: a slave is lost while tasks run, and the master stops the other tasks if the user wants this.

use std::time::Duration;

use synexec_proto::digest::Digest;
use synexec_proto::task_end::TaskEnd;
use synexec_session::master::{
    Loss, Notice, OtherTasks, Outcome, Output, OutputsWanted, Report, Settings, StopCause, Verdict,
};

use synexec_sim::{
    Answer, ClientId, Order, Plan, Refusal, Script, World, millis, outcome_of, row_of, runs, secs, settings,
};

const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));
const STOPPED: Outcome = Outcome::Ended(TaskEnd::Killed(15));

fn wanting(slaves: u32) -> World {
    World::new(Settings { on_lost: OtherTasks::Stop, ..settings(slaves) })
}

fn stopping(notice: &Notice) -> bool {
    matches!(notice, Notice::StoppingOthers { .. })
}

fn is_lost(report: &Report, id: ClientId) -> bool {
    matches!(outcome_of(report, id), Outcome::Lost { .. })
}

#[test]
fn the_others_are_stopped_at_once_and_tell_their_ends() {
    let mut world = wanting(4);
    let gone = world.slave(runs(secs(100)));
    let done = world.slave(runs(secs(1)));
    let others = [world.slave(runs(secs(100))), world.slave(runs(secs(100)))];
    world.at(secs(5), Order::Kill(gone));
    let report = world.run_session();
    assert_eq!((report.verdict, outcome_of(&report, done)), (Verdict::Lost, &SUCCESS));
    let after: Vec<_> =
        report.rows().iter().filter_map(|row| row.stopped_after.as_ref()).map(ToString::to_string).collect();
    assert_eq!(after, ["the loss of vm0", "the loss of vm0"]);
    assert!(is_lost(&report, gone) && others.iter().all(|id| *outcome_of(&report, *id) == STOPPED), "{report:?}");
    assert_eq!(
        world
            .all_told(|notice| matches!(notice, Notice::StoppingOthers { running: 2, cause: StopCause::Loss(_) }))
            .len(),
        1
    );
    assert!(world.over_after() < millis(5100), "{:?}", world.over_after());
}

#[test]
fn a_task_that_ignores_sigterm_is_killed_five_seconds_later() {
    let mut world = wanting(2);
    let gone = world.slave(runs(secs(100)));
    let stubborn = world.slave(Plan { ignores_sigterm: true, ..runs(secs(100)) });
    world.at(secs(5), Order::Kill(gone));
    let report = world.run_session();
    assert_eq!(*outcome_of(&report, stubborn), Outcome::Ended(TaskEnd::Killed(9)));
    assert!((secs(10)..millis(10_100)).contains(&world.over_after()));
}

#[test]
fn several_that_are_lost_are_one_reason() {
    let mut world = wanting(3);
    let gone = [world.slave(runs(secs(100))), world.slave(runs(secs(100)))];
    let other = world.slave(runs(secs(100)));
    for id in gone {
        world.at(secs(5), Order::Kill(id));
    }
    let report = world.run_session();
    assert!(gone.iter().all(|id| is_lost(&report, *id)) && *outcome_of(&report, other) == STOPPED);
    assert_eq!(world.all_told(stopping).len(), 1);
}

#[test]
fn one_that_comes_back_in_time_stops_nobody() {
    for comes_back in [true, false] {
        let mut world = World::new(Settings { on_lost: OtherTasks::Stop, reconnect: secs(10), ..settings(2) });
        let plan = Plan { reconnect: secs(10), ..runs(secs(30)) };
        let (broken, other) = (world.slave(plan), world.slave(plan));
        world.at(secs(5), Order::Break(broken));
        if !comes_back {
            world.at(secs(5), Order::Cut(broken));
        }
        let report = world.run_session();
        assert_eq!(*outcome_of(&report, other), if comes_back { SUCCESS } else { STOPPED });
        assert_eq!(world.told(stopping), (!comes_back).then_some(secs(15)));
    }
}

#[test]
fn a_slave_whose_task_has_ended_is_not_lost_and_stops_no_other() {
    let mut world = wanting(2);
    let gone = world.slave(runs(secs(1)));
    world.slave(runs(secs(9)));
    world.at(secs(5), Order::Kill(gone));
    assert_eq!((world.run_session().verdict, world.told(stopping)), (Verdict::Succeeded, None));
}

#[test]
fn one_that_cannot_start_is_not_lost_and_stops_nobody() {
    let mut world = wanting(2);
    world.slave(Plan { refusal: Some(Refusal::Start), ..Plan::default() });
    let other = world.slave(runs(secs(9)));
    let report = world.run_session();
    assert_eq!((report.verdict, outcome_of(&report, other)), (Verdict::Declined, &SUCCESS));
}

#[test]
fn an_original_cannot_be_stopped_and_is_not_awaited() {
    let mut world = wanting(3);
    let gone = world.slave(runs(secs(100)));
    let original = world.original(Script { runs: secs(100), ..Script::default() });
    let ours = world.slave(runs(secs(100)));
    world.at(secs(5), Order::Kill(gone));
    let report = world.run_session();
    assert!(matches!(outcome_of(&report, original), Outcome::Lost { why: Loss::CannotStop, .. }), "{report:?}");
    assert_eq!((report.verdict, outcome_of(&report, ours)), (Verdict::Lost, &STOPPED));
    assert!(world.over_after() < millis(5100));
}

#[test]
fn an_original_that_is_lost_stops_the_others() {
    let mut world = wanting(2);
    let original = world.original(Script { runs: secs(3), finish: Answer::Vanish, ..Script::default() });
    let ours = world.slave(runs(secs(100)));
    let report = world.run_session();
    assert!(is_lost(&report, original));
    assert_eq!(*outcome_of(&report, ours), STOPPED);
}

#[test]
fn one_that_is_lost_before_the_instant_keeps_all_others_from_running() {
    let mut world = World::new(Settings { on_lost: OtherTasks::Stop, lead: Some(secs(1)), ..settings(3) });
    let gone = world.slave(runs(secs(100)));
    let original = world.original(Script::default());
    let ours = world.slave(runs(secs(100)));
    world.when(|notice| matches!(notice, Notice::GoSent { .. }), Duration::ZERO, Order::Kill(gone));
    let report = world.run_session();
    assert_eq!((world.tasks_started(), report.verdict), (0, Verdict::Lost), "{report:?}");
    assert_eq!((outcome_of(&report, original), outcome_of(&report, ours)), (&Outcome::Cancelled, &STOPPED));
}

#[test]
fn what_the_stopped_have_written_is_fetched() {
    let mut world = World::new(Settings { on_lost: OtherTasks::Stop, outputs: OutputsWanted::Whole, ..settings(2) });
    let gone = world.slave(runs(secs(100)));
    let other = world.slave(Plan { writes: 100_000, ..runs(secs(100)) });
    world.at(secs(5), Order::Kill(gone));
    let report = world.run_session();
    let row = row_of(&report, other).unwrap();
    let length = row.output_place.as_ref().unwrap().length;
    let written = &world.sim(other).host.output()[..usize::try_from(length).unwrap()];
    assert!(length > 4000, "{length}");
    assert_eq!(row.output, Some(Output::Whole { length, digest: Digest::of(written) }));
}

#[test]
fn the_round_is_the_last_one() {
    let settings = Settings { on_lost: OtherTasks::Stop, rounds: 3.try_into().unwrap(), ..settings(2) };
    let mut world = World::new(settings);
    let gone = world.slave(runs(secs(4)));
    let other = world.slave(runs(secs(4)));
    world.when(|notice| matches!(notice, Notice::NextRound { .. }), secs(2), Order::Kill(gone));
    let report = world.run_session();
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Lost, 2));
    assert_eq!(*outcome_of(&report, other), STOPPED);
}

#[test]
fn while_outputs_are_fetched_nobody_is_left_to_be_stopped() {
    let mut world = World::new(Settings { on_lost: OtherTasks::Stop, outputs: OutputsWanted::Whole, ..settings(2) });
    let slaves = [1, 2].map(|_| world.slave(Plan { writes: 1_000_000, ..Plan::default() }));
    for id in slaves {
        world.set_delay(id, millis(50));
    }
    world.when(|notice| matches!(notice, Notice::Fetching { .. }), millis(100), Order::Kill(slaves[0]));
    let report = world.run_session();
    assert_eq!((report.verdict, world.told(stopping)), (Verdict::Lost, None));
    assert!(matches!(row_of(&report, slaves[1]).unwrap().output, Some(Output::Whole { .. })));
}
