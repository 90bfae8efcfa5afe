//! A line for each thing that happens on the way.

use std::time::Duration;

use log::Level;
use synexec_proto::master::{MeasuredStart, Notice, SlaveLabel};

/// A start that is later than this is worth a word.
const LATE: Duration = Duration::from_millis(1);

/// Tells the user.
pub fn show(notice: &Notice) {
    let level = match notice {
        Notice::TurnedAway { .. }
        | Notice::Released { .. }
        | Notice::Accepted { .. }
        | Notice::Ready { .. }
        | Notice::Started { .. } => Level::Debug,
        Notice::ConfFailed { .. } => Level::Error,
        Notice::Dropped { .. }
        | Notice::GaveUp { .. }
        | Notice::Declined { .. }
        | Notice::Lost { .. }
        | Notice::RoundsLeftOut { .. }
        | Notice::SkewExceeded { .. } => Level::Warn,
        _ => Level::Info,
    };
    log::log!(level, "{}", text(notice));
}

fn text(notice: &Notice) -> String {
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
        Notice::Configuring { slaves } => format!("all {slaves} slaves are here; handing out the conf"),
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
            format!("starting the task on {slaves} slaves in {:.1} ms", ahead.as_secs_f64() * 1e3)
        }
        Notice::Ready { slave } => format!("{} is ready to start", name(slave)),
        Notice::Postponed => "not all confirmed the start in time; it is ordered anew, further ahead".to_owned(),
        Notice::Gone { slaves } => format!("all {slaves} slaves are ready: the task starts"),
        Notice::Started { slave } => format!("{} started", name(slave)),
        Notice::Ended { slave, outcome, times, start, done, slaves } => {
            let elapsed = times.map_or(0.0, |times| times.elapsed.as_secs_f64());
            format!("{} {outcome} after {elapsed:.3} s{}: {done} of {slaves}", name(slave), late(start.as_ref()))
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
    lateness.map_or_else(String::new, |late| format!(", started {:.1} ms late", late.as_secs_f64() * 1e3))
}

fn name(slave: &SlaveLabel) -> String {
    format!("{} ({})", slave.name, slave.address.ip())
}
