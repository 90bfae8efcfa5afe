//! Outputs that the master's disk or its user cuts short.

use std::time::Duration;

use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt::Terminate;
use synexec_session::master::OutputsWanted::{Live, Nothing, Tails, Whole};
use synexec_session::master::{Loss, Notice, Outcome, Output, OutputsWanted, Verdict};

use synexec_sim::{ClientId, Order, Plan, World, millis, outcome_of, row_of, secs};

use super::{
    KEPT_AT, SUCCESS, assert_all_whole, assert_here, assert_whole, fetching, last_end, output_lost, output_of,
    output_place, rounds_wanting, session, slow, wanting, why_missing, writes,
};

#[test]
fn what_was_complete_when_the_disk_was_full_stays() {
    let mut world = wanting(Whole, 3);
    world.set_disk(1500, Duration::ZERO);
    let here = world.slave(writes(1000));
    let missing = [world.slave(writes(1000)), slow(&mut world)];
    world.set_delay(missing[0], millis(20));
    let report = session(&mut world);
    assert_eq!((report.verdict, report.rows().len()), (Verdict::MasterFailed, 3));
    assert_whole(&world, &report, here);
    for id in missing {
        assert!(why_missing(&world, &report, id, KEPT_AT).contains("disk full"));
    }
    assert!(world.told(|notice| matches!(notice, Notice::OutputsFailed { .. })).is_some());
    assert!(world.over_after() < last_end(&world) + millis(100));
}

#[test]
fn an_output_that_the_slave_could_not_store_is_told_and_fails_a_session_that_wants_it() {
    for (outputs, verdict) in
        [(Nothing, Verdict::Succeeded), (Tails(100), Verdict::Succeeded), (Whole, Verdict::Lost), (Live, Verdict::Lost)]
    {
        let mut world = rounds_wanting(outputs, 1, 2);
        let id = world.slave(Plan { loses_output: true, ..writes(1000) });
        let report = session(&mut world);
        assert_eq!((report.verdict, report.rounds.len(), outcome_of(&report, id)), (verdict, 2, &SUCCESS));
        assert_eq!(row_of(&report, id).unwrap().output_lost.as_deref(), Some("the disk was full"));
        let told =
            |notice: &Notice| matches!(notice, Notice::OutputIncomplete { why, .. } if why == "the disk was full");
        assert_eq!(world.all_told(told).len(), 2);
    }
}

#[test]
fn a_disk_that_fills_while_the_tasks_run_does_not_end_them() {
    let mut world = wanting(Live, 2);
    world.set_disk(10_000, Duration::ZERO);
    let slaves = [4, 8].map(|time| world.slave(Plan { runs: secs(time), ..writes(40_000) }));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::MasterFailed);
    let full = world.told(|notice| matches!(notice, Notice::OutputsFailed { .. })).unwrap();
    assert!(full < secs(2), "{full:?}");
    for (id, time) in slaves.into_iter().zip([4, 8]) {
        assert!(why_missing(&world, &report, id, KEPT_AT).contains("disk full"));
        let run = world.sim(id).host.runs[0];
        assert_eq!(run.ended, Some((run.started.plus(secs(time)), TaskEnd::Exited(0))));
        assert!(
            world.fetches_of(id).iter().all(|(at, _)| *at <= full),
            "the master does not fetch an output that it cannot store"
        );
    }
}

#[test]
fn a_disk_that_fills_ends_the_rounds() {
    for outputs in [Whole, Live] {
        let mut world = rounds_wanting(outputs, 1, 5);
        world.set_disk(1500, Duration::ZERO);
        let id = world.slave(writes(1000));
        let report = session(&mut world);
        assert_eq!((report.verdict, report.rounds.len()), (Verdict::MasterFailed, 2));
        assert_here(&world, &report, 1, id);
        assert!(matches!(output_of(&report, id), Some(Output::Failed { .. })));
    }
}

#[test]
fn a_user_who_wants_an_end_does_not_wait_for_outputs() {
    let mut world = wanting(Whole, 2);
    let (here, missing) = (world.slave(writes(1000)), slow(&mut world));
    world.when(fetching, millis(200), Order::Interrupt(Terminate));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Interrupted(Terminate));
    assert_eq!(world.over_after(), world.told(fetching).unwrap() + millis(200));
    assert_whole(&world, &report, here);
    assert_eq!(why_missing(&world, &report, missing, KEPT_AT), "interrupted");
}

/// A world whose user stops two long tasks at three seconds. The first task writes some bytes.
fn stopped(outputs: OutputsWanted) -> (World, [ClientId; 2]) {
    let mut world = wanting(outputs, 2);
    let slaves = [1_000_000, 0].map(|bytes| world.slave(Plan { runs: secs(1000), ..writes(bytes) }));
    world.at(secs(3), Order::Interrupt(Terminate));
    (world, slaves)
}

#[test]
fn what_tasks_wrote_until_they_were_stopped_is_fetched() {
    for outputs in [Whole, Live] {
        let (mut world, slaves) = stopped(outputs);
        let report = session(&mut world);
        assert_eq!(report.verdict, Verdict::Interrupted(Terminate));
        for id in slaves {
            assert_here(&world, &report, 1, id);
        }
        assert!((2000..3000).contains(&output_place(&report, slaves[0]).0));
        assert_eq!(*outcome_of(&report, slaves[0]), Outcome::Ended(TaskEnd::Killed(15)));
        assert!(world.over_after() < millis(3200));
    }
}

#[test]
fn a_user_who_says_it_again_does_not_wait_for_what_stopped_tasks_wrote() {
    let (mut world, slaves) = stopped(Whole);
    world.set_delay(slaves[0], millis(200));
    world.when(fetching, millis(100), Order::Interrupt(Terminate));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Interrupted(Terminate));
    assert_eq!(world.over_after(), world.told(fetching).unwrap() + millis(100));
    assert!(matches!(output_of(&report, slaves[0]), Some(Output::Failed { .. })), "{report:?}");
    assert_here(&world, &report, 1, slaves[1]);
}

#[test]
fn a_user_who_says_it_twice_while_tasks_stop_waits_for_no_output() {
    for outputs in [Whole, Tails(100)] {
        let mut world = wanting(outputs, 2);
        let stubborn = world.slave(Plan { runs: secs(1000), ignores_sigterm: true, ..writes(1000) });
        let ended = world.slave(writes(1000));
        world.at(secs(3), Order::Interrupt(Terminate));
        world.at(secs(4), Order::Interrupt(Terminate));
        let report = session(&mut world);
        assert_eq!((report.verdict, world.over_after()), (Verdict::Interrupted(Terminate), secs(4)));
        assert!(matches!(outcome_of(&report, stubborn), Outcome::Lost { why: Loss::DidNotStop, .. }));
        assert_eq!(output_of(&report, stubborn), None);
        why_missing(&world, &report, ended, KEPT_AT);
        assert!([stubborn, ended].iter().all(|id| world.steps_of(*id).is_empty()));
    }
}

#[test]
fn a_user_who_says_it_twice_while_tasks_stop_keeps_what_had_come_live() {
    let mut world = wanting(Live, 2);
    let stubborn = world.slave(Plan { runs: secs(1000), ignores_sigterm: true, ..writes(100_000) });
    let ended = world.slave(writes(1000));
    world.at(secs(3), Order::Interrupt(Terminate));
    world.at(secs(4), Order::Interrupt(Terminate));
    let report = session(&mut world);
    assert_eq!((report.verdict, world.over_after()), (Verdict::Interrupted(Terminate), secs(4)));
    assert_eq!((output_of(&report, stubborn), world.told(output_lost)), (None, None));
    assert_whole(&world, &report, ended);
}

#[test]
fn a_user_who_wants_an_end_while_a_round_is_fetched_ends_the_rounds() {
    let mut world = rounds_wanting(Whole, 2, 5);
    let slaves = [world.slave(writes(1000)), slow(&mut world)];
    let second = |notice: &Notice| matches!(notice, Notice::NextRound { round: 2, .. });
    world.when(second, millis(1500), Order::Interrupt(Terminate));
    let report = session(&mut world);
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Interrupted(Terminate), 2));
    assert_all_whole(&world, &report, slaves);
    assert!(report.rows().iter().all(|row| row.outcome == SUCCESS));
    assert!(matches!(output_of(&report, slaves[1]), Some(Output::Failed { .. })));
}
