//! Outputs that the master fetches: when, and which part.

use std::time::Duration;

use synexec_proto::digest::Digest;
use synexec_proto::message::{Fetch, Message};
use synexec_proto::task_end::TaskEnd;
use synexec_session::master::OutputsWanted::{Live, Nothing, Tails, Whole};
use synexec_session::master::{Notice, Outcome, Output, OutputStep, Settings, Verdict};

use synexec_sim::{Plan, START, Script, World, millis, outcome_of, row_of, secs, settings};

use super::{
    KEPT_AT, LARGE, assert_all_whole, assert_here, assert_whole, come_by, fetching, last_end, output_lost, output_of,
    output_place, rounds_wanting, session, slow, wanting, whole, writes,
};

#[test]
fn outputs_of_any_length_are_fetched_whole() {
    for outputs in [Whole, Live] {
        let mut world = wanting(outputs, 3);
        let slaves = [0, 1, LARGE].map(|bytes| world.slave(writes(bytes)));
        let report = session(&mut world);
        assert_eq!((report.verdict, world.told(output_lost)), (Verdict::Succeeded, None));
        assert_all_whole(&world, &report, slaves);
        assert_eq!(world.all_told(|notice| matches!(notice, Notice::Fetched { .. })).len(), 3);
    }
}

#[test]
fn nothing_is_asked_for_before_the_last_task_has_ended() {
    for outputs in [Whole, Tails(10)] {
        let mut world = wanting(outputs, 3);
        let slaves = [1, 2, 9].map(|time| world.slave(Plan { runs: secs(time), ..writes(1000) }));
        session(&mut world);
        let asked = slaves.iter().flat_map(|id| world.fetches_of(*id));
        assert!(asked.into_iter().all(|(at, fetch)| at >= last_end(&world) && !fetch.follow));
        assert_eq!(world.told(fetching), Some(last_end(&world)));
    }
}

#[test]
fn nothing_is_asked_for_where_nothing_is_wanted() {
    let mut world = rounds_wanting(Nothing, 2, 2);
    let slaves = [world.slave(writes(1000)), world.slave(writes(LARGE))];
    let report = session(&mut world);
    assert_eq!((report.verdict, world.told(fetching)), (Verdict::Succeeded, None));
    assert!(slaves.iter().all(|id| world.fetches_of(*id).is_empty() && output_of(&report, *id).is_none()));
    assert_eq!(output_place(&report, slaves[0]), (1000, KEPT_AT), "the place of the output is known");
}

#[test]
fn tails_are_the_last_bytes_and_no_more() {
    let mut world = wanting(Tails(100), 4);
    let slaves = [0, 1, 100, 5000].map(|bytes| world.slave(writes(bytes)));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Succeeded);
    for id in slaves {
        let written = world.sim(id).host.output();
        let tail = &written[written.len().saturating_sub(100)..];
        let (bytes, end) = world.fetched(1, row_of(&report, id).unwrap().rank).unwrap_or(const { &(Vec::new(), None) });
        let digest = (tail == written).then(|| Digest::of(tail));
        assert_eq!((&bytes[..], end), (tail, &Some(OutputStep::End { digest })));
        assert_eq!(world.fetches_of(id).len(), 1);
        let had = if tail == written { whole(tail) } else { Output::Tail { length: 5000 } };
        assert_eq!(output_of(&report, id), Some(&had));
    }
}

#[test]
fn live_output_comes_while_the_tasks_run() {
    let mut world = wanting(Live, 2);
    let slaves = [4, 8].map(|time| world.slave(Plan { runs: secs(time), ..writes(80_000) }));
    let report = session(&mut world);
    for id in slaves {
        assert_whole(&world, &report, id);
        let run = world.sim(id).host.runs[0];
        let (started, lasted) = (run.started.since(START), run.ended.unwrap().0.since(run.started));
        for quarter in 0..=4 {
            let come = come_by(&world, id, started + lasted * quarter / 4 + millis(60));
            let written = 20_000 * usize::try_from(quarter).unwrap();
            assert!((written..=written + 1500).contains(&come), "{come} of {written}");
        }
        assert!(world.fetches_of(id).iter().all(|(_, Fetch { follow, .. })| *follow));
    }
    assert!(world.over_after() < last_end(&world) + millis(10), "the master has nothing left to fetch");
}

#[test]
fn a_round_is_fetched_before_the_next_one_is_held() {
    for outputs in [Whole, Live] {
        let mut world = rounds_wanting(outputs, 2, 3);
        let slaves = [world.slave(writes(1000)), slow(&mut world)];
        let report = session(&mut world);
        assert_eq!((report.verdict, report.rounds.len()), (Verdict::Succeeded, 3));
        for id in slaves {
            for round in 1..=3 {
                assert_here(&world, &report, round, id);
            }
        }
        let is_end = |(at, step): (Duration, &OutputStep)| matches!(step, OutputStep::End { .. }).then_some(at);
        let ends = slaves.map(|id| world.steps_of(id).into_iter().filter_map(is_end).collect::<Vec<_>>());
        let held = world.sent_to(slaves[0], |message| matches!(message, Message::Hold(_)));
        assert_eq!(held.len(), 2);
        assert!(held.iter().enumerate().all(|(round, at)| ends.iter().all(|ends| ends[round] <= *at)), "{held:?}");
    }
}

#[test]
fn a_task_that_failed_or_was_stopped_has_its_last_lines() {
    for (plan, is_told) in [
        (Plan { end: TaskEnd::Exited(3), ..writes(100) }, true),
        (Plan { end: TaskEnd::Killed(9), ..writes(100) }, true),
        (Plan { runs: secs(9), end_by_sigterm: Some(TaskEnd::Exited(0)), ..writes(100) }, true),
        (writes(100), false),
    ] {
        let mut world = World::new(Settings { timeout: Some(secs(5)), ..settings(1) });
        let id = world.slave(plan);
        let report = session(&mut world);
        let lines = &row_of(&report, id).unwrap().last_lines;
        assert_eq!(lines.is_some(), is_told, "{report:?}");
        assert!(lines.as_ref().is_none_or(|lines| !lines.is_empty()));
    }
}

#[test]
fn sixteen_outputs_are_under_way_at_the_same_time() {
    for storing_takes in [0, 20] {
        let mut world = wanting(Whole, 20);
        world.set_disk(usize::MAX, millis(storing_takes));
        for number in 0..20 {
            let id = world.slave(writes(100 + number));
            world.set_delay(id, millis(number.into()));
        }
        let report = session(&mut world);
        assert_all_whole(&world, &report, world.ids());
        assert_eq!(world.most_underway(), 16);
    }
}

#[test]
fn no_third_window_is_asked_for_before_the_first_is_stored() {
    let mut world = wanting(Whole, 2);
    world.set_disk(usize::MAX, millis(100));
    let slaves = [world.slave(writes(LARGE)), world.slave(writes(LARGE / 2))];
    let report = session(&mut world);
    for id in slaves {
        assert_whole(&world, &report, id);
        let steps = world.steps_of(id).into_iter();
        let stored: Vec<_> =
            steps.filter(|(_, step)| **step == OutputStep::Sync).map(|(at, _)| at + millis(100)).collect();
        let asked: Vec<_> = world.fetches_of(id).into_iter().map(|(at, _)| at).collect();
        assert!(asked.len() > 2 && asked.iter().skip(2).zip(&stored).all(|(asked, stored)| asked >= stored));
        assert!(asked[1] < stored[0], "the next window arrives meanwhile");
    }
}

#[test]
fn a_disk_that_takes_long_blames_nobody() {
    let mut world = wanting(Whole, 1);
    world.set_disk(usize::MAX, secs(40));
    let id = world.slave(writes(1_200_000));
    let report = session(&mut world);
    assert_eq!((report.verdict, world.told(output_lost)), (Verdict::Succeeded, None));
    assert_whole(&world, &report, id);
}

#[test]
fn bytes_that_come_one_by_one_are_handed_on_together() {
    let mut world = wanting(Whole, 1);
    let slave = world.slave(Plan { runs: millis(1), ..writes(50_000) });
    let report = session(&mut world);
    assert_whole(&world, &report, slave);
    let pieces = world.steps_of(slave).iter().filter(|(_, step)| matches!(step, OutputStep::Bytes(_))).count();
    assert!(pieces <= 4, "{pieces} pieces for parts of 5000 bytes");
}

#[test]
fn a_live_output_that_is_slow_to_be_shown_is_not_its_slaves_fault() {
    let mut world = wanting(Live, 1);
    let slave = world.slave(writes(100_000));
    world.set_disk(usize::MAX, secs(40));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_whole(&world, &report, slave);
}

#[test]
fn an_original_does_not_give_its_output_and_is_not_asked() {
    for outputs in [Whole, Tails(100), Live] {
        let mut world = World::new(Settings { outputs, progress: Some(secs(1)), ..settings(2) });
        let original = world.original(Script { runs: secs(20), ..Script::default() });
        let ours = world.slave(writes(100));
        let report = session(&mut world);
        assert_eq!((report.verdict, outcome_of(&report, original)), (Verdict::Succeeded, &Outcome::Finished));
        assert_eq!(output_of(&report, original), Some(&Output::Unavailable));
        assert_whole(&world, &report, ours);
    }
}
