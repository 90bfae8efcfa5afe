//! Standard error apart from the output.

use std::time::Duration;

use synexec_proto::digest::Digest;
use synexec_proto::message::{Fetch, Message, TaskStream};
use synexec_session::master::OutputsWanted::{Live, Nothing, Tails, Whole};
use synexec_session::master::{Notice, Output, OutputId, OutputStep, OutputsWanted, Report, Settings, Verdict};

use synexec_sim::{ClientId, Lie, Order, Plan, START, World, millis, row_of, secs, settings};

use super::{LARGE, assert_whole, fetching, output_lost, session, whole};

fn world(outputs: OutputsWanted, slaves: u32) -> World {
    World::new(Settings { outputs, separate: true, ..settings(slaves) })
}

fn writes(output: u32, errors: u32) -> Plan {
    Plan { writes: output, writes_errors: errors, ..Plan::default() }
}

fn errors_of(report: &Report, id: ClientId) -> Option<&Output> {
    row_of(report, id).expect("the slave took part").errors.as_ref()
}

/// Checks that the master has both streams of a slave as they were written.
fn assert_both(world: &World, report: &Report, id: ClientId) {
    assert_whole(world, report, id);
    let (row, written) = (row_of(report, id).expect("the slave took part"), world.sim(id).host.errors());
    let place = row.errors_place.as_ref().expect("the row has a place");
    assert_eq!((place.length, &place.path[..]), (world.sim(id).host.plan.writes_errors.into(), "/tmp/synexec.err"));
    let (bytes, end) = world.fetched_of(TaskStream::Errors, 1, row.rank).expect("standard error was fetched");
    assert!(*bytes == written, "{} bytes of standard error came", bytes.len());
    assert_eq!(*end, Some(OutputStep::End { digest: Some(Digest::of(&written)) }));
    assert_eq!(row.errors, Some(whole(&written)));
}

/// Checks that the master has given up this stream of a slave, and has the whole of the other.
fn assert_only_lost(world: &World, report: &Report, id: ClientId, stream: TaskStream) {
    let (row, host) = (row_of(report, id).expect("the slave took part"), &world.sim(id).host);
    let (lost, other, written) = match stream {
        TaskStream::Output => (&row.output, &row.errors, host.errors()),
        TaskStream::Errors => (&row.errors, &row.output, host.output()),
    };
    assert!(matches!(lost, Some(Output::Failed { .. })), "{stream}: {lost:?}");
    assert_eq!(*other, Some(whole(&written)), "{stream}");
}

fn bytes_come(world: &World, id: ClientId, stream: TaskStream, by: Duration) -> usize {
    let steps = world.steps_of_stream(id, stream).into_iter().filter(|(at, _)| *at <= by);
    steps.map(|(_, step)| if let OutputStep::Bytes(bytes) = step { bytes.len() } else { 0 }).sum()
}

#[test]
fn both_streams_of_any_length_come_whole() {
    for outputs in [Whole, Live] {
        let mut world = world(outputs, 5);
        let lengths = [(0, 0), (1, 0), (0, 1), (LARGE, 70_000), (70_000, LARGE)];
        let slaves = lengths.map(|(output, errors)| world.slave(writes(output, errors)));
        let report = session(&mut world);
        assert_eq!((report.verdict, world.told(output_lost)), (Verdict::Succeeded, None));
        for id in slaves {
            assert_both(&world, &report, id);
        }
        assert_eq!(world.all_told(|notice| matches!(notice, Notice::Fetched { .. })).len(), 5);
    }
}

#[test]
fn tails_of_both_streams_come() {
    let mut world = world(Tails(100), 1);
    let id = world.slave(writes(5000, 30));
    let report = session(&mut world);
    let row = row_of(&report, id).unwrap();
    assert_eq!(row.output, Some(Output::Tail { length: 5000 }));
    assert_eq!(row.errors, Some(whole(&world.sim(id).host.errors())));
    let came = |stream| world.fetched_of(stream, 1, row.rank).unwrap().0.len();
    assert_eq!([TaskStream::Output, TaskStream::Errors].map(came), [100, 30]);
}

#[test]
fn without_outputs_only_the_places_are_told() {
    let mut world = world(Nothing, 1);
    let id = world.slave(writes(1000, 30));
    let report = session(&mut world);
    let row = row_of(&report, id).unwrap();
    assert_eq!(row.errors_place.as_ref().map(|place| place.length), Some(30));
    assert!(world.fetches_of(id).is_empty() && (&row.output, &row.errors) == (&None, &None));
}

#[test]
fn a_session_of_one_stream_asks_for_no_other() {
    let mut world = World::new(Settings { outputs: Live, ..settings(1) });
    let id = world.slave(writes(1000, 1000));
    let report = session(&mut world);
    assert_whole(&world, &report, id);
    assert_eq!(errors_of(&report, id), None);
    let is_plain = |fetch: &Fetch| (fetch.stream, fetch.other) == (TaskStream::Output, None);
    assert!(world.fetches_of(id).iter().all(|(_, fetch)| is_plain(fetch)));
}

#[test]
fn both_streams_come_while_the_task_runs() {
    for lengths in [(80_000, 80_000), (80_000, 0), (0, 80_000), (80_000, 8)] {
        let mut world = world(Live, 1);
        let id = world.slave(Plan { runs: secs(8), ..writes(lengths.0, lengths.1) });
        let report = session(&mut world);
        assert_both(&world, &report, id);
        let started = world.sim(id).host.runs[0].started.since(START);
        for second in 1..8 {
            let by = started + secs(second) + millis(130);
            for (stream, length) in [(TaskStream::Output, lengths.0), (TaskStream::Errors, lengths.1)] {
                let come = bytes_come(&world, id, stream, by);
                let written = usize::try_from(u64::from(length) * second / 8).unwrap();
                assert!((written..=written + 1500).contains(&come), "{come} of {written} of {stream:?}");
            }
        }
    }
}

#[test]
fn tasks_that_write_little_are_asked_little() {
    for lengths in [(8, 8), (8, 0), (0, 8), (0, 0)] {
        let mut world = world(Live, 1);
        let id = world.slave(Plan { runs: secs(8), ..writes(lengths.0, lengths.1) });
        let report = session(&mut world);
        assert_both(&world, &report, id);
        // Every byte takes a FETCH with an answer, perhaps one without, and each stream ends with another.
        let most = usize::try_from(2 * (lengths.0 + lengths.1) + 4).unwrap();
        assert!(world.fetches_of(id).len() <= most, "{} for {lengths:?}", world.fetches_of(id).len());
    }
}

#[test]
fn a_live_stream_that_cannot_be_stored_leaves_the_other() {
    for stream in [TaskStream::Output, TaskStream::Errors] {
        for broken in [false, true] {
            let mut world = World::new(Settings { reconnect: secs(10), outputs: Live, separate: true, ..settings(1) });
            let id = world.slave(Plan { runs: secs(8), reconnect: secs(10), ..writes(80_000, 80_000) });
            world.set_delay(id, millis(20));
            world.at(secs(4), Order::OutputFails(OutputId { round: 1, rank: 0, stream }));
            if broken {
                world.at(secs(4) + millis(1), Order::Break(id));
            }
            let report = session(&mut world);
            assert_only_lost(&world, &report, id, stream);
        }
    }
}

#[test]
fn one_stream_is_asked_for_at_a_time() {
    for outputs in [Whole, Live] {
        let mut world = world(outputs, 1);
        let id = world.slave(writes(LARGE, LARGE));
        world.set_delay(id, millis(20));
        let report = session(&mut world);
        assert_both(&world, &report, id);
        let asked: Vec<_> = world.fetches_of(id).into_iter().map(|(at, _)| at).collect();
        assert!(asked.windows(2).all(|pair| pair[1] >= pair[0] + millis(40)), "an answer takes 40 ms");
    }
}

#[test]
fn streams_survive_broken_connections() {
    for outputs in [Whole, Live] {
        for broken in [1500, 2100, 3200] {
            let mut world = World::new(Settings { reconnect: secs(10), outputs, separate: true, ..settings(1) });
            let plan = Plan { runs: secs(3), reconnect: secs(10), ..writes(LARGE, LARGE) };
            let id = world.slave(plan);
            world.set_delay(id, millis(20));
            world.at(millis(broken), Order::Break(id));
            let report = session(&mut world);
            assert_eq!(report.verdict, Verdict::Succeeded, "{report:?}");
            assert_both(&world, &report, id);
        }
    }
}

#[test]
fn a_second_connection_goes_on_with_the_stream_that_is_left() {
    for stream in TaskStream::ALL {
        let mut world = World::new(Settings { reconnect: secs(10), outputs: Whole, separate: true, ..settings(1) });
        let id = world.slave(Plan { reconnect: secs(10), ..writes(LARGE, LARGE) });
        world.set_delay(id, millis(40));
        // The connection is forgotten while a window is on its way, and the stream fails before the slave is back.
        world.when(fetching, millis(100), Order::Forget(id));
        world.when(fetching, millis(200), Order::OutputFails(OutputId { round: 1, rank: 0, stream }));
        let report = session(&mut world);
        assert_only_lost(&world, &report, id, stream);
        assert_eq!(row_of(&report, id).unwrap().reconnects, 1);
    }
}

#[test]
fn after_a_break_the_lines_of_both_streams_come_at_once() {
    for broken in (0..40).map(|tenths| secs(3) + millis(tenths)) {
        let mut world = World::new(Settings { reconnect: secs(10), outputs: Live, separate: true, ..settings(1) });
        // Both streams have a byte now and then, at different times.
        let id = world.slave(Plan { runs: secs(9), reconnect: secs(10), ..writes(900, 7) });
        world.set_delay(id, millis(20));
        world.at(broken, Order::Break(id));
        let report = session(&mut world);
        assert_both(&world, &report, id);
        let started = world.sim(id).host.runs[0].started.since(START);
        for second in 5..9 {
            let come = bytes_come(&world, id, TaskStream::Errors, started + secs(second) + millis(150));
            let written = usize::try_from(7 * second / 9).unwrap();
            assert!(come >= written, "{come} of {written} at {second} s, broken at {broken:?}");
        }
    }
}

#[test]
fn each_round_has_both_streams() {
    for outputs in [Whole, Live] {
        let rounds = 3.try_into().unwrap();
        let mut world = World::new(Settings { rounds, outputs, separate: true, ..settings(1) });
        let id = world.slave(writes(5000, 70_000));
        let report = session(&mut world);
        assert_eq!((report.verdict, report.rounds.len()), (Verdict::Succeeded, 3), "{report:#?}");
        for round in 1..=3 {
            let come = |stream| &world.fetched_of(stream, round, 0).unwrap().0;
            assert!(*come(TaskStream::Output) == world.sim(id).host.output());
            assert!(*come(TaskStream::Errors) == world.sim(id).host.errors());
        }
    }
}

#[test]
fn a_stream_that_was_not_asked_for_counts_for_nothing() {
    let mut world = World::new(Settings { outputs: Whole, ..settings(1) });
    let id = world.liar(Lie::TellsErrors);
    let report = session(&mut world);
    let row = row_of(&report, id).unwrap();
    assert_eq!((&row.errors_place, &row.errors), (&None, &None));
    assert_eq!(row.stream_of_last_lines(), TaskStream::Output);
}

#[test]
fn a_live_stream_that_is_cut_leaves_the_other() {
    for (output, errors) in [(80_000, 500), (500, 80_000)] {
        let max_output = 1000;
        let mut world = World::new(Settings { outputs: Live, separate: true, max_output, ..settings(1) });
        let id = world.slave(Plan { runs: secs(8), ..writes(output, errors) });
        let report = session(&mut world);
        let row = row_of(&report, id).unwrap();
        let expected = |bytes: &[u8]| if bytes.len() > 1000 { Output::Cut { most: 1000 } } else { whole(bytes) };
        let host = &world.sim(id).host;
        assert_eq!(row.output, Some(expected(&host.output())));
        assert_eq!(row.errors, Some(expected(&host.errors())));
    }
}

#[test]
fn a_stream_that_is_cut_leaves_the_other() {
    let mut world = World::new(Settings { outputs: Whole, separate: true, max_output: 1000, ..settings(1) });
    let id = world.slave(writes(5000, 30));
    let report = session(&mut world);
    let row = row_of(&report, id).unwrap();
    assert_eq!(
        (&row.output, &row.errors),
        (&Some(Output::Cut { most: 1000 }), &Some(whole(&world.sim(id).host.errors())))
    );
    let cut = |notice: &Notice| matches!(notice, Notice::OutputCut { stream: TaskStream::Output, .. });
    assert_eq!(world.all_told(cut).len(), 1);
}

#[test]
fn a_slave_that_cannot_separate_is_declined() {
    let mut world = world(Nothing, 2);
    let id = world.slave(writes(1, 1));
    let older = world.liar(Lie::IsOlder);
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Declined, "{report:?}");
    assert!(world.sim(id).host.runs.is_empty(), "all or none");
    let told = format!("{:?}", row_of(&report, older).unwrap().outcome);
    assert!(told.contains("--separate"), "{told}");
}

#[test]
fn liars_lose_both_streams_in_bounded_time() {
    for lie in [Lie::Trickle, Lie::EmptyParts, Lie::EmptyMarks, Lie::MoreOutput, Lie::EndlessOutput, Lie::OtherPosition]
    {
        for outputs in [Whole, Live] {
            let mut world = world(outputs, 2);
            let (liar, honest) = (world.liar(lie), world.slave(writes(1000, 1000)));
            let report = session(&mut world);
            assert_both(&world, &report, honest);
            let row = row_of(&report, liar).unwrap();
            for output in [&row.output, &row.errors] {
                assert!(matches!(output, Some(Output::Failed { .. })), "{lie:?}: {row:?}");
            }
            assert!(world.over_after() < secs(120), "{lie:?}: {:?}", world.over_after());
            let asked = world.fetches_of(liar).len();
            // A task is not over before all are. Until then it may write at any rate.
            assert!(outputs == Live || asked < 100, "{lie:?}: {asked}");
        }
    }
}

#[test]
fn progress_counts_both_streams() {
    let mut world = World::new(Settings { progress: Some(secs(1)), separate: true, ..settings(1) });
    world.slave(Plan { runs: secs(10), ..writes(1000, 500) });
    session(&mut world);
    let half = |notice: &Notice| match notice {
        Notice::Progress { progress, .. } => (700..=800).contains(&progress.output),
        _ => false,
    };
    assert!(world.told(half).is_some());
}

#[test]
fn the_slave_answers_once_either_stream_is_longer() {
    let mut bench = synexec_sim::Bench::joined(Plan { spawns: Duration::ZERO, ..writes(0, 1000) });
    let begin = synexec_proto::message::ConfBegin { separate: true, slaves: 1, length: 9, ..Default::default() };
    bench.tell([Message::ConfBegin(begin), Message::ConfPart(b"/bin/task".to_vec()), Message::Exec(None)]);
    bench.wait(millis(500));
    bench.sent();
    let fetch = Fetch { length: 9, follow: true, ..Fetch::default() };
    for (other, is_answered) in [(None, false), (Some(100_000), false), (Some(400), true)] {
        bench.tell([Message::Fetch(Fetch { other, ..fetch })]);
        let sent = bench.sent();
        assert_eq!(matches!(sent[..], [Message::OutputMark(_)]), is_answered, "{sent:?}");
    }
}
