//! Figures and endings of the session, as the document has them.

use synexec_proto::message::{Guest, Usage};
use synexec_proto::task_end::TaskEnd;
use synexec_proto::time::{MonotonicInstant, nanos};
use synexec_session::clock::ClockEstimate;
use synexec_session::master::{MeasuredStart, Outcome, Row, Skew};

use super::super::document::{ClockReport, GuestReport, OutcomeReport, SkewReport, StartReport, UsageReport};

pub(super) fn outcome(row: &Row) -> OutcomeReport {
    let (kind, status, signal) = match &row.outcome {
        Outcome::Ended(TaskEnd::Exited(status)) => ("exited", Some(*status), None),
        Outcome::Ended(TaskEnd::Killed(signal)) => ("killed", None, Some(*signal)),
        Outcome::Finished => ("finished", None, None),
        Outcome::TimedOut(_) => ("timed_out", None, None),
        Outcome::Declined(_) => ("declined", None, None),
        Outcome::Lost { .. } => ("lost", None, None),
        Outcome::Cancelled => ("cancelled", None, None),
    };
    OutcomeReport { kind, status, signal, text: row.outcome.to_string(), succeeded: row.outcome.has_succeeded() }
}

pub(super) fn skew(skew: &Skew) -> SkewReport {
    SkewReport {
        skew_ns: nanos(skew.skew),
        uncertainty_ns: nanos(skew.uncertainty),
        known: skew.known,
        slaves: skew.slaves,
        together_ns: skew.together.map(nanos),
    }
}

pub(super) fn start(start: &MeasuredStart, zero: MonotonicInstant) -> StartReport {
    StartReport {
        at_ns: start.at.nanos_after(zero),
        uncertainty_ns: nanos(start.uncertainty),
        late_ns: nanos(start.lateness),
    }
}

pub(super) fn clock(clock: ClockEstimate) -> ClockReport {
    ClockReport {
        offset_ns: clock.offset.as_nanos(),
        uncertainty_ns: nanos(clock.uncertainty),
        round_trip_ns: nanos(clock.round_trip),
    }
}

pub(super) fn usage(usage: Usage) -> UsageReport {
    UsageReport {
        cpu_user_ns: nanos(usage.cpu_user),
        cpu_system_ns: nanos(usage.cpu_system),
        peak_memory_bytes: usage.peak_memory,
        voluntary_switches: usage.voluntary_switches,
        involuntary_switches: usage.involuntary_switches,
    }
}

pub(super) fn guest(guest: &Guest) -> GuestReport {
    GuestReport {
        steal_ns: nanos(guest.steal),
        clock_step_ns: guest.clock_step,
        suspended_ns: nanos(guest.suspended),
        clock_source: guest.clock_source.clone(),
        cores: guest.cores,
    }
}
