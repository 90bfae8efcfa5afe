//! What happened, in a line.

use std::time::Duration;

use log::Level;
use synexec_session::master::{MeasuredStart, Notice, Outcome, SlaveLabel};

use crate::report::kept_at as kept_at_words;
use crate::units;

/// A start that is later than this is worth a word.
const LATE: Duration = Duration::from_millis(1);

/// Who is interested. What is told of each slave when all goes well is detail where a display counts them.
pub fn level(notice: &Notice, is_counted: bool) -> Level {
    match notice {
        Notice::Progress { .. }
        | Notice::TurnedAway { .. }
        | Notice::Released { .. }
        | Notice::Accepted { .. }
        | Notice::Ready { .. }
        | Notice::Fetched { .. }
        | Notice::Started { .. } => Level::Debug,
        Notice::ConfFailed { .. } | Notice::OutputsFailed { .. } => Level::Error,
        Notice::Dropped { .. }
        | Notice::GaveUp { .. }
        | Notice::Declined { .. }
        | Notice::Lost { .. }
        | Notice::Late { .. }
        | Notice::Away { .. }
        | Notice::TimedOut { .. }
        | Notice::Aborting { .. }
        | Notice::QuorumReached { .. }
        | Notice::OutputLost { .. }
        | Notice::RoundsLeftOut { .. }
        | Notice::SkewExceeded { .. } => Level::Warn,
        Notice::Ended { outcome, .. } if is_counted && outcome.has_succeeded() => Level::Debug,
        Notice::Joined { .. }
        | Notice::Configuring { .. }
        | Notice::Starting { .. }
        | Notice::Gone { .. }
        | Notice::NextRound { .. }
        | Notice::Fetching { .. }
            if is_counted =>
        {
            Level::Debug
        }
        _ => Level::Info,
    }
}

/// The line.
pub fn text(notice: &Notice) -> String {
    match notice {
        Notice::Joined { slave, original, joined, slaves } => {
            let kind = if *original { " (an original slave)" } else { "" };
            format!("{} joined{kind}: {joined} of {slaves}", name(slave))
        }
        Notice::Dropped { slave, why, joined, slaves } => {
            format!("{} is gone: {why}; {joined} of {slaves} are left", name(slave))
        }
        Notice::TurnedAway { address, why: Some(why) } => format!("no slave: {address}: {why}"),
        Notice::TurnedAway { address, why: None } => format!("no slave: {address}: it said nothing in time"),
        Notice::Released { address } => format!("{address} is not needed"),
        Notice::GaveUp { joined, slaves, wait } => {
            format!("only {joined} of {slaves} slaves joined within {} s", wait.as_secs())
        }
        Notice::Configuring { slaves } => format!("handing out the conf to {slaves} slaves"),
        Notice::ConfFailed { why } => format!("cannot send the conf: {why}"),
        Notice::Accepted { slave } => format!("{} accepted the conf", name(slave)),
        Notice::Declined { slave, reason: Some(reason) } => format!("{} declined: {reason}", name(slave)),
        Notice::Declined { slave, reason: None } => {
            format!("{} declined; an original slave gives no reason", name(slave))
        }
        Notice::NextRound { round, rounds } => format!("round {round} of {rounds}"),
        Notice::RoundsLeftOut { rounds: 1 } => "the round that was left is not run".to_owned(),
        Notice::RoundsLeftOut { rounds } => format!("the {rounds} rounds that were left are not run"),
        Notice::SkewExceeded { most } => {
            format!("the starts were more than {} µs apart, or are not known for all slaves", most.as_micros())
        }
        Notice::Starting { slaves, ahead } => {
            format!("starting the task on {slaves} slaves in {}", units::time(*ahead))
        }
        Notice::Ready { slave } => format!("{} is ready to start", name(slave)),
        Notice::Postponed => "not all confirmed the start in time; it is ordered anew, further ahead".to_owned(),
        Notice::Gone { slaves } => format!("all {slaves} slaves are ready: the task starts"),
        Notice::Started { slave } => format!("{} started", name(slave)),
        Notice::Ended { slave, outcome, times, start, done, slaves } => {
            let elapsed = times.map_or(0.0, |times| times.elapsed.as_secs_f64());
            let how =
                if let Outcome::TimedOut(_) = outcome { "timed out, ended".to_owned() } else { outcome.to_string() };
            format!("{} {how} after {elapsed:.3} s{}: {done} of {slaves}", name(slave), late(start.as_ref()))
        }
        Notice::Progress { slave, progress, stopped } => {
            let state = if *stopped { "is stopped by a signal" } else { "runs" };
            format!(
                "{} {state}, for {}: {} CPU, {} memory, {} output",
                name(slave),
                units::time(progress.elapsed),
                units::time(progress.cpu),
                units::bytes(progress.memory),
                units::bytes(progress.output)
            )
        }
        Notice::Late { slave, silence } => {
            format!("{} is late: it has said nothing for {}", name(slave), units::time(*silence))
        }
        Notice::Recovered { slave, after } => {
            format!("{} has answered, after {}", name(slave), units::time(*after))
        }
        Notice::Fetching { slaves } => format!("all tasks have ended; fetching the outputs of {slaves} slaves"),
        Notice::Fetched { slave, done, slaves } => format!("{}: output fetched: {done} of {slaves}", name(slave)),
        Notice::OutputLost { slave, why, kept_at } => {
            let place = kept_at_words(kept_at.as_deref());
            format!("the output of {} cannot be fetched: {why}{place}", name(slave))
        }
        Notice::OutputsFailed { why } => format!("outputs cannot be stored any more: {why}"),
        Notice::Away { slave, why, wait } => {
            let (how, wait) = (why.how(), units::time(*wait));
            format!("the connection of {} broke ({how}); it has {wait} to come back", name(slave))
        }
        Notice::Returned { slave, after } => format!("{} is back, after {}", name(slave), units::time(*after)),
        Notice::TimedOut { timeout, running } => {
            format!("the {} that tasks have are over; stopping those of {running} slaves", units::time(*timeout))
        }
        Notice::Aborting { running } => format!("stopping the task on the {running} slaves that are left"),
        Notice::QuorumReached { joined, slaves } => {
            format!("the wait is over; going on with {joined} of {slaves} slaves")
        }
        Notice::Lost { slave, why } => format!("{} is lost: {why}", name(slave)),
        Notice::CalledOff => "the session is called off; no task was started".to_owned(),
        Notice::Stopping { running, .. } => {
            format!("interrupted: stopping the task on {running} slaves (interrupt again to leave at once)")
        }
    }
}

fn late(start: Option<&MeasuredStart>) -> String {
    let lateness = start.map(|start| start.lateness).filter(|lateness| *lateness > LATE);
    lateness.map_or_else(String::new, |late| format!(", started {} late", units::time(late)))
}

fn name(slave: &SlaveLabel) -> String {
    format!("{} ({})", slave.name, slave.address.ip())
}
