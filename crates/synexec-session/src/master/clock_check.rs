//! Whether a slave's clock ran evenly from its measurement to the end of the task. A clock that did not, such as that of a
//! guest which its hypervisor stopped, may have slipped before the start, so the start is less certain by the slip.

use std::time::Duration;

use super::awake::{AwakeInstant, Now};
use super::member::Member;
use super::roster::{Awaited, Slave};
use synexec_proto::message::ClockReply;
use synexec_proto::time::MonotonicInstant;

/// How long the master waits for the clock of a slave whose task has ended; none if it does not wait.
pub(super) fn awaited_until<S: Awaited>(slave: &Slave<S>) -> Option<AwakeInstant> {
    let is_here = !slave.member.is_away() && slave.member.lost.is_none();
    slave.member.clock.awaited_until().filter(|_| is_here && slave.state.is_settled())
}

/// Stops waiting for a slave's clock, if the time for the answer is over.
pub(super) fn give_up_in_time<S: Awaited>(slave: &mut Slave<S>, now: Now) {
    if awaited_until(slave).is_some_and(|until| now.awake >= until) {
        slave.member.clock.give_up();
    }
}

/// Takes an answer into the slave's row.
pub(super) fn hear(member: &mut Member, now: Now, reply: ClockReply, at: MonotonicInstant) {
    let Some(slip) = member.clock.hear_afterwards(now, reply, at) else { return };
    let Some(row) = &mut member.this_round.row else { return };
    row.clock_slip = Some(slip);
    if let Some(start) = &mut row.start {
        let by = Duration::from_nanos(slip.by.unsigned_abs());
        start.uncertainty = start.uncertainty.saturating_add(by).saturating_add(slip.uncertainty);
    }
}
