//! Following outputs while the tasks write them.

use super::Settings;
use super::actions::Actions;
use super::member::Member;
use super::output::Request;
use super::task_outputs::TaskOutputs;
use synexec_proto::message::Feature;

/// How much of a followed output is asked for at a time, in bytes.
pub(super) const WINDOW: u32 = 16 * 1024;

/// Asks all slaves that can give their outputs for them, before the tasks start. Of each stream, as many
/// bytes are kept as the user wants.
pub(super) fn follow_all(members: &mut [Member], round: u32, settings: &Settings, actions: &mut Actions) {
    let request = Request { offset: 0, most: settings.max_output, follow: true, once: false };
    for member in members.iter_mut().filter(|member| member.has(Feature::Outputs)) {
        let requests = settings.streams().map(|stream| (stream, request));
        let mut outputs = TaskOutputs::begin(member.peer, &member.label, round, member.rank, requests, actions);
        outputs.ask_next(WINDOW, actions);
        member.this_round.outputs = Some(outputs);
    }
}
