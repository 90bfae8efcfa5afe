//! What is wanted of the streams of a slave, and what its row says of them.

use super::super::actions::Actions;
use super::super::member::Member;
use super::super::output::{End, Fetched, Request};
use super::super::task_outputs::TaskOutputs;
use super::super::{Notice, Output, OutputsWanted, Row};
use super::limit::WINDOW;
use synexec_proto::message::TaskStream;

/// The number of bytes that the master fetches from a slave, as far as this is known.
pub(super) fn wanted_bytes(member: &Member, wanted: OutputsWanted, most: u64) -> u64 {
    let most = if let OutputsWanted::Tails(tail) = wanted { tail.into() } else { most };
    let lengths = TaskStream::ALL.map(|stream| length(member, stream).min(most));
    lengths.into_iter().fold(0, u64::saturating_add)
}

/// What has become of a stream that was wanted as a whole or in part; none while it is under way.
fn result(fetched: Fetched, length: u64, wanted: OutputsWanted) -> Option<Output> {
    Some(match fetched {
        Fetched::Underway => return None,
        Fetched::Ended(End::Complete(Some(digest))) => Output::Whole { length, digest },
        Fetched::Ended(End::Complete(None)) => Output::Tail { length },
        Fetched::Ended(End::Cut) => Output::Cut { most: length },
        Fetched::Failed(why) => missing(wanted, why),
    })
}

/// An output that was wanted and cannot be fetched. A missing end for the HTML page is no failure.
fn missing(wanted: OutputsWanted, why: String) -> Output {
    if let OutputsWanted::Tails(_) = wanted { Output::NoTail { why } } else { Output::Failed { why } }
}

/// How the wanted part of a stream is asked for. Of a whole stream, at most `most` bytes are kept.
pub(super) fn request(member: &Member, stream: TaskStream, wanted: OutputsWanted, most: u64) -> Request {
    match wanted {
        OutputsWanted::Tails(tail) => Request {
            offset: length(member, stream).saturating_sub(tail.into()),
            most: u64::MAX,
            follow: false,
            once: true,
        },
        _ => Request { offset: 0, most, follow: false, once: false },
    }
}

/// Tells about the streams that were wanted and could not be fetched.
pub(super) fn tell_lost(member: &Member, actions: &mut Actions) {
    let Some(row) = &member.this_round.row else { return };
    for stream in TaskStream::ALL {
        if let Some(Output::Failed { why } | Output::NoTail { why }) = row.output_of(stream) {
            let kept_at = row.place(stream).map(|place| place.path.clone());
            actions.tell(Notice::OutputLost { slave: member.label.clone(), stream, why: why.clone(), kept_at });
        }
    }
}

/// Notes what has become of the streams that were asked for.
pub(super) fn note_results(member: &mut Member, wanted: OutputsWanted) {
    let results: Vec<_> = member.this_round.outputs.iter().flat_map(TaskOutputs::fetched).collect();
    for (stream, fetched, length) in results {
        if let Some(output) = result(fetched, length, wanted) {
            note_output(member, stream, output);
        }
    }
}

/// Notes that the master has nothing of these streams.
pub(super) fn note_missing(member: &mut Member, streams: &[TaskStream], wanted: OutputsWanted, why: &str) {
    for stream in streams {
        note_output(member, *stream, missing(wanted, why.to_owned()));
    }
}

pub(super) fn note_output(member: &mut Member, stream: TaskStream, output: Output) {
    let Some(row) = &mut member.this_round.row else { return };
    match stream {
        TaskStream::Output => row.output = Some(output),
        TaskStream::Errors => row.errors = Some(output),
    }
}

/// The length of a stream, as the slave's row tells.
fn length(member: &Member, stream: TaskStream) -> u64 {
    member.this_round.row.as_ref().and_then(|row| row.place(stream)).map_or(0, |place| place.length)
}

/// Whether the slave has sent more than its task had written when its end was reported. The streams may contain what other
/// processes of the task have written since.
pub(super) fn is_endless(member: &Member, outputs: &TaskOutputs) -> bool {
    let Some(row) = &member.this_round.row else { return false };
    let Some(output) = &row.output_place else { return false };
    let errors = row.errors_place.as_ref().map_or(0, |place| place.length);
    outputs.end() > output.length.saturating_add(errors).saturating_add(WINDOW.into())
}

/// Whether the master has the output as far as it was wanted.
pub(super) fn has_all_of_output(row: &Row) -> bool {
    row.outputs().all(|output| matches!(output, Output::Whole { .. } | Output::Tail { .. }))
}
