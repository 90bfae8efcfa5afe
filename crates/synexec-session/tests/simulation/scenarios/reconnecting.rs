//! A connection breaks while tasks run, and is resumed.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Message;
use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt::Terminate;
use synexec_session::master::{Loss, Notice, Outcome, PhaseName, Report, Verdict};

use synexec_sim::{
    ClientId, Order, Plan, Ways, World, assert_starts_true, millis, outcome_of, row_of, runs, secs, settings,
};

const FIRST: ClientId = ClientId(0);
const OTHER: ClientId = ClientId(1);
const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));

/// Runs a session, lets the slaves come to rest, and checks that no end of a task was told twice.
fn session(world: &mut World) -> Report {
    let report = world.run_session();
    for id in [FIRST, OTHER] {
        let name = &row_of(&report, id).expect("the slave took part").slave;
        let ends = world.all_told(|notice| matches!(notice, Notice::Ended { slave, .. } if slave == name));
        let rounds = world.sim(id).host.runs.len();
        assert!(ends.len() <= rounds, "{} ends of {rounds} tasks", ends.len());
    }
    report
}

fn returned(notice: &Notice) -> bool {
    matches!(notice, Notice::Returned { .. })
}

/// The reason why a slave is lost while tasks run.
fn loss(report: &Report, id: ClientId) -> &Loss {
    match outcome_of(report, id) {
        Outcome::Lost { phase: PhaseName::Executing, why, .. } => why,
        other => panic!("{other:?}"),
    }
}

fn reset() -> Loss {
    Loss::Disconnected(Disconnect::Broken("reset".into()))
}

#[test]
fn the_task_goes_on_and_its_result_is_the_one_it_would_have_been() {
    for order in [Order::Break(FIRST), Order::BreakAtClient(FIRST)] {
        let mut world = World::pair(settings(2), runs(secs(5)));
        world.at(secs(2), order);
        let report = session(&mut world);
        assert_eq!(report.verdict, Verdict::Succeeded, "{order:?}");
        assert_starts_true(&world, &report);
        let [broken, other] = [FIRST, OTHER].map(|id| row_of(&report, id).unwrap().reconnects);
        assert_eq!((broken, other), (1, 0));
        assert_eq!((world.all_told(returned).len(), world.tasks_started()), (1, 2));
        assert!(world.over_after() < secs(6), "{:?}", world.over_after());
    }
}

#[test]
fn it_may_break_again_and_again() {
    let mut world = World::pair(settings(2), runs(secs(30)));
    for break_at in 2..27 {
        world.at(secs(break_at), Order::Break(ClientId(u8::try_from(break_at % 2).unwrap())));
    }
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_eq!(report.rows().iter().map(|row| row.reconnects).sum::<u32>(), 25);
}

#[test]
fn at_any_instant_a_task_that_has_started_is_reported_and_no_other_task_runs() {
    for plan in [runs(millis(200)), Plan { end: TaskEnd::Exited(3), ..runs(Duration::ZERO) }] {
        for break_at in (0..1200).step_by(7) {
            for order in [Order::Break(FIRST), Order::BreakAtClient(FIRST)] {
                let mut world = World::pair(settings(2), plan);
                world.set_delay(FIRST, millis(60));
                world.at(millis(break_at), order);
                let report = session(&mut world);
                let is_told = outcome_of(&report, FIRST) == &Outcome::Ended(plan.end);
                assert_eq!(world.sim(FIRST).host.runs.len(), usize::from(is_told), "{break_at} {order:?} {report:?}");
            }
        }
    }
}

#[test]
fn a_result_that_is_under_way_arrives_once_and_is_acknowledged() {
    let mut world = World::pair(settings(2), runs(secs(2)));
    world.set_delay(FIRST, millis(100));
    let ended = |notice: &Notice| matches!(notice, Notice::Ended { slave, .. } if slave.name == "vm1");
    world.when(ended, millis(50), Order::Break(FIRST));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_eq!(
        world.said(FIRST, |message| matches!(message, Message::TaskEnded(_))).len(),
        2,
        "the slave keeps the end and reports it again"
    );
    assert_eq!(world.sent_to(FIRST, |message| *message == Message::Ack).len(), 1);
}

#[test]
fn a_result_whose_acknowledgement_was_lost_is_told_again_and_counts_once() {
    let mut world = World::pair(settings(2), runs(secs(2)));
    world.plan_mut(OTHER).runs = secs(4);
    world.set_delay(FIRST, millis(100));
    let ended = |notice: &Notice| matches!(notice, Notice::Ended { .. });
    world.when(ended, millis(50), Order::Break(FIRST));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_eq!(world.said(FIRST, |message| matches!(message, Message::TaskEnded(_))).len(), 2);
    assert_eq!((world.all_told(ended).len(), row_of(&report, FIRST).unwrap().reconnects), (2, 1));
    assert_eq!(world.sent_to(FIRST, |message| *message == Message::Ack).len(), 2);
}

#[test]
fn a_task_that_ends_while_its_slave_is_away_is_reported_on_its_return() {
    let mut world = World::pair(settings(2), runs(secs(3)));
    world.at(secs(2), Order::Reroute(FIRST, Ways::even(secs(1))));
    world.at(secs(2), Order::Break(FIRST));
    let report = session(&mut world);
    assert_eq!((report.verdict, row_of(&report, FIRST).unwrap().reconnects), (Verdict::Succeeded, 1));
    assert_eq!(row_of(&report, FIRST).unwrap().times.unwrap().elapsed, secs(3));
}

#[test]
fn a_slave_that_cannot_come_back_in_time_is_lost_and_the_others_are_not_harmed() {
    let mut world = World::pair(settings(2), runs(secs(60)));
    world.at(secs(20), Order::Break(FIRST));
    world.at(secs(20), Order::Cut(FIRST));
    world.run_until(secs(32));
    world.assert_at_rest(FIRST);
    let report = session(&mut world);
    assert_eq!((report.verdict, loss(&report, FIRST)), (Verdict::Lost, &reset()));
    assert_eq!(world.told(|notice| matches!(notice, Notice::Lost { .. })), Some(secs(30)));
    assert_eq!(*outcome_of(&report, OTHER), SUCCESS);
    assert_eq!(world.sim(FIRST).host.runs[0].ended.unwrap().1, TaskEnd::Killed(15));
}

#[test]
fn a_slave_that_notices_a_break_too_late_is_turned_back_and_stops_its_task() {
    let mut world = World::pair(settings(2), runs(secs(60)));
    world.at(secs(5), Order::Freeze(FIRST, secs(20)));
    world.at(secs(6), Order::Break(FIRST));
    world.run_until(secs(26));
    world.assert_at_rest(FIRST);
    let report = session(&mut world);
    assert_eq!((report.verdict, loss(&report, FIRST)), (Verdict::Lost, &reset()));
}

#[test]
fn a_slave_whose_process_is_killed_is_lost_when_its_time_is_over() {
    let mut world = World::pair(settings(2), runs(secs(20)));
    world.at(secs(5), Order::Kill(FIRST));
    let report = session(&mut world);
    assert_eq!(loss(&report, FIRST), &Loss::Disconnected(Disconnect::Closed));
    assert!(world.told(|notice| matches!(notice, Notice::Lost { .. })).unwrap() <= millis(15_010));
}

#[test]
fn a_slave_that_is_shut_down_says_so_and_nobody_waits_for_it() {
    let mut world = World::pair(settings(2), runs(secs(20)));
    world.at(secs(5), Order::Shutdown(FIRST, Terminate));
    let report = world.run(secs(60));
    assert_eq!(
        *outcome_of(&report, FIRST),
        Outcome::Ended(TaskEnd::Killed(15)),
        "the slave could still report the end"
    );
    assert_eq!(world.told(|notice| matches!(notice, Notice::Away { .. })), None);
}

#[test]
fn a_slave_that_is_shut_down_while_it_is_away_does_not_try_any_longer() {
    let mut world = World::pair(settings(2), runs(secs(20)));
    world.at(secs(5), Order::Cut(FIRST));
    world.at(secs(5), Order::Break(FIRST));
    world.at(secs(6), Order::Shutdown(FIRST, Terminate));
    world.run_until(secs(7));
    assert!(world.sim(FIRST).exit().is_some() && !world.sim(FIRST).host.is_busy(world.now()));
}

#[test]
fn the_order_to_stop_reaches_who_comes_back() {
    let mut world = World::pair(settings(2), runs(secs(100)));
    world.at(secs(2), Order::Reroute(FIRST, Ways::even(millis(500))));
    world.at(secs(6), Order::Break(FIRST));
    world.at(millis(6200), Order::Interrupt(Terminate));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Interrupted(Terminate));
    assert!(report.rows().iter().all(|row| row.outcome == Outcome::Ended(TaskEnd::Killed(15))), "{report:?}");
    assert!(world.over_after() < secs(10));
}

#[test]
fn an_order_to_stop_that_was_under_way_is_given_again() {
    let mut world = World::pair(settings(2), runs(secs(100)));
    world.at(secs(2), Order::Reroute(FIRST, Ways::even(millis(500))));
    world.at(secs(6), Order::Interrupt(Terminate));
    world.at(millis(6100), Order::BreakAtClient(FIRST));
    let report = session(&mut world);
    assert!(report.rows().iter().all(|row| row.outcome == Outcome::Ended(TaskEnd::Killed(15))), "{report:?}");
}

#[test]
fn who_is_away_does_not_keep_the_user_waiting() {
    let mut world = World::pair(settings(2), runs(secs(100)));
    world.at(secs(6), Order::Break(FIRST));
    world.at(secs(6), Order::Cut(FIRST));
    world.at(secs(7), Order::Interrupt(Terminate));
    world.at(secs(8), Order::Interrupt(Terminate));
    let report = world.run(secs(60));
    assert_eq!((world.over_after(), loss(&report, FIRST)), (secs(8), &Loss::DidNotStop));
}

#[test]
fn a_master_that_is_stopped_meanwhile_takes_back_who_has_not_given_up() {
    for (stopped, verdict) in [(secs(6), Verdict::Succeeded), (secs(30), Verdict::Lost)] {
        let mut world = World::pair(settings(2), runs(secs(60)));
        world.at(secs(5), Order::FreezeMaster(stopped));
        world.at(secs(6), Order::Break(FIRST));
        let report = session(&mut world);
        assert_eq!(report.verdict, verdict, "{report:?}");
        assert_eq!(*outcome_of(&report, OTHER), SUCCESS);
    }
}

#[test]
fn what_is_left_of_a_task_is_seen_to_when_its_slave_is_shut_down_while_it_is_away() {
    let mut world = World::pair(settings(2), Plan { straggles: millis(1490), ..runs(secs(3)) });
    world.plan_mut(OTHER).runs = secs(30);
    world.at(secs(4), Order::KillMaster);
    world.at(millis(4001), Order::Shutdown(FIRST, Terminate));
    world.run_until(secs(10));
    assert!(world.sim(FIRST).exit().is_some() && !world.sim(FIRST).host.is_busy(world.now()));
}
