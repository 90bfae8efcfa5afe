//! Outputs: when they are fetched, what of them, and what becomes of those that cannot be.

use std::time::Duration;

use synexec_proto::digest::Digest;
use synexec_proto::message::{Fetch, Message, OutputMark};
use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt::Terminate;
use synexec_session::master::OutputsWanted::{self, Live, Nothing, Tails, Whole};
use synexec_session::master::{Loss, Notice, Outcome, Output, OutputStep, PhaseName, Report, Settings, Verdict};

use synexec_sim::Lie::{
    EmptyMarks, EmptyParts, EndlessOutput, MoreOutput, NoDigest, NoOutput, OtherDigest, OtherPosition, Trickle,
};
use synexec_sim::{
    Bench, ClientId, Lie, Order, Plan, Refusal, START, Script, World, millis, outcome_of, row_of, secs, settings,
};

const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));

/// More than a few windows.
const LARGE: u32 = 3_000_000;

/// Where the slaves of this world keep what their tasks write.
const KEPT_AT: &str = "/tmp/synexec.out";

/// A world that wants this of the outputs of so many slaves.
fn wanting(outputs: OutputsWanted, slaves: u32) -> World {
    World::new(Settings { outputs, ..settings(slaves) })
}

/// One that wants so many rounds.
fn rounds_wanting(outputs: OutputsWanted, slaves: u32, rounds: u32) -> World {
    World::new(Settings { outputs, rounds: rounds.try_into().expect("one at least"), ..settings(slaves) })
}

fn writes(bytes: u32) -> Plan {
    Plan { writes: bytes, ..Plan::default() }
}

/// A slave whose large output takes more than half a second to fetch.
fn slow(world: &mut World) -> ClientId {
    let id = world.slave(writes(LARGE));
    world.set_delay(id, millis(50));
    id
}

fn fetching(notice: &Notice) -> bool {
    matches!(notice, Notice::Fetching { .. })
}

fn output_lost(notice: &Notice) -> bool {
    matches!(notice, Notice::OutputLost { .. })
}

/// Runs a session to its end, after which all slaves are free, and every output has either come or was given up.
fn session(world: &mut World) -> Report {
    let report = world.run_session();
    for id in world.ids() {
        let is_end = |step: &OutputStep| matches!(step, OutputStep::End { .. } | OutputStep::Abandon);
        assert!(world.steps_of(id).last().is_none_or(|(_, step)| is_end(step)), "it was left open");
    }
    report
}

/// All that a slave's task has written is here, in a round from 1.
fn is_here(world: &World, report: &Report, round: u32, id: ClientId) {
    let row = row_of(report, id).expect("it took part");
    let rows = &report.rounds.iter().zip(1..).find(|(_, number)| *number == round).expect("there was one").0.rows;
    let row = rows.iter().find(|other| other.slave == row.slave).expect("it took part in every round");
    let length = row.output_place.as_ref().expect("it tells").length;
    let written = &world.sim(id).host.output()[..usize::try_from(length).expect("it is small")];
    let (bytes, end) = world.fetched(round, row.rank).expect("it was fetched");
    assert!(bytes == written, "{} bytes came of {length}", bytes.len());
    let digest = Some(Digest::of(written));
    assert_eq!((end.as_ref(), row.output.as_ref()), (Some(&OutputStep::End { digest }), Some(&whole(written))));
}

/// The whole of an output of one round is here.
fn is_whole(world: &World, report: &Report, id: ClientId) {
    is_here(world, report, 1, id);
    assert_eq!(output_place(report, id), (world.sim(id).host.plan.writes.into(), KEPT_AT));
}

fn are_whole(world: &World, report: &Report, slaves: impl IntoIterator<Item = ClientId>) {
    for id in slaves {
        is_whole(world, report, id);
    }
}

fn whole(bytes: &[u8]) -> Output {
    Output::Whole { length: bytes.len().try_into().expect("it is small"), digest: Digest::of(bytes) }
}

fn output_place(report: &Report, id: ClientId) -> (u64, &str) {
    let place = row_of(report, id).and_then(|row| row.output_place.as_ref()).expect("it tells");
    (place.length, &place.path)
}

fn output_of(report: &Report, id: ClientId) -> Option<&Output> {
    row_of(report, id).expect("it took part").output.as_ref()
}

/// Why an output is not here, though its task has ended well; its user was told where it is kept.
fn why_missing(world: &World, report: &Report, id: ClientId, place: &str) -> String {
    let row = row_of(report, id).expect("it took part");
    let Some(Output::Failed { why } | Output::NoTail { why }) = &row.output else { panic!("{row:?}") };
    let is_told = |notice: &Notice| {
        matches!(notice, Notice::OutputLost { slave, why: told, kept_at }
            if *slave == row.slave && told == why && kept_at.as_deref() == Some(place))
    };
    assert_eq!((&row.outcome, world.all_told(is_told).len()), (&SUCCESS, 1), "{why}");
    assert!(!why.is_empty());
    why.clone()
}

fn last_end(world: &World) -> Duration {
    *world.all_told(|notice| matches!(notice, Notice::Ended { .. })).last().expect("tasks have ended")
}

/// Bytes of an output that had come by an instant.
fn come_by(world: &World, id: ClientId, at: Duration) -> usize {
    let bytes = |step: &OutputStep| if let OutputStep::Bytes(bytes) = step { bytes.len() } else { 0 };
    world.steps_of(id).into_iter().filter(|(came, _)| *came <= at).map(|(_, step)| bytes(step)).sum()
}

#[test]
fn outputs_of_any_length_are_fetched_whole() {
    for outputs in [Whole, Live] {
        let mut world = wanting(outputs, 3);
        let slaves = [0, 1, LARGE].map(|bytes| world.slave(writes(bytes)));
        let report = session(&mut world);
        assert_eq!((report.verdict, world.told(output_lost)), (Verdict::Succeeded, None));
        are_whole(&world, &report, slaves);
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
    assert_eq!(output_place(&report, slaves[0]), (1000, KEPT_AT), "it is known where it is");
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
        is_whole(&world, &report, id);
        let run = world.sim(id).host.runs[0];
        let (started, lasted) = (run.started.since(START), run.ended.unwrap().0.since(run.started));
        for quarter in 0..=4 {
            let come = come_by(&world, id, started + lasted * quarter / 4 + millis(60));
            let written = 20_000 * usize::try_from(quarter).unwrap();
            assert!((written..=written + 1500).contains(&come), "{come} of {written}");
        }
        assert!(world.fetches_of(id).iter().all(|(_, Fetch { follow, .. })| *follow));
    }
    assert!(world.over_after() < last_end(&world) + millis(10), "nothing is left to fetch");
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
                is_here(&world, &report, round, id);
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
fn sixteen_outputs_are_under_way_at_the_same_time() {
    for storing_takes in [0, 20] {
        let mut world = wanting(Whole, 20);
        world.set_disk(usize::MAX, millis(storing_takes));
        for number in 0..20 {
            let id = world.slave(writes(100 + number));
            world.set_delay(id, millis(number.into()));
        }
        let report = session(&mut world);
        are_whole(&world, &report, world.ids());
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
        is_whole(&world, &report, id);
        let steps = world.steps_of(id).into_iter();
        let stored: Vec<_> =
            steps.filter(|(_, step)| **step == OutputStep::Sync).map(|(at, _)| at + millis(100)).collect();
        let asked: Vec<_> = world.fetches_of(id).into_iter().map(|(at, _)| at).collect();
        assert!(asked.len() > 2 && asked.iter().skip(2).zip(&stored).all(|(asked, stored)| asked >= stored));
        assert!(asked[1] < stored[0], "the next one is on its way meanwhile");
    }
}

#[test]
fn a_disk_that_takes_long_blames_nobody() {
    let mut world = wanting(Whole, 1);
    world.set_disk(usize::MAX, secs(40));
    let id = world.slave(writes(1_200_000));
    let report = session(&mut world);
    assert_eq!((report.verdict, world.told(output_lost)), (Verdict::Succeeded, None));
    is_whole(&world, &report, id);
}

#[test]
fn one_that_is_gone_when_all_has_come_is_not_missed() {
    let mut world = wanting(Whole, 2);
    world.set_disk(usize::MAX, secs(2));
    let slaves = [world.slave(writes(1000)), world.slave(writes(2000))];
    world.when(fetching, secs(1), Order::Kill(slaves[0]));
    let report = session(&mut world);
    assert_eq!((report.verdict, world.told(output_lost)), (Verdict::Succeeded, None));
    are_whole(&world, &report, slaves);
}

/// What goes wrong with the slow one of three slaves while it is fetched from, and how long that takes to be known.
fn loses_one(order: fn(ClientId) -> Order, takes: Duration, why: &str) {
    let mut world = wanting(Whole, 3);
    let others = [world.slave(writes(1000)), world.slave(writes(LARGE))];
    let lost = slow(&mut world);
    world.when(fetching, millis(200), order(lost));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Lost);
    let told = why_missing(&world, &report, lost, KEPT_AT);
    assert!(told.contains("fetching") && told.contains(why), "{told}");
    are_whole(&world, &report, others);
    assert!(come_by(&world, lost, secs(300)) > 0, "it had begun");
    let begun = world.told(fetching).expect("it was told");
    assert!((begun + takes..begun + takes + secs(1)).contains(&world.over_after()), "{:?}", world.over_after());
}

#[test]
fn one_that_dies_keeps_its_row_and_loses_its_output() {
    loses_one(Order::Kill, millis(200), "the peer closed the connection");
}

#[test]
fn one_that_is_cut_off_keeps_its_row_and_loses_its_output() {
    loses_one(Order::Cut, secs(30), "30 s");
}

#[test]
fn one_that_freezes_keeps_its_row_and_loses_its_output() {
    loses_one(|id| Order::Freeze(id, secs(60)), secs(30), "30 s");
}

#[test]
fn one_that_freezes_for_a_while_is_fetched_from_all_the_same() {
    let mut world = wanting(Whole, 1);
    let id = slow(&mut world);
    world.when(fetching, millis(200), Order::Freeze(id, secs(25)));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Succeeded);
    is_whole(&world, &report, id);
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
    are_whole(&world, &report, slaves[..16].iter().copied());
}

#[test]
fn a_lost_output_ends_the_rounds() {
    let mut world = rounds_wanting(Whole, 2, 5);
    let (other, lost) = (world.slave(writes(1000)), slow(&mut world));
    world.when(fetching, millis(200), Order::Kill(lost));
    let report = session(&mut world);
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Lost, 1));
    is_whole(&world, &report, other);
    assert!(world.told(|notice| *notice == Notice::RoundsLeftOut { rounds: 4 }).is_some());
}

/// A session of two rounds, in whose second one a slave is lost that was gone when the first one ended.
fn is_missed_at_once(world: &mut World, gone: ClientId) {
    let report = session(world);
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Lost, 2));
    let lost = outcome_of(&report, gone);
    assert!(matches!(lost, Outcome::Lost { phase: PhaseName::Configuring, .. }), "{lost:?}");
    let next = world.told(|notice| matches!(notice, Notice::NextRound { .. })).expect("there is one");
    assert!(world.over_after() < next + secs(2), "{:?}", world.over_after());
}

#[test]
fn one_that_goes_when_its_output_is_here_is_missed_when_the_next_round_begins() {
    let mut world = rounds_wanting(Whole, 2, 2);
    let gone = world.slave(writes(1000));
    slow(&mut world);
    world.when(fetching, millis(200), Order::Kill(gone));
    is_missed_at_once(&mut world, gone);
}

#[test]
fn one_that_goes_while_its_output_is_stored_is_missed_when_the_next_round_begins() {
    for (order, storing_takes) in [(Order::Kill as fn(ClientId) -> Order, secs(2)), (Order::Cut, secs(40))] {
        let mut world = rounds_wanting(Whole, 2, 2);
        world.set_disk(usize::MAX, storing_takes);
        let gone = world.slave(writes(1000));
        world.slave(writes(1000));
        world.when(fetching, secs(1), order(gone));
        is_missed_at_once(&mut world, gone);
    }
}

#[test]
fn one_that_goes_when_its_task_has_ended_is_missed_when_the_next_round_begins() {
    let mut world = rounds_wanting(Nothing, 2, 2);
    let gone = world.slave(Plan::default());
    world.slave(Plan { runs: secs(5), ..Plan::default() });
    world.at(secs(3), Order::Kill(gone));
    is_missed_at_once(&mut world, gone);
}

#[test]
fn one_that_is_gone_before_it_was_asked_loses_its_output_at_once() {
    let mut world = wanting(Whole, 2);
    let gone = world.slave(writes(1000));
    let other = world.slave(Plan { runs: secs(5), ..writes(1000) });
    world.at(secs(3), Order::Kill(gone));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Lost);
    assert_eq!(why_missing(&world, &report, gone, KEPT_AT), "the peer closed the connection");
    is_whole(&world, &report, other);
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
    are_whole(&world, &report, [gone, other]);
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
    are_whole(&world, &report, [gone, other]);
}

#[test]
fn one_that_has_ended_and_is_cut_off_before_it_was_asked_is_given_up_in_time() {
    for outputs in [Whole, Tails(100)] {
        let mut world = wanting(outputs, 2);
        let cut = world.slave(writes(1000));
        world.slave(Plan { runs: secs(50), ..writes(1000) });
        world.at(secs(3), Order::Cut(cut));
        let report = session(&mut world);
        assert_eq!(report.verdict, without(outputs));
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
        is_whole(&world, &report, other);
        assert!(world.over_after() < last_end(&world) + millis(100));
    }
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
        is_whole(&world, &report, ours);
    }
}

#[test]
fn what_was_complete_when_the_disk_was_full_stays() {
    let mut world = wanting(Whole, 3);
    world.set_disk(1500, Duration::ZERO);
    let here = world.slave(writes(1000));
    let missing = [world.slave(writes(1000)), slow(&mut world)];
    world.set_delay(missing[0], millis(20));
    let report = session(&mut world);
    assert_eq!((report.verdict, report.rows().len()), (Verdict::MasterFailed, 3));
    is_whole(&world, &report, here);
    for id in missing {
        assert!(why_missing(&world, &report, id, KEPT_AT).contains("disk full"));
    }
    assert!(world.told(|notice| matches!(notice, Notice::OutputsFailed { .. })).is_some());
    assert!(world.over_after() < last_end(&world) + millis(100));
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
        assert!(world.fetches_of(id).iter().all(|(at, _)| *at <= full), "nobody is asked for what cannot be stored");
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
        is_here(&world, &report, 1, id);
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
    is_whole(&world, &report, here);
    assert_eq!(why_missing(&world, &report, missing, KEPT_AT), "interrupted");
}

/// A world whose user stops long tasks at three seconds, of which the first writes some bytes.
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
            is_here(&world, &report, 1, id);
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
    is_here(&world, &report, 1, slaves[1]);
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
    is_whole(&world, &report, ended);
}

#[test]
fn a_user_who_wants_an_end_while_a_round_is_fetched_ends_the_rounds() {
    let mut world = rounds_wanting(Whole, 2, 5);
    let slaves = [world.slave(writes(1000)), slow(&mut world)];
    let second = |notice: &Notice| matches!(notice, Notice::NextRound { round: 2, .. });
    world.when(second, millis(1500), Order::Interrupt(Terminate));
    let report = session(&mut world);
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Interrupted(Terminate), 2));
    are_whole(&world, &report, slaves);
    assert!(report.rows().iter().all(|row| row.outcome == SUCCESS));
    assert!(matches!(output_of(&report, slaves[1]), Some(Output::Failed { .. })));
}

/// The verdict where an output is missing: that a page has no end of it to show is no failure.
fn without(outputs: OutputsWanted) -> Verdict {
    if let Tails(_) = outputs { Verdict::Succeeded } else { Verdict::Lost }
}

/// What one that lies gives is given up, and what the other one gives is not; whether its task ends first or last.
fn is_seen_through<const N: usize>(lie: Lie, ways: [OutputsWanted; N]) {
    for (outputs, time) in ways.into_iter().flat_map(|outputs| [(outputs, 1), (outputs, 20)]) {
        let mut world = wanting(outputs, 2);
        let liar = world.liar(lie);
        let other = world.slave(Plan { runs: secs(time), ..writes(100) });
        let report = session(&mut world);
        assert_eq!(report.verdict, without(outputs), "{lie:?} {outputs:?}");
        why_missing(&world, &report, liar, "/tmp/liar.out");
        is_whole(&world, &report, other);
        assert!(world.over_after() < last_end(&world) + secs(31), "{lie:?} {outputs:?}");
        assert_eq!(world.fetches_of(liar).len(), 1, "it is asked no more");
    }
}

#[test]
fn an_output_that_is_not_what_its_digest_says_is_given_up() {
    is_seen_through(OtherDigest, [Whole, Live]);
    is_seen_through(NoDigest, [Whole, Live]);
}

#[test]
fn one_that_gives_more_than_it_was_asked_for_is_given_up() {
    is_seen_through(MoreOutput, [Whole, Live, Tails(100)]);
}

#[test]
fn one_whose_output_ends_elsewhere_than_it_says_is_given_up() {
    is_seen_through(OtherPosition, [Whole, Live, Tails(100)]);
}

#[test]
fn one_that_gives_nothing_and_does_not_say_that_this_is_all_is_given_up() {
    is_seen_through(EmptyMarks, [Whole, Live]);
}

#[test]
fn a_tail_of_which_nothing_comes_is_given_up() {
    is_seen_through(EmptyMarks, [Tails(100)]);
}

#[test]
fn one_that_gives_nothing_for_ever_is_given_up_in_time() {
    is_seen_through(EmptyParts, [Whole, Live, Tails(100)]);
}

#[test]
fn one_that_gives_a_byte_now_and_then_is_given_up_before_the_window_is_full() {
    let mut world = wanting(Whole, 1);
    let liar = world.liar(Trickle);
    let report = session(&mut world);
    why_missing(&world, &report, liar, "/tmp/liar.out");
    assert!(world.over_after() < last_end(&world) + secs(30 + 130), "{:?}", world.over_after());
}

#[test]
fn bytes_that_come_one_by_one_are_handed_on_together() {
    let mut world = wanting(Whole, 1);
    let slave = world.slave(Plan { runs: millis(1), ..writes(50_000) });
    let report = session(&mut world);
    is_whole(&world, &report, slave);
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
    is_whole(&world, &report, slave);
}

#[test]
fn one_that_cannot_give_its_output_says_why() {
    is_seen_through(NoOutput, [Whole, Live, Tails(100)]);
    let mut world = wanting(Whole, 1);
    let liar = world.liar(NoOutput);
    let report = session(&mut world);
    assert_eq!(why_missing(&world, &report, liar, "/tmp/liar.out"), "no such file");
}

#[test]
fn one_that_gives_more_than_its_task_has_written_is_given_up() {
    let mut world = wanting(Whole, 1);
    let liar = world.liar(EndlessOutput);
    world.set_delay(liar, secs(1));
    let report = session(&mut world);
    why_missing(&world, &report, liar, "/tmp/liar.out");
}

/// All that a slave gives of an output, and the last mark.
fn given(bench: &mut Bench, offset: u64, length: u32, follow: bool) -> (Vec<u8>, Vec<OutputMark>) {
    bench.tell([Message::Fetch(Fetch { offset, length, follow })]);
    let (mut bytes, mut marks) = (Vec::new(), Vec::new());
    for message in bench.sent() {
        match message {
            Message::OutputPart(part) => bytes.extend_from_slice(&part),
            Message::OutputMark(mark) => marks.push(mark),
            other => panic!("{other:?}"),
        }
    }
    (bytes, marks)
}

/// A slave whose task writes a byte each millisecond for a second, and has run for so long.
fn writing(time: Duration) -> Bench {
    let mut bench = Bench::joined(Plan { spawns: Duration::ZERO, ..writes(1000) });
    bench.tell([Message::Conf(b"/bin/task".to_vec()), Message::Exec(None)]);
    bench.wait(time);
    bench.sent();
    bench
}

#[test]
fn a_slave_gives_what_is_there_unless_it_is_to_wait() {
    let mut bench = writing(millis(500));
    let written = bench.slave.host.output();
    let mark = |position| vec![OutputMark { position, is_end: false, digest: None }];
    assert_eq!(given(&mut bench, 0, 200, false), (written[..200].to_vec(), mark(200)));
    assert_eq!(given(&mut bench, 200, 1000, true), (written[200..500].to_vec(), mark(500)));
    assert_eq!(given(&mut bench, 500, 1000, false), (Vec::new(), mark(500)));
    assert_eq!(given(&mut bench, 500, 1000, true), (Vec::new(), Vec::new()));
    bench.wait(millis(60));
    assert!(matches!(&bench.sent()[..], [Message::OutputPart(_), Message::OutputMark(mark)] if !mark.is_end));
    bench.wait(secs(1));
    assert!(matches!(bench.sent()[..], [Message::TaskEnded(_)]), "it gives nothing that it was not asked for");
    let (rest, marks) = given(&mut bench, 900, 1000, true);
    assert_eq!((&rest[..], marks[0].position, marks[0].is_end), (&written[900..], 1000, true));
}

#[test]
fn the_end_of_a_task_is_told_before_the_rest_of_what_it_wrote() {
    let mut bench = writing(millis(999));
    assert_eq!(given(&mut bench, 999, 1000, true), (Vec::new(), Vec::new()));
    bench.wait(secs(1));
    let sent = bench.sent();
    let [Message::TaskEnded(_), Message::OutputPart(_), Message::OutputMark(OutputMark { is_end: true, .. })] =
        sent[..]
    else {
        panic!("{sent:?}");
    };
}

#[test]
fn a_slave_without_a_task_has_no_output() {
    let refused = |bench: &mut Bench| {
        bench.sent();
        bench.tell([Message::Fetch(Fetch { offset: 0, length: 10, follow: true })]);
        let sent = bench.sent();
        assert!(matches!(sent[..], [Message::OutputNo(Some(_))]), "{sent:?}");
    };
    let mut bench = Bench::joined(writes(1000));
    refused(&mut bench);
    bench.tell([Message::Conf(b"/bin/task".to_vec())]);
    refused(&mut bench);
    bench.tell([Message::Exec(None)]);
    bench.wait(secs(2));
    bench.tell([Message::Conf(b"/bin/other".to_vec())]);
    refused(&mut bench);
}

#[test]
fn what_a_lost_master_waited_for_is_not_given_to_the_next() {
    let mut bench = writing(Duration::ZERO);
    assert_eq!(given(&mut bench, 1000, 10, true), (Vec::new(), Vec::new()));
    bench.close();
    bench.wait(secs(2));
    bench.connect();
    bench.wait(secs(2));
    let sent = bench.sent();
    assert!(matches!(sent[..], [Message::Reply(Some(_))]), "{sent:?}");
}
