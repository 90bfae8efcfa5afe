//! Connections break while outputs are fetched.

use std::time::Duration;

use synexec_proto::digest::Digest;
use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt::Terminate;
use synexec_session::master::OutputsWanted::{self, Live, Tails, Whole};
use synexec_session::master::{Notice, Outcome, Output, OutputStep, Report, Settings, Verdict};

use synexec_sim::{ClientId, Lie, Order, Plan, World, millis, outcome_of, row_of, secs, settings};

const FIRST: ClientId = ClientId(0);
const OTHER: ClientId = ClientId(1);

/// More than a few windows.
const LARGE: u32 = 1_300_000;

/// A world of two slaves that write much, whose outputs take more than half a second to fetch.
fn pair(outputs: OutputsWanted) -> World {
    let mut world = World::new(Settings { outputs, reconnect: secs(10), ..settings(2) });
    for _ in 0..2 {
        let id = world.slave(Plan { writes: LARGE, reconnect: secs(10), ..Plan::default() });
        world.set_delay(id, millis(50));
    }
    world
}

fn fetching(notice: &Notice) -> bool {
    matches!(notice, Notice::Fetching { .. })
}

fn go_sent(notice: &Notice) -> bool {
    matches!(notice, Notice::GoSent { .. })
}

/// Time from the beginning of the fetching to the end of the session.
fn since_fetching(world: &World) -> Duration {
    world.over_after().saturating_sub(world.told(fetching).expect("the notice came"))
}

/// Checks that the master has the whole output of a slave, byte for byte.
fn assert_whole(world: &World, report: &Report, id: ClientId) {
    let (row, written) = (row_of(report, id).expect("the slave took part"), world.sim(id).host.output());
    let (bytes, end) = world.fetched(1, row.rank).expect("the output was fetched");
    assert!(
        *bytes == written && matches!(end, Some(OutputStep::End { .. })),
        "{} bytes came, then {end:?}",
        bytes.len()
    );
    assert_eq!(row.output, Some(Output::Whole { length: LARGE.into(), digest: Digest::of(&written) }));
}

/// The reason why the master lacks an output.
fn why_missing(report: &Report, id: ClientId) -> &str {
    match &row_of(report, id).expect("the slave took part").output {
        Some(Output::Failed { why }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn at_any_instant_of_it_outputs_come_whole() {
    for after in (0..600).step_by(67) {
        for order in [Order::Break(FIRST), Order::BreakAtClient(FIRST)] {
            let mut world = pair(Whole);
            world.when(fetching, millis(after), order);
            let report = world.run_session();
            assert_eq!(report.verdict, Verdict::Succeeded, "{after} {order:?} {report:?}");
            assert_whole(&world, &report, FIRST);
            assert_whole(&world, &report, OTHER);
        }
    }
}

#[test]
fn a_fetched_output_is_not_fetched_again() {
    let mut world = pair(Whole);
    world.when(fetching, millis(350), Order::Break(FIRST));
    world.run_session();
    let offsets: Vec<_> = world.fetches_of(FIRST).iter().map(|(_, fetch)| fetch.offset).collect();
    assert!(offsets.is_sorted() && offsets.len() < 10, "{offsets:?}");
}

#[test]
fn several_breaks_only_make_it_longer() {
    let mut world = pair(Whole);
    for after in (0..4000).step_by(370) {
        world.when(fetching, millis(after), Order::Break(FIRST));
        world.when(fetching, millis(after + 100), Order::Break(OTHER));
    }
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_whole(&world, &report, FIRST);
    assert_whole(&world, &report, OTHER);
}

#[test]
fn a_slow_disk_of_the_master_is_waited_for_across_a_break() {
    for after in (0..1300).step_by(190) {
        let mut world = pair(Whole);
        world.set_disk(usize::MAX, millis(300));
        world.when(fetching, millis(after), Order::Break(FIRST));
        let report = world.run_session();
        assert_eq!(report.verdict, Verdict::Succeeded, "{after} {report:?}");
        assert_whole(&world, &report, FIRST);
    }
}

#[test]
fn live_outputs_go_on_where_they_were() {
    for after in (100..1800).step_by(170) {
        let mut world = pair(Live);
        world.when(go_sent, millis(after), Order::Break(FIRST));
        world.when(go_sent, millis(after + 150), Order::BreakAtClient(FIRST));
        let report = world.run_session();
        assert_eq!(report.verdict, Verdict::Succeeded, "{after} {report:?}");
        assert_whole(&world, &report, FIRST);
        assert_whole(&world, &report, OTHER);
    }
}

#[test]
fn tails_are_had_in_spite_of_a_break() {
    for after in [0, 30, 60, 90, 120] {
        let mut world = pair(Tails(4096));
        world.when(fetching, millis(after), Order::Break(FIRST));
        let report = world.run_session();
        let row = row_of(&report, FIRST).unwrap();
        assert_eq!((report.verdict, &row.output), (Verdict::Succeeded, &Some(Output::Tail { length: LARGE.into() })));
        assert_eq!(world.fetched(1, row.rank).unwrap().0.len(), 4096);
    }
}

#[test]
fn every_round_has_its_outputs_in_spite_of_breaks() {
    let mut world =
        World::new(Settings { outputs: Whole, reconnect: secs(10), rounds: 2.try_into().unwrap(), ..settings(1) });
    world.slave(Plan { writes: LARGE, reconnect: secs(10), ..Plan::default() });
    world.set_delay(FIRST, millis(50));
    world.when(fetching, millis(200), Order::Break(FIRST));
    let report = world.run_session();
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Succeeded, 2), "{report:?}");
    let reconnects: Vec<_> = report.rounds.iter().map(|round| round.rows[0].reconnects).collect();
    assert_eq!(reconnects, [1, 0], "each round counts its own");
    for round in [1, 2] {
        assert!(world.fetched(round, 0).unwrap().0 == world.sim(FIRST).host.output());
    }
}

#[test]
fn a_slave_that_does_not_reconnect_loses_its_output_and_keeps_its_row() {
    let mut world = pair(Whole);
    world.when(fetching, millis(200), Order::Break(FIRST));
    world.when(fetching, millis(200), Order::Cut(FIRST));
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::Lost);
    assert_eq!(*outcome_of(&report, FIRST), Outcome::Ended(TaskEnd::Exited(0)));
    assert!(why_missing(&report, FIRST).contains("reset"), "{report:?}");
    assert_whole(&world, &report, OTHER);
    let ended = since_fetching(&world);
    assert!((millis(10_100)..millis(10_300)).contains(&ended), "{ended:?}");
}

#[test]
fn a_user_does_not_wait_for_slaves_that_are_away() {
    let mut world = pair(Whole);
    world.when(fetching, millis(200), Order::Break(FIRST));
    world.when(fetching, millis(200), Order::Cut(FIRST));
    world.when(fetching, secs(2), Order::Interrupt(Terminate));
    let report = world.run(secs(60));
    assert_eq!(report.verdict, Verdict::Interrupted(Terminate));
    assert!(why_missing(&report, FIRST).contains("interrupted"));
    assert!(since_fetching(&world) <= millis(2010));
}

/// Time for which the master tries to fetch an output from a slave that reconnects again and again and sends almost
/// nothing.
fn tried(lie: Lie) -> Duration {
    let mut world = World::new(Settings { outputs: Whole, reconnect: secs(10), ..settings(1) });
    let id = world.liar(lie);
    world.set_delay(id, millis(100));
    let report = world.run(secs(400));
    assert_eq!(report.verdict, Verdict::Lost);
    why_missing(&report, id);
    since_fetching(&world)
}

#[test]
fn one_that_comes_back_again_and_again_does_not_win_time_by_it() {
    for lie in [Lie::ComesBack, Lie::ComesBackForEachByte] {
        let tried = tried(lie);
        assert!(tried < secs(170), "{lie:?} {tried:?}");
    }
}
