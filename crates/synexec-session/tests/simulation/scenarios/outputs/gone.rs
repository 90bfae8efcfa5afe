//! Outputs of slaves that go away before, during or after the fetching.

use std::time::Duration;

use synexec_session::master::OutputsWanted::{Live, Nothing, Tails, Whole};
use synexec_session::master::{Notice, Outcome, OutputStep, PhaseName, Verdict};

use synexec_sim::{ClientId, Order, Plan, Refusal, World, millis, outcome_of, secs};

use super::{
    KEPT_AT, LARGE, assert_all_whole, assert_whole, come_by, fetching, last_end, output_lost, output_of,
    rounds_wanting, session, slow, verdict_without, wanting, why_missing, writes,
};

#[test]
fn one_that_is_gone_when_all_has_come_is_not_missed() {
    let mut world = wanting(Whole, 2);
    world.set_disk(usize::MAX, secs(2));
    let slaves = [world.slave(writes(1000)), world.slave(writes(2000))];
    world.when(fetching, secs(1), Order::Kill(slaves[0]));
    let report = session(&mut world);
    assert_eq!((report.verdict, world.told(output_lost)), (Verdict::Succeeded, None));
    assert_all_whole(&world, &report, slaves);
}

/// Loses the slow one of three slaves during the fetching, and checks that the master notices after this time.
fn lose_output_of_one(order: fn(ClientId) -> Order, takes: Duration, why: &str) {
    let mut world = wanting(Whole, 3);
    let others = [world.slave(writes(1000)), world.slave(writes(LARGE))];
    let lost = slow(&mut world);
    world.when(fetching, millis(200), order(lost));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Lost);
    let told = why_missing(&world, &report, lost, KEPT_AT);
    assert!(told.contains("fetching") && told.contains(why), "{told}");
    assert_all_whole(&world, &report, others);
    assert!(come_by(&world, lost, secs(300)) > 0, "the fetching had begun");
    let begun = world.told(fetching).expect("the notice came");
    assert!((begun + takes..begun + takes + secs(1)).contains(&world.over_after()), "{:?}", world.over_after());
}

#[test]
fn one_that_dies_keeps_its_row_and_loses_its_output() {
    lose_output_of_one(Order::Kill, millis(200), "the slave closed the connection");
}

#[test]
fn one_that_is_cut_off_keeps_its_row_and_loses_its_output() {
    lose_output_of_one(Order::Cut, secs(30), "30 s");
}

#[test]
fn one_that_freezes_keeps_its_row_and_loses_its_output() {
    lose_output_of_one(|id| Order::Freeze(id, secs(60)), secs(30), "30 s");
}

#[test]
fn one_that_freezes_for_a_while_is_fetched_from_all_the_same() {
    let mut world = wanting(Whole, 1);
    let id = slow(&mut world);
    world.when(fetching, millis(200), Order::Freeze(id, secs(25)));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_whole(&world, &report, id);
}

#[test]
fn one_that_waits_for_its_turn_and_dies_loses_its_output_at_once() {
    let mut world = wanting(Whole, 17);
    world.set_disk(usize::MAX, secs(3));
    let slaves: Vec<_> = (0..17).map(|_| world.slave(writes(1000))).collect();
    world.when(fetching, secs(1), Order::Kill(slaves[16]));
    let report = session(&mut world);
    assert_eq!((report.verdict, world.fetches_of(slaves[16]).len()), (Verdict::Lost, 0));
    why_missing(&world, &report, slaves[16], KEPT_AT);
    assert!(world.told(output_lost).unwrap() < world.told(fetching).unwrap() + millis(1100));
    assert_all_whole(&world, &report, slaves[..16].iter().copied());
}

#[test]
fn a_lost_output_ends_the_rounds() {
    let mut world = rounds_wanting(Whole, 2, 5);
    let (other, lost) = (world.slave(writes(1000)), slow(&mut world));
    world.when(fetching, millis(200), Order::Kill(lost));
    let report = session(&mut world);
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Lost, 1));
    assert_whole(&world, &report, other);
    assert!(world.told(|notice| *notice == Notice::RoundsLeftOut { rounds: 4 }).is_some());
}

/// Runs a session of two rounds, and checks that the slave that went away in round 1 is lost when round 2 begins.
fn assert_missed_at_once(world: &mut World, gone: ClientId) {
    let report = session(world);
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Lost, 2));
    let lost = outcome_of(&report, gone);
    assert!(matches!(lost, Outcome::Lost { phase: PhaseName::Configuring, .. }), "{lost:?}");
    let next = world.told(|notice| matches!(notice, Notice::NextRound { .. })).expect("a second round begins");
    assert!(world.over_after() < next + secs(2), "{:?}", world.over_after());
}

#[test]
fn one_that_goes_when_its_output_is_here_is_missed_when_the_next_round_begins() {
    let mut world = rounds_wanting(Whole, 2, 2);
    let gone = world.slave(writes(1000));
    slow(&mut world);
    world.when(fetching, millis(200), Order::Kill(gone));
    assert_missed_at_once(&mut world, gone);
}

#[test]
fn one_that_goes_while_its_output_is_stored_is_missed_when_the_next_round_begins() {
    for (order, storing_takes) in [(Order::Kill as fn(ClientId) -> Order, secs(2)), (Order::Cut, secs(40))] {
        let mut world = rounds_wanting(Whole, 2, 2);
        world.set_disk(usize::MAX, storing_takes);
        let gone = world.slave(writes(1000));
        world.slave(writes(1000));
        world.when(fetching, secs(1), order(gone));
        assert_missed_at_once(&mut world, gone);
    }
}

#[test]
fn one_that_goes_when_its_task_has_ended_is_missed_when_the_next_round_begins() {
    let mut world = rounds_wanting(Nothing, 2, 2);
    let gone = world.slave(Plan::default());
    world.slave(Plan { runs: secs(5), ..Plan::default() });
    world.at(secs(3), Order::Kill(gone));
    assert_missed_at_once(&mut world, gone);
}

#[test]
fn one_that_is_gone_before_it_was_asked_loses_its_output_at_once() {
    let mut world = wanting(Whole, 2);
    let gone = world.slave(writes(1000));
    let other = world.slave(Plan { runs: secs(5), ..writes(1000) });
    world.at(secs(3), Order::Kill(gone));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Lost);
    assert_eq!(why_missing(&world, &report, gone, KEPT_AT), "the slave closed the connection");
    assert_whole(&world, &report, other);
    assert!(world.over_after() < last_end(&world) + millis(100), "{:?}", world.over_after());
}

#[test]
fn one_that_is_gone_when_its_live_output_is_here_is_not_missed() {
    let mut world = wanting(Live, 2);
    let gone = world.slave(writes(1000));
    let other = world.slave(Plan { runs: secs(5), ..writes(1000) });
    world.at(secs(3), Order::Kill(gone));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_all_whole(&world, &report, [gone, other]);
}

#[test]
fn one_that_is_gone_while_its_live_output_is_stored_is_not_missed() {
    let mut world = wanting(Live, 2);
    world.set_disk(usize::MAX, secs(3));
    let gone = world.slave(writes(1000));
    let other = world.slave(Plan { runs: secs(5), ..writes(1) });
    world.when(|notice| matches!(notice, Notice::Ended { .. }), secs(3), Order::Kill(gone));
    let report = session(&mut world);
    let all_came = world.steps_of(gone).into_iter().any(|(_, step)| matches!(step, OutputStep::End { .. }));
    assert_eq!((report.verdict, all_came), (Verdict::Succeeded, true));
    assert_all_whole(&world, &report, [gone, other]);
}

#[test]
fn one_that_has_ended_and_is_cut_off_before_it_was_asked_is_given_up_in_time() {
    for outputs in [Whole, Tails(100)] {
        let mut world = wanting(outputs, 2);
        let cut = world.slave(writes(1000));
        world.slave(Plan { runs: secs(50), ..writes(1000) });
        world.at(secs(3), Order::Cut(cut));
        let report = session(&mut world);
        assert_eq!(report.verdict, verdict_without(outputs));
        why_missing(&world, &report, cut, KEPT_AT);
        assert!(world.over_after() < last_end(&world) + secs(31), "{:?}", world.over_after());
    }
}

#[test]
fn a_task_that_was_lost_or_declined_has_no_output() {
    for outputs in [Whole, Tails(100), Live] {
        let mut world = wanting(outputs, 3);
        let lost = world.slave(Plan { runs: secs(9), ..writes(1000) });
        let declines = world.slave(Plan { refusal: Some(Refusal::Start), ..writes(1000) });
        let other = world.slave(Plan { runs: secs(3), ..writes(50) });
        world.at(millis(1500), Order::Kill(lost));
        let report = session(&mut world);
        assert_eq!((report.verdict, world.told(output_lost)), (Verdict::Declined, None));
        assert!([lost, declines].iter().all(|id| output_of(&report, *id).is_none()));
        assert_whole(&world, &report, other);
        assert!(world.over_after() < last_end(&world) + millis(100));
    }
}
