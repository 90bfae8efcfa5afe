//! A connection that swallows everything, although nothing reports a break: a firewall has forgotten the connection, or the
//! slave's address has changed. New connections work.

use std::time::Duration;

use synexec_proto::message::Message;
use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt::Terminate;
use synexec_session::master::{Notice, Outcome, OutputsWanted, Report, Settings, Verdict};
use synexec_session::slave;

use synexec_sim::{
    ClientId, Order, Plan, START, Ways, World, assert_starts_true, millis, outcome_of, row_of, runs, secs, settings,
};

const FIRST: ClientId = ClientId(0);
const OTHER: ClientId = ClientId(1);
const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));

fn reconnects(report: &Report) -> [u32; 2] {
    [FIRST, OTHER].map(|id| row_of(report, id).expect("the slave took part").reconnects)
}

fn suspicions(world: &World, id: ClientId) -> Vec<Duration> {
    world.slave_told(id, |notice| matches!(notice, slave::Notice::Suspicious { .. }))
}

fn is_lost(notice: &Notice) -> bool {
    matches!(notice, Notice::Lost { .. })
}

#[test]
fn the_result_arrives_two_seconds_after_the_task_has_ended() {
    let mut world = World::pair(settings(2), runs(secs(4)));
    world.at(millis(1500), Order::Forget(FIRST));
    let report = world.run_session();
    assert_eq!((report.verdict, reconnects(&report)), (Verdict::Succeeded, [1, 0]));
    assert_starts_true(&world, &report);
    assert!(world.over_after() < millis(6200), "{:?}", world.over_after());
    assert_eq!(world.told(is_lost), None);
}

#[test]
fn the_silence_that_makes_a_slave_dial_is_much_shorter_than_the_one_that_makes_it_lost() {
    for forgotten_at in (20_000..26_000).step_by(170) {
        let mut world = World::pair(settings(2), runs(secs(60)));
        world.at(millis(forgotten_at), Order::Forget(FIRST));
        let report = world.run_session();
        assert_eq!((report.verdict, reconnects(&report)), (Verdict::Succeeded, [1, 0]), "{forgotten_at}");
        let back = world.told(|notice| matches!(notice, Notice::Returned { .. })).expect("the slave came back");
        assert!(back < millis(forgotten_at + 7600), "{back:?} {forgotten_at}");
        assert_eq!(world.told(is_lost), None);
    }
}

#[test]
fn a_second_connection_that_its_slave_has_closed_already_does_not_replace_the_first_one() {
    let mut kept = 0;
    for delay in (4000..6500).step_by(50) {
        let mut world = World::pair(settings(2), runs(secs(40)));
        // One heartbeat takes so long that the slave dials. Then the slave's messages take long, and the heartbeat arrives
        // before the master learns of the second connection.
        let ways =
            |out, back| Order::Reroute(FIRST, Ways { out: millis(out), back: millis(back), jitter: Duration::ZERO });
        world.at(secs(12), ways(delay, 1));
        world.at(secs(16), ways(1, 1500));
        let report = world.run_session();
        let resumed = world.slave_told(FIRST, |notice| matches!(notice, slave::Notice::Resumed)).len();
        assert_eq!(report.verdict, Verdict::Succeeded);
        assert_eq!(reconnects(&report), [u32::try_from(resumed).unwrap(), 0], "{delay}");
        assert_eq!(world.told(|notice| matches!(notice, Notice::Away { .. })), None, "{delay}");
        kept += usize::from(resumed == 0 && !suspicions(&world, FIRST).is_empty());
    }
    assert!(kept > 0, "the slave keeps its first connection in some of these sessions");
}

#[test]
fn it_may_be_forgotten_again_and_again() {
    let mut world = World::pair(settings(2), runs(secs(100)));
    for forgotten_at in (5..95).step_by(9) {
        world.at(secs(forgotten_at), Order::Forget(FIRST));
    }
    let report = world.run_session();
    assert_eq!((report.verdict, reconnects(&report)[1]), (Verdict::Succeeded, 0));
    assert!(reconnects(&report)[0] >= 9, "{report:?}");
}

#[test]
fn at_any_instant_a_task_that_has_started_is_reported_and_no_other_task_runs() {
    for plan in [runs(millis(200)), Plan { end: TaskEnd::Exited(3), ..runs(Duration::ZERO) }] {
        for forgotten_at in (0..1200).step_by(7) {
            let mut world = World::pair(settings(2), plan);
            world.set_delay(FIRST, millis(60));
            world.at(millis(forgotten_at), Order::Forget(FIRST));
            let report = world.run_session();
            let is_told = outcome_of(&report, FIRST) == &Outcome::Ended(plan.end);
            assert_eq!(world.sim(FIRST).host.runs.len(), usize::from(is_told), "{forgotten_at} {report:?}");
        }
    }
}

#[test]
fn a_result_arrives_whenever_the_two_can_reach_each_other_again_in_time() {
    for (mended_at, lost) in [(3, false), (20, false), (27, false), (40, true)] {
        let mut world = World::pair(settings(2), runs(secs(4)));
        world.at(secs(2), Order::Cut(FIRST));
        world.at(secs(mended_at), Order::Mend(FIRST));
        let report = world.run_session();
        assert_eq!(*outcome_of(&report, OTHER), SUCCESS);
        assert_eq!(matches!(outcome_of(&report, FIRST), Outcome::Lost { .. }), lost, "{mended_at} {report:?}");
        assert!(world.over_after() < secs(if lost { 33 } else { mended_at + 7 }), "{:?}", world.over_after());
    }
}

#[test]
fn the_order_to_stop_reaches_it() {
    let mut world = World::pair(settings(2), runs(secs(100)));
    world.at(secs(6), Order::Forget(FIRST));
    world.at(millis(6100), Order::Interrupt(Terminate));
    let report = world.run_session();
    assert!(report.rows().iter().all(|row| row.outcome == Outcome::Ended(TaskEnd::Killed(15))), "{report:?}");
}

#[test]
fn every_round_goes_on() {
    let two = 2.try_into().expect("the number is not zero");
    let mut world = World::pair(Settings { rounds: two, ..settings(2) }, runs(secs(20)));
    let starts = |notice: &Notice| matches!(notice, Notice::GoSent { .. });
    world.when(starts, secs(3), Order::Forget(FIRST));
    world.when(starts, secs(30), Order::Forget(OTHER));
    let report = world.run_session();
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Succeeded, 2));
    assert_eq!(reconnects(&report), [0, 1]);
}

/// A pair whose outputs are fetched as a whole.
fn fetched(plan: Plan) -> World {
    World::pair(Settings { outputs: OutputsWanted::Whole, ..settings(2) }, Plan { writes: 3_000_000, ..plan })
}

fn assert_outputs_whole(world: &World, report: &Report, case: u64) {
    assert_eq!(report.verdict, Verdict::Succeeded, "{case} {report:?}");
    for row in report.rows() {
        let id = [FIRST, OTHER].into_iter().find(|id| row_of(report, *id) == Some(row)).expect("there are two");
        let (bytes, _) = world.fetched(1, row.rank).expect("the output was fetched");
        assert!(*bytes == world.sim(id).host.output(), "{case}");
    }
}

#[test]
fn an_output_goes_on_where_it_stopped() {
    for after in (0..900).step_by(60) {
        let mut world = fetched(runs(secs(1)));
        world.set_delay(FIRST, millis(50));
        world.when(|notice| matches!(notice, Notice::Fetching { .. }), millis(after), Order::Forget(FIRST));
        let report = world.run_session();
        assert_outputs_whole(&world, &report, after);
    }
}

#[test]
fn one_that_has_reported_and_waits_for_others_still_gives_its_output() {
    for forgotten_at in (40_000..61_500).step_by(900) {
        let mut world = fetched(runs(secs(1)));
        world.plan_mut(OTHER).runs = secs(60);
        world.at(millis(forgotten_at), Order::Forget(FIRST));
        let report = world.run_session();
        assert_outputs_whole(&world, &report, forgotten_at);
    }
}

#[test]
fn a_master_that_is_stopped_keeps_all_connections() {
    for stopped in [8, 20, 60, 3600] {
        let mut world = World::pair(settings(2), runs(secs(30)));
        world.at(secs(12), Order::FreezeMaster(secs(stopped)));
        let report = world.run(secs(4000));
        assert_eq!((report.verdict, reconnects(&report)), (Verdict::Succeeded, [0, 0]), "{stopped}");
        assert_eq!((suspicions(&world, FIRST).len(), suspicions(&world, OTHER).len()), (1, 1), "{stopped}");
        let hellos = world.sim(FIRST).log.iter();
        let hellos = hellos.filter(|(_, action)| matches!(action, slave::Action::SendOnSecond(_))).count();
        assert!(hellos <= 50, "{hellos} attempts in {stopped} s");
    }
}

#[test]
fn a_connection_that_is_forgotten_while_the_master_is_stopped_is_replaced() {
    let mut world = World::pair(settings(2), runs(secs(60)));
    world.at(secs(12), Order::FreezeMaster(secs(20)));
    world.at(secs(15), Order::Forget(FIRST));
    let report = world.run_session();
    assert_eq!((report.verdict, reconnects(&report)), (Verdict::Succeeded, [1, 0]));
}

#[test]
fn a_slave_that_was_stopped_does_not_suspect_its_connection() {
    let mut world = World::pair(settings(2), runs(secs(60)));
    world.at(secs(12), Order::Freeze(FIRST, secs(20)));
    let report = world.run_session();
    assert_eq!((report.verdict, reconnects(&report)), (Verdict::Succeeded, [0, 0]));
    assert_eq!(suspicions(&world, FIRST), []);
}

#[test]
fn nobody_suspects_anything_in_a_session_without_faults() {
    for progress in [None, Some(secs(1)), Some(secs(7))] {
        let mut world = World::pair(Settings { progress, ..settings(2) }, runs(secs(90)));
        world.plan_mut(FIRST).runs = secs(3);
        world.set_delay(OTHER, millis(900));
        let report = world.run_session();
        assert_eq!(
            (report.verdict, suspicions(&world, FIRST), suspicions(&world, OTHER)),
            (Verdict::Succeeded, vec![], vec![])
        );
    }
}

#[test]
fn the_master_is_given_up_when_it_cannot_be_reached_at_all() {
    let mut world = World::pair(settings(2), runs(secs(1000)));
    world.at(secs(12), Order::Cut(FIRST));
    world.at(secs(12), Order::Cut(OTHER));
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::Lost);
    let (ended, end) = world.sim(FIRST).host.runs[0].ended.expect("the task was stopped");
    assert_eq!((end, ended.since(START).as_secs()), (TaskEnd::Killed(15), 52), "--lost-after and then --reconnect");
    assert!(world.said(FIRST, |message| matches!(message, Message::TaskEnded(_))).is_empty());
}
