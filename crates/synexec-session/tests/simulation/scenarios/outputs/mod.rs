//! Outputs: when the master fetches them, which part, and how an output is lost.

mod cut_short;
mod fetching;
mod gone;
mod last_fetch;
mod liars;
mod separate;
mod slave_side;

use std::time::Duration;

use synexec_proto::digest::Digest;
use synexec_proto::message::TaskStream;
use synexec_proto::task_end::TaskEnd;
use synexec_session::master::OutputsWanted::Tails;
use synexec_session::master::{Notice, Outcome, Output, OutputStep, OutputsWanted, Report, Settings, Verdict};

use synexec_sim::{ClientId, Plan, World, millis, row_of, settings};

const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));

/// More bytes than a few windows hold.
const LARGE: u32 = 3_000_000;

/// The file in which a slave of this world keeps the output of its task.
const KEPT_AT: &str = "/tmp/synexec.out";

/// A world with this choice of outputs and this many slaves.
fn wanting(outputs: OutputsWanted, slaves: u32) -> World {
    World::new(Settings { outputs, ..settings(slaves) })
}

/// A world with this choice of outputs, this many slaves and this many rounds.
fn rounds_wanting(outputs: OutputsWanted, slaves: u32, rounds: u32) -> World {
    World::new(Settings { outputs, rounds: rounds.try_into().expect("the number is not zero"), ..settings(slaves) })
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

/// Runs a session, lets the slaves come to rest, and checks that every output is complete or given up.
fn session(world: &mut World) -> Report {
    let report = world.run_session();
    for id in world.ids() {
        let is_end = |step: &OutputStep| matches!(step, OutputStep::End { .. } | OutputStep::Cut | OutputStep::Abandon);
        for stream in TaskStream::ALL {
            let steps = world.steps_of_stream(id, stream);
            assert!(steps.last().is_none_or(|(_, step)| is_end(step)), "{stream} was left open");
        }
    }
    report
}

/// Checks that the master has the whole output of a slave in one round. Rounds count from 1.
fn assert_here(world: &World, report: &Report, round: u32, id: ClientId) {
    let row = row_of(report, id).expect("the slave took part");
    let rows = &report.rounds.iter().zip(1..).find(|(_, number)| *number == round).expect("the round exists").0.rows;
    let row = rows.iter().find(|other| other.slave == row.slave).expect("the slave took part in every round");
    let length = row.output_place.as_ref().expect("the row has an output place").length;
    let written = &world.sim(id).host.output()[..usize::try_from(length).expect("the value is small")];
    let (bytes, end) = world.fetched(round, row.rank).expect("the output was fetched");
    assert!(bytes == written, "{} bytes came of {length}", bytes.len());
    let digest = Some(Digest::of(written));
    assert_eq!((end.as_ref(), row.output.as_ref()), (Some(&OutputStep::End { digest }), Some(&whole(written))));
}

/// Checks that the master has the whole output of a slave in a session of one round.
fn assert_whole(world: &World, report: &Report, id: ClientId) {
    assert_here(world, report, 1, id);
    assert_eq!(output_place(report, id), (world.sim(id).host.plan.writes.into(), KEPT_AT));
}

fn assert_all_whole(world: &World, report: &Report, slaves: impl IntoIterator<Item = ClientId>) {
    for id in slaves {
        assert_whole(world, report, id);
    }
}

fn whole(bytes: &[u8]) -> Output {
    Output::Whole { length: bytes.len().try_into().expect("the value is small"), digest: Digest::of(bytes) }
}

fn output_place(report: &Report, id: ClientId) -> (u64, &str) {
    let place = row_of(report, id).and_then(|row| row.output_place.as_ref()).expect("the row has an output place");
    (place.length, &place.path)
}

fn output_of(report: &Report, id: ClientId) -> Option<&Output> {
    row_of(report, id).expect("the slave took part").output.as_ref()
}

/// The reason why the master lacks an output. Checks that the task succeeded and that the user was told the output's
/// place.
fn why_missing(world: &World, report: &Report, id: ClientId, place: &str) -> String {
    let row = row_of(report, id).expect("the slave took part");
    let Some(Output::Failed { why } | Output::NoTail { why }) = &row.output else { panic!("{row:?}") };
    let is_told = |notice: &Notice| {
        matches!(notice, Notice::OutputLost { slave, why: told, kept_at, .. }
            if *slave == row.slave && told == why && kept_at.as_deref() == Some(place))
    };
    assert_eq!((&row.outcome, world.all_told(is_told).len()), (&SUCCESS, 1), "{why}");
    assert!(!why.is_empty());
    why.clone()
}

fn last_end(world: &World) -> Duration {
    *world.all_told(|notice| matches!(notice, Notice::Ended { .. })).last().expect("tasks have ended")
}

/// Number of bytes of an output that had arrived by an instant.
fn come_by(world: &World, id: ClientId, at: Duration) -> usize {
    let bytes = |step: &OutputStep| if let OutputStep::Bytes(bytes) = step { bytes.len() } else { 0 };
    world.steps_of(id).into_iter().filter(|(came, _)| *came <= at).map(|(_, step)| bytes(step)).sum()
}

/// The verdict of a session with a missing output. A missing tail is no failure: only the page lacks it.
fn verdict_without(outputs: OutputsWanted) -> Verdict {
    if let Tails(_) = outputs { Verdict::Succeeded } else { Verdict::Lost }
}
