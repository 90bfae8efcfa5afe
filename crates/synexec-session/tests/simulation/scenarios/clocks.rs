//! Hosts with unrelated clocks, and what the report says of their starts.

use std::time::Duration;

use synexec_session::master::{Loss, Notice, Outcome, OutputsWanted, PhaseName, Report, Settings, Verdict};

use synexec_sim::Lie::{
    ClockAtTheEnd, ClockGoesBack, NoClock, NoStart, OtherInstant, OtherQuestion, StartAtTheEnd, ThoughtTooLong,
};
use synexec_sim::{
    ClientId, Lie, Order, Plan, START, SimClock, Ways, World, all_starts, apart, assert_starts_true, millis,
    outcome_of, row_of, runs, secs, settings,
};

const DAY: i64 = 86_400_000_000_000;

/// Clocks that are days apart. Each runs nearly as fast or as slow as the master allows for. Every host of the world
/// has been up for less time than the master is behind.
const CLOCKS: [SimClock; 4] = [
    SimClock { ahead: 3 * DAY, drift: 99_000 },
    SimClock { ahead: -900_000_000_000, drift: -99_000 },
    SimClock { ahead: 30 * DAY, drift: -77_000 },
    SimClock { ahead: 0, drift: 99_000 },
];

/// A slave with this clock whose task starts exactly at its instant.
fn exact(clock: SimClock) -> Plan {
    Plan { clock, spawns: Duration::ZERO, ..Plan::default() }
}

/// A world of slaves with the clocks of `CLOCKS`, at these distances.
fn far_apart(ways: [Ways; 4]) -> World {
    let mut world = World::of(4);
    for (clock, ways) in CLOCKS.into_iter().zip(ways) {
        let id = world.slave(exact(clock));
        world.set_ways(id, ways);
    }
    world
}

/// Runs a session, and checks that it succeeds and that its report is true.
fn true_report(world: &mut World) -> Report {
    let report = world.run(secs(2000));
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_starts_true(world, &report);
    report
}

/// The largest distance of a task's start from the intended instant.
fn furthest(world: &World) -> Duration {
    all_starts(world, 0).into_iter().map(|start| apart(start, world.instant())).max().expect("tasks have started")
}

fn uneven(out: u64, back: u64) -> Ways {
    Ways { out: millis(out), back: millis(back), jitter: Duration::ZERO }
}

#[test]
fn tasks_start_together_whatever_the_clocks_show() {
    let mut world = far_apart([0, 1, 40, 300].map(millis).map(Ways::even));
    let report = true_report(&mut world);
    assert!(furthest(&world) < millis(1), "{:?}", furthest(&world));
    assert!(report.rounds[0].skew.unwrap().skew < millis(1), "{report:?}");
}

#[test]
fn a_way_that_is_longer_in_one_direction_is_within_the_uncertainty() {
    let mut world = far_apart([uneven(0, 300), uneven(300, 0), uneven(1, 20), uneven(90, 30)]);
    let report = true_report(&mut world);
    assert!(all_starts(&world, 0).len() == 4 && furthest(&world) > millis(149), "no measurement can be better");
    assert!(report.rounds[0].skew.unwrap().uncertainty > millis(150));
}

#[test]
fn the_luckiest_of_several_questions_counts() {
    let ways = Ways { out: millis(1), back: millis(1), jitter: millis(20) };
    let mut world = far_apart([ways; 4]);
    true_report(&mut world);
    assert!(furthest(&world) < millis(10), "half the jitter: {:?}", furthest(&world));
}

#[test]
fn tasks_that_start_late_are_told_as_late_as_they_were() {
    let mut world = World::of(3);
    for (spawns, clock) in [0, 7, 20_000].map(millis).into_iter().zip(CLOCKS) {
        world.slave(Plan { clock, spawns, runs: secs(30), ..Plan::default() });
    }
    let report = true_report(&mut world);
    let late = [0, 7, 20_000].map(millis);
    assert_eq!(report.rows().iter().map(|row| row.start.unwrap().lateness).collect::<Vec<_>>(), late);
    assert!(apart_from(report.rounds[0].skew.unwrap().skew, secs(20)) < millis(5));
}

#[test]
fn all_run_together_from_the_last_start_to_the_first_end() {
    let mut world = World::of(2);
    world.slave(Plan { runs: secs(3), ..exact(CLOCKS[3]) });
    world.slave(Plan { spawns: secs(1), ..Plan::default() });
    let together = true_report(&mut world).rounds[0].skew.unwrap().together.unwrap();
    assert!(apart_from(together, secs(1)) < millis(2), "{together:?}");
}

/// A session whose master was stopped for ten minutes and still orders a start in the near future.
fn soon_in_spite_of_an_absence(mut world: World) {
    true_report(&mut world);
    let ordered = world.told(|notice| matches!(notice, Notice::Starting { .. })).expect("a start was ordered");
    let ahead = world.instant().since(START).saturating_sub(ordered);
    assert!(ordered > secs(600) && ahead < secs(5), "{ahead:?}");
}

#[test]
fn a_master_that_was_stopped_between_a_question_and_its_answer_has_not_measured_its_absence() {
    let mut world = far_apart([Ways::even(millis(1)); 4]);
    world.at(millis(5), Order::FreezeMaster(secs(600)));
    soon_in_spite_of_an_absence(world);
    for after in [0, 1, 2] {
        let mut world = far_apart([Ways::even(millis(1)); 4]);
        let accepted = |notice: &Notice| matches!(notice, Notice::Accepted { .. });
        world.when(accepted, millis(after), Order::FreezeMaster(secs(600)));
        soon_in_spite_of_an_absence(world);
    }
}

#[test]
fn a_master_that_was_stopped_before_the_last_word_measures_again() {
    let mut world = far_apart([0, 1, 40, 300].map(millis).map(Ways::even));
    world.when(|notice| matches!(notice, Notice::Starting { .. }), millis(1), Order::FreezeMaster(secs(600)));
    true_report(&mut world);
    assert!(world.told(|notice| *notice == Notice::Postponed).is_some());
    assert!(furthest(&world) < millis(1), "{:?}", furthest(&world));
}

#[test]
fn a_way_that_became_longer_after_it_was_measured_makes_nobody_late() {
    let mut world = far_apart([1, 1, 1, 2].map(millis).map(Ways::even));
    let longer = Order::Reroute(ClientId(2), Ways::even(millis(300)));
    world.when(|notice| matches!(notice, Notice::Starting { .. }), Duration::ZERO, longer);
    let report = true_report(&mut world);
    assert!(report.rows().iter().all(|row| row.start.unwrap().lateness.is_zero()), "{report:?}");
}

/// Runs a session of a slave that lies and two honest ones.
fn session_with(lie: Lie) -> (World, Report, ClientId) {
    let mut world = World::of(3);
    let liar = world.liar(lie);
    let others = [world.slave(exact(CLOCKS[0])), world.slave(exact(CLOCKS[1]))];
    let report = world.run(secs(100));
    if world.execs().is_empty() {
        assert_eq!(world.tasks_started(), 0);
        assert!(others.iter().all(|id| *outcome_of(&report, *id) == Outcome::Cancelled), "{report:?}");
    }
    world.settle();
    world.assert_all_back_in_time();
    (world, report, liar)
}

#[test]
fn a_slave_with_an_impossible_clock_is_lost_before_the_start() {
    for lie in [ClockGoesBack, ThoughtTooLong, ClockAtTheEnd] {
        let (world, report, liar) = session_with(lie);
        assert_eq!((report.verdict, world.execs().len()), (Verdict::Lost, 0));
        let lost = outcome_of(&report, liar);
        assert!(
            matches!(lost, Outcome::Lost { phase: PhaseName::Starting, why: Loss::NoClock, .. }),
            "{lie:?}: {lost:?}"
        );
    }
}

#[test]
fn one_that_does_not_answer_what_it_was_asked_is_lost_in_time() {
    for lie in [NoClock, OtherQuestion, OtherInstant] {
        let (world, report, liar) = session_with(lie);
        assert_eq!((report.verdict, world.execs().len()), (Verdict::Lost, 0), "{lie:?}");
        let lost = outcome_of(&report, liar);
        let why = Loss::NoAnswer(secs(30));
        assert!(
            matches!(lost, Outcome::Lost { phase: PhaseName::Starting, why: told, .. } if *told == why),
            "{lost:?}"
        );
    }
}

#[test]
fn one_that_refuses_the_start_has_declined_and_nobody_starts() {
    let (world, report, liar) = session_with(NoStart);
    assert_eq!((report.verdict, world.execs().len()), (Verdict::Declined, 0));
    assert_eq!(*outcome_of(&report, liar), Outcome::Declined(None));
}

#[test]
fn a_start_that_cannot_have_been_makes_the_skew_unsure_and_nothing_worse() {
    let (_, report, _) = session_with(StartAtTheEnd);
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert!(report.rounds[0].skew.unwrap().uncertainty > secs(1_000_000_000), "{report:?}");
}

fn apart_from(one: Duration, other: Duration) -> Duration {
    one.max(other).saturating_sub(one.min(other))
}

/// Stops a slave's host and its clock for this time, after the last word.
fn stopped_by_its_hypervisor(world: &mut World, id: ClientId, time: Duration) {
    let go_sent = |notice: &Notice| matches!(notice, Notice::GoSent { .. });
    world.when(go_sent, millis(2), Order::Freeze(id, time));
    // The jump happens while the host stands still, so the slave never sees its clock go back.
    world.when(
        go_sent,
        millis(1) + time,
        Order::ClockJumps(id, -i64::try_from(time.as_nanos()).expect("the value is small")),
    );
}

#[test]
fn a_clock_that_stood_still_across_the_instant_makes_its_start_unsure() {
    for outputs in [OutputsWanted::Nothing, OutputsWanted::Whole] {
        let mut world = World::new(Settings { outputs, ..settings(2) });
        let [stopped, other] = [world.slave(Plan::default()), world.slave(Plan::default())];
        stopped_by_its_hypervisor(&mut world, stopped, millis(300));
        let report = world.run_session();
        let [row, others] = [stopped, other].map(|id| row_of(&report, id).unwrap());
        let slip = row.clock_slip.expect("the clock stood still");
        assert!(slip.by.abs_diff(-300_000_000) < 2_000_000, "{slip:?}");
        let (told, started) = (row.start.unwrap(), world.sim(stopped).host.runs[0].started);
        assert!(apart(told.at, started) > millis(290), "only the clock slip shows it: {row:?}");
        assert!((millis(300)..millis(310)).contains(&told.uncertainty), "{row:?}");
        assert!(others.clock_slip.is_none() && others.start.unwrap().uncertainty < millis(5), "{others:?}");
        assert!(report.rounds[0].skew.unwrap().uncertainty >= millis(300), "{report:?}");
    }
}

#[test]
fn the_master_waits_at_most_a_second_for_a_clock_after_the_tasks() {
    let mut world = World::new(settings(2));
    let slaves = [world.slave(Plan::default()), world.slave(runs(secs(3)))];
    let ended = |notice: &Notice| matches!(notice, Notice::Ended { done: 2, .. });
    world.when(ended, Duration::ZERO, Order::Freeze(slaves[1], secs(10)));
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::Succeeded);
    let waited = world.over_after().saturating_sub(*world.all_told(ended).last().expect("all have ended"));
    assert!((millis(999)..millis(1001)).contains(&waited), "{waited:?}");
}
