//! Whether a clock has gone on evenly from when it was measured to the end of the task. Where it has not, as where a
//! hypervisor has stopped its guest, nobody knows whether that was before the start, which is that much less sure.

use std::time::Duration;

use super::Row;
use super::awake::{AwakeInstant, Now};
use super::member::Member;
use super::roster::{Awaited, Roster, Slave};
use synexec_proto::message::ClockReply;
use synexec_proto::time::MonotonicInstant;

/// Until when a slave whose task has ended is waited for to tell its clock.
fn answers_by<S: Awaited>(slave: &Slave<S>) -> Option<AwakeInstant> {
    let is_here = slave.member.away.is_none() && slave.member.gone.is_none();
    slave.member.clock.awaited_until().filter(|_| is_here && slave.is_settled())
}

/// Whether one of them is waited for.
pub(super) fn is_awaited<S: Awaited>(slaves: &Roster<S>) -> bool {
    slaves.iter().any(|slave| answers_by(slave).is_some())
}

/// When it is to be looked who has not answered; none where nobody has to.
pub(super) fn deadline<S: Awaited>(slaves: &Roster<S>) -> Option<AwakeInstant> {
    slaves.iter().filter_map(answers_by).min()
}

/// Does not wait any longer for those that have not answered by now.
pub(super) fn advance<S: Awaited>(now: Now, slaves: &mut Roster<S>) {
    for slave in slaves.iter_mut().filter(|slave| answers_by(slave).is_some_and(|by| now.awake >= by)) {
        slave.member.clock.give_up();
    }
}

/// Takes an answer.
pub(super) fn hear(member: &mut Member, row: &mut Row, now: Now, reply: ClockReply, at: MonotonicInstant) {
    let Some(slip) = member.clock.hear_afterwards(now, reply, at) else { return };
    row.clock_slip = Some(slip);
    if let Some(start) = &mut row.start {
        let by = Duration::from_nanos(slip.by.unsigned_abs());
        start.uncertainty = start.uncertainty.saturating_add(by).saturating_add(slip.uncertainty);
    }
}
