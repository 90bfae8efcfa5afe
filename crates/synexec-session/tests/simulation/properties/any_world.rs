//! Any number of slaves of all kinds, at any distance, with any faults at any time.

use std::num::NonZeroU32;

use proptest::prelude::*;
use synexec_proto::message::TaskStream;
use synexec_proto::task_end::TaskEnd;
use synexec_session::master::{Loss, Outcome, Output, OutputStep, Report, Verdict};

use super::cases;
use super::draw_world::{Fault, Guest, Kind, Plot, plot};
use synexec_sim::{ClientId, Order, World, millis, row_of, secs};

/// Checks that every row says what happened to its slave.
fn assert_rows_true(plot: &Plot, world: &World, report: &Report) {
    let rounds = u32::try_from(report.rounds.len()).expect("the number is small");
    for (id, guest) in plot.guests() {
        let Some(row) = row_of(report, id) else { continue };
        match (&row.outcome, guest.kind) {
            (Outcome::Ended(end), Kind::Ours(_)) => {
                let runs = &world.sim(id).host.runs;
                let last = runs.last().and_then(|run| run.ended);
                let did_not_run = last.is_none() || runs.len() < report.rounds.len();
                let killed_before_it_ran = did_not_run && matches!(end, TaskEnd::Killed(9 | 15));
                assert!(killed_before_it_ran || last.map(|(_, end)| end) == Some(*end));
            }
            (Outcome::Finished, Kind::Original(_)) => assert_eq!(world.v1(id).runs, rounds),
            (Outcome::Cancelled, Kind::Ours(_)) if rounds > 1 => {
                assert!(world.sim(id).host.runs.len() < report.rounds.len());
            }
            (Outcome::Cancelled, Kind::Original(_)) if rounds > 1 => assert!(world.v1(id).runs < rounds),
            // Between the last word and the start of an original slave, the user's order to stop can reach some of our
            // slaves too late.
            (Outcome::Cancelled, Kind::Original(_)) if !world.execs().is_empty() => {
                assert!(world.v1(id).runs == 0 && !plot.stops_nobody());
            }
            (Outcome::Cancelled, _) => assert_eq!(world.tasks_started(), 0),
            (Outcome::Declined(reason), Kind::Ours(plan)) => assert!(plan.refusal.is_some() && reason.is_some()),
            (Outcome::Lost { why: Loss::Silent(silence), .. }, _) => assert!(*silence >= secs(30), "{silence:?}"),
            (Outcome::Lost { why: Loss::CannotStop, .. }, Kind::Original(_)) => assert!(!plot.stops_nobody()),
            (Outcome::TimedOut(time), _) => assert_eq!(Some(*time), plot.settings.timeout),
            (Outcome::Declined(_), Kind::Original(_)) | (Outcome::Lost { .. }, _) => {}
            (outcome, kind) => panic!("{outcome:?} of {kind:?}"),
        }
    }
}

/// Checks that every output that the report calls fetched equals the task's output, or its tail.
fn assert_outputs_true(world: &World, report: &Report) {
    let last = u32::try_from(report.rounds.len()).expect("the number is small");
    for row in report.rows() {
        let id = world.ids().find(|id| row_of(report, *id) == Some(row)).expect("the row belongs to a slave");
        for stream in TaskStream::ALL {
            let (whole, length) = match row.output_of(stream) {
                Some(Output::Whole { length, .. }) => (true, *length),
                Some(Output::Tail { length }) => (false, *length),
                _ => continue,
            };
            let (fetched, end) = world.fetched_of(stream, last, row.rank).expect("the stream was fetched");
            assert!(matches!(end, Some(OutputStep::End { .. })), "{end:?}");
            let host = &world.sim(id).host;
            let written = if stream == TaskStream::Output { host.output() } else { host.errors() };
            let written = &written[..usize::try_from(length).expect("the value is small")];
            assert!(written.ends_with(fetched) && (!whole || written == fetched), "{row:?}");
            assert_eq!(row.place(stream).map(|place| place.length), Some(length));
        }
    }
}

/// Checks that no correct slave is lost, unless its user could not wait or nothing could stop its task.
fn assert_sound_not_lost(plot: &Plot, report: &Report) {
    let stays = |guest: &Guest| match guest.kind {
        Kind::Ours(_) => plot.interrupts.len() < 2 && (plot.interrupts.is_empty() || plot.master_freezes.is_none()),
        Kind::Original(_) => plot.stops_nobody(),
    };
    let sound = plot.guests().filter(|(_, guest)| guest.is_sound() && stays(guest));
    for outcome in sound.filter_map(|(id, _)| row_of(report, id)).map(|row| &row.outcome) {
        assert!(!matches!(outcome, Outcome::Lost { .. }), "{outcome:?}");
    }
}

/// Checks that no slave is lost whose connection was forgotten, if its task has run and the connection may be resumed.
fn assert_forgotten_not_lost(plot: &Plot, world: &World, report: &Report) {
    let is_undisturbed = plot.interrupts.is_empty() && plot.master_freezes.is_none() && report.rounds.len() == 1;
    let resumes = |guest: &Guest| matches!(guest.kind, Kind::Ours(plan) if !plan.reconnect.is_zero());
    let is_forgotten = |guest: &Guest| matches!(guest.fault, Some((_, Fault::Forget)));
    if !is_undisturbed || plot.settings.reconnect.is_zero() || plot.settings.rounds.get() > 1 {
        return;
    }
    for (id, _) in plot.guests().filter(|(_, guest)| is_forgotten(guest) && resumes(guest)) {
        let is_lost = row_of(report, id).is_some_and(|row| matches!(row.outcome, Outcome::Lost { .. }));
        assert!(!is_lost || world.sim(id).host.runs.is_empty(), "{:?}", row_of(report, id));
    }
}

/// Checks that all living slaves have no task and are in discovery, and that undisturbed ones came back in time.
fn assert_slaves_at_rest(plot: &Plot, world: &World) {
    let held_up = |guest: &Guest| matches!(guest.fault, Some((_, Fault::Freeze(_))));
    for (id, guest) in plot.guests().filter(|(id, _)| world.living_slaves().contains(id)) {
        world.assert_at_rest(id);
        if !held_up(guest) {
            world.assert_back_in_time(id);
        }
    }
}

fn count(slaves: NonZeroU32) -> usize {
    usize::try_from(slaves.get()).expect("the number is small")
}

fn cut_off(plot: &Plot) -> impl Iterator<Item = ClientId> {
    plot.guests().filter(|(_, guest)| matches!(guest.fault, Some((_, Fault::Cut)))).map(|(id, _)| id)
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn every_session_ends_in_time_and_in_truth(plot in plot()) {
        let mut world = plot.world();
        let report = world.run(secs(250));
        let wanted = count(plot.settings.slaves);
        let gave_up = matches!(report.verdict, Verdict::NotEnoughSlaves | Verdict::Interrupted(_));
        let is_quorum = plot.settings.quorum.is_some_and(|quorum| report.rows().len() >= count(quorum));
        prop_assert!(report.rows().len() == wanted || is_quorum || gave_up && world.tasks_started() == 0, "{report:?}");
        assert_sound_not_lost(&plot, &report);
        assert_forgotten_not_lost(&plot, &world, &report);
        assert_rows_true(&plot, &world, &report);
        assert_outputs_true(&world, &report);
        world.settle();
        assert_slaves_at_rest(&plot, &world);
    }

    #[test]
    fn a_master_that_vanishes_at_any_time_leaves_all_slaves_at_rest(plot in plot(), vanishes in 0..25_000_u64) {
        let mut world = plot.world();
        world.at(millis(vanishes), Order::KillMaster);
        world.run_until(secs(120));
        assert_slaves_at_rest(&plot, &world);
        for id in cut_off(&plot).filter(|id| matches!(plot.guests[usize::from(id.0)].kind, Kind::Ours(_))) {
            world.assert_at_rest(id);
        }
    }
}
