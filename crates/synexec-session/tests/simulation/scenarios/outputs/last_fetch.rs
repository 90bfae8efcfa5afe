//! A slave that is told to end after its task has ended: for a while, its master may still fetch the output.

use std::time::Duration;

use synexec_proto::message::Message;
use synexec_session::interrupt::Interrupt::Terminate;
use synexec_session::master::OutputsWanted::{Nothing, Whole};
use synexec_session::master::{Outcome, Verdict};

use synexec_sim::{Bench, ClientId, Order, Plan, World, millis, outcome_of, secs};

use super::{SUCCESS, assert_all_whole, assert_here, rounds_wanting, session, wanting, writes};

/// Two slaves with outputs. The first task ends early, and its slave is told to end at 4 s.
fn world(mut world: World, other_runs: Duration) -> (World, [ClientId; 2]) {
    let slaves = [secs(1), other_runs].map(|runs| world.slave(Plan { runs, ..writes(1_000_000) }));
    world.at(secs(4), Order::Shutdown(slaves[0], Terminate));
    (world, slaves)
}

#[test]
fn the_output_is_fetched_when_the_last_task_of_all_has_ended() {
    let (mut world, slaves) = world(wanting(Whole, 2), secs(9));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_all_whole(&world, &report, slaves);
    assert!(world.sim(slaves[0]).exit().is_some());
}

#[test]
fn the_slave_does_not_wait_for_longer_than_its_time() {
    for outputs in [Whole, Nothing] {
        let (mut world, [first, other]) = world(wanting(outputs, 2), secs(60));
        world.run_until(millis(13_900));
        assert_eq!(world.sim(first).exit(), None);
        world.run_until(millis(14_100));
        assert!(world.sim(first).exit().is_some());
        let report = session(&mut world);
        assert_eq!((outcome_of(&report, first), outcome_of(&report, other)), (&SUCCESS, &SUCCESS));
    }
}

#[test]
fn a_second_signal_ends_the_slave_at_once() {
    let (mut world, [first, _]) = world(wanting(Whole, 2), secs(60));
    world.at(secs(5), Order::Shutdown(first, Terminate));
    world.run_until(millis(4_900));
    assert_eq!(world.sim(first).exit(), None);
    world.run_until(millis(5_100));
    assert!(world.sim(first).exit().is_some());
}

#[test]
fn the_output_of_a_task_that_is_stopped_by_the_signal_is_fetched_too() {
    let mut world = wanting(Whole, 1);
    let id = world.slave(Plan { runs: secs(60), straggles: millis(700), ..writes(1_000_000) });
    world.at(secs(4), Order::Shutdown(id, Terminate));
    let report = session(&mut world);
    assert!(matches!(outcome_of(&report, id), Outcome::Ended(_)), "{report:?}");
    assert_here(&world, &report, 1, id);
    assert!(world.sim(id).exit().is_some());
}

#[test]
fn stragglers_of_the_task_end_first_and_its_output_stays() {
    let mut world = wanting(Whole, 2);
    let first = world.slave(Plan { runs: secs(1), straggles: secs(100), ..writes(1_000_000) });
    let other = world.slave(Plan { runs: secs(9), ..writes(1000) });
    world.at(secs(4), Order::Shutdown(first, Terminate));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Succeeded, "{report:?}");
    assert_all_whole(&world, &report, [first, other]);
    assert!(!world.sim(first).host.is_busy(world.now()));
}

#[test]
fn the_slave_takes_part_in_no_further_round() {
    let (mut world, slaves) = world(rounds_wanting(Whole, 2, 3), secs(9));
    let report = session(&mut world);
    for id in slaves {
        assert_here(&world, &report, 1, id);
    }
    assert_eq!(report.verdict, Verdict::Lost);
    assert_eq!(world.sim(slaves[0]).host.runs.len(), 1);
    assert!(world.sim(slaves[0]).exit().is_some());
}

#[test]
fn a_master_that_is_gone_is_not_waited_for() {
    let (mut world, [first, _]) = world(wanting(Whole, 2), secs(60));
    world.at(secs(5), Order::KillMaster);
    world.run_until(millis(5_500));
    assert!(world.sim(first).exit().is_some());
}

#[test]
fn an_original_master_fetches_nothing_and_is_not_waited_for() {
    let mut bench = Bench::joined_original(Plan { spawns: Duration::ZERO, ..writes(1000) });
    bench.tell([Message::Conf(b"/bin/task".to_vec()), Message::Exec(None)]);
    bench.wait(secs(2));
    assert!(matches!(bench.sent().last(), Some(Message::Finished(_))));
    bench.shut_down();
    assert!(bench.slave.exit().is_some());
}
