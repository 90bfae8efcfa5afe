//! Slaves that lie about their outputs.

use std::time::Duration;

use synexec_session::master::OutputsWanted::{Live, Tails, Whole};
use synexec_session::master::{Notice, Output, OutputStep, OutputsWanted, Settings, Verdict};

use synexec_sim::Lie::{
    ClaimedEndless, Crawl, EmptyMarks, EmptyParts, EndlessOutput, MoreOutput, NoDigest, NoOutput, OtherDigest,
    OtherPosition, Trickle,
};
use synexec_sim::{ClientId, Lie, Plan, World, secs, settings};

use super::{
    LARGE, assert_all_whole, assert_whole, come_by, fetching, last_end, output_of, session, verdict_without, wanting,
    why_missing, writes,
};

/// Checks that the master gives up the output of a slave that lies and keeps the output of the other slave. The liar's
/// task ends first in one session and last in another.
fn assert_seen_through<const N: usize>(lie: Lie, ways: [OutputsWanted; N]) {
    for (outputs, time) in ways.into_iter().flat_map(|outputs| [(outputs, 1), (outputs, 20)]) {
        let mut world = wanting(outputs, 2);
        let liar = world.liar(lie);
        let other = world.slave(Plan { runs: secs(time), ..writes(100) });
        let report = session(&mut world);
        assert_eq!(report.verdict, verdict_without(outputs), "{lie:?} {outputs:?}");
        why_missing(&world, &report, liar, "/tmp/liar.out");
        assert_whole(&world, &report, other);
        assert!(world.over_after() < last_end(&world) + secs(31), "{lie:?} {outputs:?}");
        assert_eq!(world.fetches_of(liar).len(), 1, "the master asks this slave no more");
    }
}

#[test]
fn an_output_that_is_not_what_its_digest_says_is_given_up() {
    assert_seen_through(OtherDigest, [Whole, Live]);
    assert_seen_through(NoDigest, [Whole, Live]);
}

#[test]
fn one_that_gives_more_than_it_was_asked_for_is_given_up() {
    assert_seen_through(MoreOutput, [Whole, Live, Tails(100)]);
}

#[test]
fn an_output_with_a_wrong_length_is_given_up() {
    assert_seen_through(OtherPosition, [Whole, Live, Tails(100)]);
}

#[test]
fn one_that_gives_nothing_and_does_not_say_that_this_is_all_is_given_up() {
    assert_seen_through(EmptyMarks, [Whole, Live]);
}

#[test]
fn a_tail_that_never_arrives_is_given_up() {
    assert_seen_through(EmptyMarks, [Tails(100)]);
}

#[test]
fn one_that_gives_nothing_for_ever_is_given_up_in_time() {
    assert_seen_through(EmptyParts, [Whole, Live, Tails(100)]);
}

#[test]
fn one_that_gives_a_byte_now_and_then_is_given_up_before_the_window_is_full() {
    let mut world = wanting(Whole, 1);
    let liar = world.liar(Trickle);
    let report = session(&mut world);
    why_missing(&world, &report, liar, "/tmp/liar.out");
    assert!(why_missing(&world, &report, liar, "/tmp/liar.out").contains("less than 4 KiB a second"));
    assert!(world.over_after() < last_end(&world) + secs(41), "{:?}", world.over_after());
}

/// The most bytes that the sessions below keep of an output.
const MOST: u64 = 2 << 20;

/// A session of liars, and of two slaves with large outputs. The liars joined first, so each turn begins with them.
fn among_liars(lie: Lie, liars: u8, outputs: OutputsWanted) -> (World, Vec<ClientId>, [ClientId; 2]) {
    let mut world = World::new(Settings { outputs, max_output: MOST, ..settings(u32::from(liars) + 2) });
    let liars = (0..liars).map(|_| world.liar(lie)).collect();
    let honest = [2_000_000, 1_000_000].map(|bytes| world.slave(writes(bytes)));
    (world, liars, honest)
}

/// When the last byte of these outputs came, counted from the beginning of the fetching.
fn all_here_after(world: &World, honest: [ClientId; 2]) -> Duration {
    let is_end = |(at, step): &(Duration, &OutputStep)| matches!(step, OutputStep::End { .. }).then_some(*at);
    let ends = honest.map(|id| world.steps_of(id).iter().find_map(is_end).expect("the output has come"));
    ends.into_iter().max().unwrap_or_default().saturating_sub(world.told(fetching).expect("the notice came"))
}

#[test]
fn an_output_without_end_is_cut() {
    for outputs in [Whole, Live] {
        let (mut world, liars, honest) = among_liars(ClaimedEndless, 20, outputs);
        let report = session(&mut world);
        assert_eq!(report.verdict, Verdict::Lost);
        for id in liars {
            assert_eq!(output_of(&report, id), Some(&Output::Cut { most: MOST }));
            assert_eq!(come_by(&world, id, world.over_after()), usize::try_from(MOST).unwrap());
        }
        assert_eq!(world.all_told(|notice| matches!(notice, Notice::OutputCut { most: MOST, .. })).len(), 20);
        assert_all_whole(&world, &report, honest);
        assert!(world.over_after() < last_end(&world) + secs(5), "{:?}", world.over_after());
    }
}

#[test]
fn slaves_that_send_nothing_or_little_do_not_delay_the_others() {
    for liars in [16, 40, 120] {
        let (mut world, liars, honest) = among_liars(Trickle, liars, Whole);
        let report = session(&mut world);
        for id in &liars {
            why_missing(&world, &report, *id, "/tmp/liar.out");
        }
        assert_all_whole(&world, &report, honest);
        let limit = if liars.len() < 48 { secs(7) } else { secs(90) };
        assert!(all_here_after(&world, honest) < limit, "{} {:?}", liars.len(), all_here_after(&world, honest));
        assert!(world.over_after() < last_end(&world) + secs(140), "{:?}", world.over_after());
    }
}

#[test]
fn slaves_at_the_least_rate_get_their_turns_and_not_more() {
    let (mut world, liars, honest) = among_liars(Crawl, 16, Whole);
    let report = world.run(secs(2000));
    for id in liars {
        let output = output_of(&report, id);
        assert!(matches!(output, Some(Output::Cut { .. } | Output::Failed { .. })), "{output:?}");
    }
    assert_all_whole(&world, &report, honest);
    assert!(all_here_after(&world, honest) < secs(30), "{:?}", all_here_after(&world, honest));
}

#[test]
fn a_slave_that_is_slow_and_keeps_the_least_rate_loses_nothing() {
    let mut world = World::new(Settings { outputs: Whole, max_output: 1 << 20, ..settings(1) });
    let crawls = world.liar(Crawl);
    let report = session(&mut world);
    assert_eq!(output_of(&report, crawls), Some(&Output::Cut { most: 1 << 20 }));
    assert!(world.over_after() > secs(200), "5000 bytes come in a second");
}

#[test]
fn a_claimed_length_does_not_move_the_limit_of_tails() {
    let mut world = World::new(Settings { outputs: Tails(4096), ..settings(1) });
    world.set_disk(usize::MAX, secs(100_000));
    let id = world.liar(ClaimedEndless);
    let report = world.run(secs(20_000));
    assert!(matches!(output_of(&report, id), Some(Output::NoTail { .. })), "{report:?}");
    assert!(world.over_after() < secs(300), "{:?}", world.over_after());
}

#[test]
fn all_outputs_together_have_an_end() {
    let mut world = World::new(Settings { outputs: Whole, ..settings(1) });
    world.set_disk(usize::MAX, secs(1000));
    let id = world.slave(writes(LARGE));
    let report = world.run(secs(2000));
    let why = why_missing(&world, &report, id, "/tmp/synexec.out");
    assert!(why.contains("together took too long"), "{why}");
    // Two windows have come, and the limit allows for a third one at the least rate.
    let end = last_end(&world) + secs(60 + 40 + 2 * (64 + 512 + 512) / 4);
    assert!((end..end + secs(2)).contains(&world.over_after()), "{:?}", world.over_after());
}

#[test]
fn an_output_that_is_as_long_as_the_user_allows_is_complete() {
    for (outputs, most) in [(Whole, LARGE), (Live, LARGE), (Tails(100), 50)] {
        let mut world = World::new(Settings { outputs, max_output: most.into(), ..settings(1) });
        let id = world.slave(writes(LARGE));
        let report = session(&mut world);
        assert_eq!(report.verdict, Verdict::Succeeded, "{:?}", output_of(&report, id));
    }
}

#[test]
fn a_cut_output_does_not_end_the_rounds() {
    let rounds = 3.try_into().unwrap();
    let mut world = World::new(Settings { outputs: Whole, max_output: 999, rounds, ..settings(1) });
    let id = world.slave(writes(1000));
    let report = session(&mut world);
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Lost, 3));
    assert_eq!(output_of(&report, id), Some(&Output::Cut { most: 999 }));
    for round in 1..=3 {
        assert_eq!(world.fetched(round, 0).unwrap().0, world.sim(id).host.output()[..999]);
    }
}

#[test]
fn one_that_cannot_give_its_output_says_why() {
    assert_seen_through(NoOutput, [Whole, Live, Tails(100)]);
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
