//! Slaves that lie about their outputs.

use synexec_session::master::OutputsWanted;
use synexec_session::master::OutputsWanted::{Live, Tails, Whole};

use synexec_sim::Lie::{
    EmptyMarks, EmptyParts, EndlessOutput, MoreOutput, NoDigest, NoOutput, OtherDigest, OtherPosition, Trickle,
};
use synexec_sim::{Lie, Plan, secs};

use super::{assert_whole, last_end, session, verdict_without, wanting, why_missing, writes};

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
    assert!(world.over_after() < last_end(&world) + secs(30 + 130), "{:?}", world.over_after());
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
