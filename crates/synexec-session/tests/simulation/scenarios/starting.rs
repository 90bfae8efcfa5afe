//! The start: every slave confirms it and one word releases it, or it is called off everywhere.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Message, Reason};
use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt::Terminate;
use synexec_session::master::{Loss, MeasuredStart, Notice, Outcome, PhaseName, Report, Settings, Verdict};

use synexec_sim::{
    ClientId, Order, Plan, START, Script, SimClock, Ways, World, all_starts, apart, assert_rows_complete,
    assert_starts_true, millis, outcome_of, row_of, secs, settings,
};

const FIRST: ClientId = ClientId(0);

fn starting(notice: &Notice) -> bool {
    matches!(notice, Notice::Starting { .. })
}

fn accepted(notice: &Notice) -> bool {
    matches!(notice, Notice::Accepted { .. })
}

fn ready(notice: &Notice) -> bool {
    matches!(notice, Notice::Ready { .. })
}

fn go_sent(notice: &Notice) -> bool {
    matches!(notice, Notice::GoSent { .. })
}

fn postponed(notice: &Notice) -> bool {
    *notice == Notice::Postponed
}

/// A world of three slaves that start exactly at their instant.
fn three(lead: Option<Duration>) -> World {
    let mut world = World::new(Settings { lead, ..settings(3) });
    for _ in 0..3 {
        world.slave(Plan { spawns: Duration::ZERO, ..Plan::default() });
    }
    world
}

/// Runs a session whose start is called off, and checks that no task ran.
fn called_off(world: &mut World) -> Report {
    let report = world.run(secs(200));
    assert_rows_complete(&report, 3);
    assert_nothing_ran(world);
    assert!(world.execs().is_empty());
    report
}

fn assert_nothing_ran(world: &mut World) {
    world.settle();
    world.assert_all_back_in_time();
    assert_eq!(world.tasks_started(), 0);
}

/// Runs a session in which all tasks start at one instant.
fn started_together(world: &mut World) -> Report {
    let report = world.run(secs(200));
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_starts_true(world, &report);
    assert!(all_starts(world, 0).into_iter().all(|start| apart(start, world.instant()) < millis(1)));
    assert!(report.rows().iter().all(|row| row.start.is_some_and(|start| start.lateness.is_zero())), "{report:?}");
    report
}

fn lost_while_starting(outcome: &Outcome) -> Option<&Loss> {
    match outcome {
        Outcome::Lost { phase: PhaseName::Starting, why, .. } => Some(why),
        _ => None,
    }
}

/// Time from the first order to the instant of the start.
fn ahead(world: &World) -> Duration {
    world.instant().since(START).saturating_sub(world.told(starting).expect("a start was ordered"))
}

#[test]
fn one_that_is_gone_before_the_last_word_calls_the_start_off_everywhere() {
    let orders = [
        (Order::Kill(FIRST), Disconnect::Closed),
        (Order::Shutdown(FIRST, Terminate), Disconnect::Left),
        (Order::Break(FIRST), Disconnect::Broken("reset".into())),
    ];
    for (order, why) in &orders {
        for (cue, after) in [(starting as fn(&Notice) -> bool, 0), (ready, 0), (ready, 400)] {
            let mut world = three(Some(millis(500)));
            world.when(cue, millis(after), *order);
            let report = called_off(&mut world);
            assert_eq!(report.verdict, Verdict::Lost);
            let lost = lost_while_starting(outcome_of(&report, FIRST));
            assert_eq!(lost, Some(&Loss::Disconnected(why.clone())), "{order:?}");
            assert!(report.rows()[1..].iter().all(|row| row.outcome == Outcome::Cancelled));
        }
    }
}

#[test]
fn one_that_is_cut_off_before_the_last_word_is_lost_if_there_is_time_to_notice() {
    let mut world = three(Some(secs(60)));
    world.when(ready, millis(100), Order::Cut(FIRST));
    let report = called_off(&mut world);
    assert!(matches!(lost_while_starting(outcome_of(&report, FIRST)), Some(Loss::Silent(_))), "{report:?}");
    assert!(report.rows()[1..].iter().all(|row| row.outcome == Outcome::Cancelled));
}

#[test]
fn one_that_is_cut_off_just_before_the_last_word_never_runs() {
    let mut world = three(Some(millis(400)));
    world.when(ready, millis(100), Order::Cut(FIRST));
    let report = world.run(secs(100));
    let lost = outcome_of(&report, FIRST);
    assert!(matches!(lost, Outcome::Lost { phase: PhaseName::Executing, why: Loss::Silent(_), .. }), "{lost:?}");
    assert!(report.rows()[1..].iter().all(|row| row.outcome == Outcome::Ended(TaskEnd::Exited(0))));
    assert!(world.sim(FIRST).host.runs.is_empty());
}

#[test]
fn a_slave_whose_held_task_is_killed_declines_and_calls_the_start_off() {
    for (cue, lead) in [(accepted as fn(&Notice) -> bool, None), (ready, Some(secs(5)))] {
        let mut world = three(lead);
        world.when(cue, Duration::ZERO, Order::KillHeldTask(FIRST));
        let report = called_off(&mut world);
        assert_eq!(report.verdict, Verdict::Declined);
        let declined = Outcome::Declined(Some(Reason::new("it was killed")));
        assert_eq!(*outcome_of(&report, FIRST), declined);
    }
}

#[test]
fn a_lead_beyond_what_slaves_wait_for_is_declined() {
    let mut world = three(Some(secs(7200)));
    let report = called_off(&mut world);
    assert_eq!(report.verdict, Verdict::Declined);
    assert!(report.rows().iter().any(|row| matches!(row.outcome, Outcome::Declined(Some(_)))), "{report:?}");
}

#[test]
fn one_that_is_held_up_across_its_instant_is_told_as_late() {
    for after in [0, 2] {
        let mut world = three(None);
        world.when(go_sent, millis(after), Order::Freeze(FIRST, secs(20)));
        let report = world.run(secs(60));
        assert_eq!(report.verdict, Verdict::Succeeded);
        assert_starts_true(&world, &report);
        let late = |id: u8| row_of(&report, ClientId(id)).unwrap().start.unwrap().lateness;
        assert_eq!([late(1), late(2)], [Duration::ZERO; 2]);
        assert!((millis(19_990)..secs(20)).contains(&late(0)), "{:?}", late(0));
    }
}

#[test]
fn one_that_confirms_late_puts_the_start_off_for_all() {
    let mut world = three(None);
    world.when(starting, Duration::ZERO, Order::Freeze(FIRST, secs(3)));
    started_together(&mut world);
    assert_eq!(world.all_told(postponed).len(), 1);
    assert!(ahead(&world) > secs(3) && ahead(&world) < millis(3100), "{:?}", ahead(&world));
}

#[test]
fn one_that_does_not_confirm_in_thirty_seconds_is_lost() {
    let mut world = three(None);
    world.when(starting, Duration::ZERO, Order::Freeze(FIRST, secs(50)));
    let report = called_off(&mut world);
    let lost = lost_while_starting(outcome_of(&report, FIRST));
    assert!(matches!(lost, Some(Loss::Silent(_) | Loss::NoAnswer(_))), "{lost:?}");
    assert!(report.rows()[1..].iter().all(|row| row.outcome == Outcome::Cancelled));
}

#[test]
fn a_master_that_is_away_when_all_have_confirmed_orders_the_start_anew() {
    for away in [millis(200), secs(5), secs(600)] {
        let mut world = three(Some(millis(100)));
        world.when(ready, millis(5), Order::FreezeMaster(away));
        let report = world.run(secs(700));
        assert_starts_true(&world, &report);
        assert!(world.told(postponed).is_some());
        assert!(all_starts(&world, 0).into_iter().all(|start| apart(start, world.instant()) < millis(1)));
        assert!(report.rows().iter().all(|row| row.start.unwrap().lateness.is_zero()), "{report:?}");
    }
}

#[test]
fn a_master_that_is_late_with_the_last_word_makes_nobody_late() {
    for away in [310, 350, 400, 440, 470, 600] {
        let mut world = three(None);
        let out = Ways { out: millis(300), back: Duration::ZERO, jitter: Duration::ZERO };
        world.set_ways(FIRST, out);
        world.when(ready, millis(299), Order::FreezeMaster(millis(away)));
        let report = world.run(secs(60));
        assert_starts_true(&world, &report);
        assert!(report.rows().iter().all(|row| row.start.unwrap().lateness.is_zero()), "{away}: {report:?}");
    }
}

#[test]
fn without_the_last_word_nobody_starts() {
    for after in [0, 50, 480] {
        let mut world = three(Some(millis(500)));
        world.when(ready, millis(after), Order::KillMaster);
        assert_nothing_ran(&mut world);
        assert!(world.execs().is_empty());
    }
}

#[test]
fn a_master_that_vanishes_after_the_last_word_leaves_no_time_for_an_instruction() {
    for delay in [0, 1, 100] {
        let mut world = three(None);
        world.set_delay(FIRST, millis(delay));
        world.when(go_sent, Duration::ZERO, Order::KillMaster);
        assert_nothing_ran(&mut world);
        assert_eq!(world.execs().len(), 3);
    }
}

#[test]
fn a_user_can_call_the_start_off_until_the_last_word() {
    for (cue, after) in [(starting as fn(&Notice) -> bool, 0), (ready, 0), (starting, 4990)] {
        let mut world = three(Some(secs(5)));
        world.when(cue, millis(after), Order::Interrupt(Terminate));
        let report = called_off(&mut world);
        assert_eq!(report.verdict, Verdict::Interrupted(Terminate));
        assert!(report.rows().iter().all(|row| row.outcome == Outcome::Cancelled));
        assert!(START.plus(world.over_after()) < world.instant());
    }
}

#[test]
fn a_user_who_is_late_stops_the_tasks_before_their_instant() {
    let mut world = three(Some(secs(5)));
    world.when(go_sent, Duration::ZERO, Order::Interrupt(Terminate));
    let report = world.run(secs(60));
    assert_eq!(report.verdict, Verdict::Interrupted(Terminate));
    assert!(report.rows().iter().all(|row| row.outcome == Outcome::Ended(TaskEnd::Killed(15))), "{report:?}");
    assert_nothing_ran(&mut world);
}

#[test]
fn a_lead_that_is_too_short_is_made_longer() {
    let mut world = three(Some(millis(1)));
    world.set_delay(FIRST, millis(100));
    started_together(&mut world);
    assert!(!world.all_told(postponed).is_empty());
    assert!(world.over_after() < secs(6), "{:?}", world.over_after());
}

#[test]
fn a_long_lead_is_honoured() {
    let mut world = three(Some(secs(5)));
    started_together(&mut world);
    assert_eq!((ahead(&world), world.told(postponed)), (secs(5), None));
    let before = world.instant().since(START).saturating_sub(world.told(go_sent).unwrap());
    assert!(before < millis(10), "the last word comes as late as possible: {before:?}");
}

#[test]
fn for_a_start_far_ahead_clocks_are_measured_again_shortly_before() {
    let mut world = World::new(Settings { lead: Some(secs(100)), ..settings(2) });
    for drift in [99_000, -99_000] {
        world.slave(Plan { spawns: Duration::ZERO, clock: SimClock { ahead: 0, drift }, ..Plan::default() });
    }
    let report = started_together(&mut world);
    assert_eq!(ahead(&world), secs(100));
    let sure = |start: MeasuredStart| start.uncertainty < millis(2);
    assert!(report.rows().iter().all(|row| row.start.is_some_and(sure)), "{report:?}");
}

/// The stopped master goes on when the last word is due. It missed the time to measure the clocks.
#[test]
fn a_master_that_has_missed_the_second_measuring_says_the_last_word_and_nothing_after_it() {
    let mut world = three(Some(secs(10)));
    for id in world.ids().collect::<Vec<_>>() {
        world.set_delay(id, millis(200));
    }
    world.when(starting, secs(8), Order::FreezeMaster(millis(1700)));
    started_together(&mut world);
    let told_to_go = world.execs()[0];
    let asked = |message: &Message| matches!(message, Message::ClockProbe(_) | Message::Exec(_));
    let ended = world.told(|notice| matches!(notice, Notice::Ended { .. })).expect("a task has ended");
    let between = |at: &Duration| (told_to_go..ended).contains(at);
    assert!(world.ids().all(|id| !world.sent_to(id, asked).iter().any(between)));
}

#[test]
fn originals_are_told_last_and_start_when_ours_do() {
    let mut world = World::of(4);
    let ours = [world.slave(Plan::default()), world.slave(Plan::default())];
    world.set_delay(ours[1], millis(20));
    let originals = [0, 50].map(|delay| {
        let id = world.original(Script::default());
        world.set_delay(id, millis(delay));
        id
    });
    assert_eq!(world.run(secs(60)).verdict, Verdict::Succeeded);
    for id in originals {
        let off = apart(world.v1(id).started[0], world.instant());
        assert!(off < millis(3), "{off:?}");
    }
}

#[test]
fn originals_alone_start_together() {
    let mut world = World::of(3);
    let originals = [0, 5, 80].map(|delay| {
        let id = world.original(Script::default());
        world.set_delay(id, millis(delay));
        id
    });
    let report = world.run(secs(60));
    assert_eq!((report.verdict, report.rounds[0].skew), (Verdict::Succeeded, None));
    assert!(originals.iter().all(|id| apart(world.v1(*id).started[0], world.instant()) < millis(3)));
}
