//! Following outputs while the tasks write them.

use super::OutputId;
use super::actions::Actions;
use super::member::Member;
use super::output::{OutputStream, Request};
use synexec_proto::message::Feature;

/// How much of an output is asked for at a time, in bytes.
const WINDOW: u32 = 16 * 1024;

/// Asks all slaves that can give their outputs for them, before the tasks start.
pub(super) fn follow_all(members: &mut [Member], round: u32, actions: &mut Actions) {
    let request = Request { offset: 0, window: WINDOW, follow: true, once: false };
    for member in members.iter_mut().filter(|member| member.has(Feature::Outputs)) {
        let id = OutputId { round, rank: member.rank };
        let stream = OutputStream::begin(member.peer, &member.label.shown, id, request, actions);
        member.this_round.output = Some(stream);
    }
}
