//! Each notice as one line of the log.

use log::Level;
use synexec_proto::message::TaskProgress;
use synexec_session::master::{MeasuredStart, Notice, Outcome, Rivalry, RunTimes, SlaveLabel};

use crate::report::{LATE_MIN, incomplete, kept_at as kept_at_words};
use crate::units::{bytes, count, part, time};

/// Most slaves with equal names that a warning lists.
const EQUAL_SHOWN: usize = 10;

/// The level of a notice. If a progress line counts the slaves, good news of a single slave is only a detail.
pub fn level(notice: &Notice, is_counted: bool) -> Level {
    match notice {
        Notice::Progress { .. }
        | Notice::TurnedAway { .. }
        | Notice::NotNeeded { .. }
        | Notice::Rivalry(Rivalry::TurnedAway { .. })
        | Notice::Accepted { .. }
        | Notice::Ready { .. }
        | Notice::Fetched { .. }
        | Notice::Started { .. } => Level::Debug,
        Notice::ConfFailed { .. } | Notice::OutputsFailed { .. } => Level::Error,
        Notice::Dropped { .. }
        | Notice::GaveUp { .. }
        | Notice::Rivalry(Rivalry::Met { .. } | Rivalry::Yields { .. } | Rivalry::Tries { .. })
        | Notice::Declined { .. }
        | Notice::Lost { .. }
        | Notice::Late { .. }
        | Notice::Away { .. }
        | Notice::TimedOut { .. }
        | Notice::StoppingOthers { .. }
        | Notice::QuorumReached { .. }
        | Notice::EqualNames { .. }
        | Notice::OtherRank { .. }
        | Notice::OutputLost { .. }
        | Notice::OutputCut { .. }
        | Notice::OutputIncomplete { .. }
        | Notice::RoundsLeftOut { .. }
        | Notice::SkewExceeded { .. } => Level::Warn,
        Notice::NotAdmitted { why, .. } if !why.is_wanted() => Level::Warn,
        Notice::Ended { outcome, .. } if is_counted && outcome.has_succeeded() => Level::Debug,
        Notice::Joined { .. }
        | Notice::Configuring { .. }
        | Notice::Starting { .. }
        | Notice::GoSent { .. }
        | Notice::NextRound { .. }
        | Notice::Fetching { .. }
            if is_counted =>
        {
            Level::Debug
        }
        _ => Level::Info,
    }
}

/// The line of a notice, in a session whose tasks have separate streams or not.
pub fn text(notice: &Notice, is_separate: bool) -> String {
    match notice {
        Notice::Joined { slave, original, joined, slaves } => {
            let kind = if *original { " (an original slave)" } else { "" };
            format!("{} joined{kind}: {joined} of {slaves}", name(slave))
        }
        Notice::Dropped { slave, why, joined, slaves } => {
            format!("{} is gone: {why}; slaves now: {joined} of {slaves}", name(slave))
        }
        Notice::TurnedAway { address, why: Some(why) } => format!("turned away {address}: {why}"),
        Notice::TurnedAway { address, why: None } => {
            format!("turned away {address}: it did not show in time that it is a slave")
        }
        Notice::NotNeeded { address } => format!("turned away {address}: no more slaves are needed"),
        Notice::NotAdmitted { slave, why } => format!("turned away {}: {why}", name(slave)),
        Notice::EqualNames { slaves } => equal_names(slaves),
        Notice::OtherRank { slave, asked, given } => {
            format!("{} asks for rank {asked}, but too few slaves take part; its rank is {given}", name(slave))
        }
        Notice::Rivalry(rivalry) => rivalry_text(rivalry),
        Notice::GaveUp { joined, slaves, wait } => {
            format!("only {} joined within {} s", part(*joined, *slaves, "slave"), wait.as_secs())
        }
        Notice::Configuring { slaves } => format!("sending the conf to {}", count(*slaves, "slave")),
        Notice::ConfFailed { why } => format!("cannot send the conf: {why}"),
        Notice::Accepted { slave } => format!("{} accepted the conf", name(slave)),
        Notice::Declined { slave, reason: Some(reason) } => format!("{} declined: {reason}", name(slave)),
        Notice::Declined { slave, reason: None } => {
            format!("{} declined and gave no reason, as original slaves do", name(slave))
        }
        Notice::NextRound { round, rounds } => format!("round {round} of {rounds}"),
        Notice::RoundsLeftOut { rounds: 1 } => "the remaining round is not run".to_owned(),
        Notice::RoundsLeftOut { rounds } => format!("the remaining {rounds} rounds are not run"),
        Notice::SkewExceeded { most } => {
            format!("the skew is more than {} µs, or not all starts are known", most.as_micros())
        }
        Notice::Starting { slaves, ahead } => {
            format!("starting the task on {} in {}", count(*slaves, "slave"), time(*ahead))
        }
        Notice::Ready { slave } => format!("{} is ready to start", name(slave)),
        Notice::Postponed => "not all slaves confirmed the start in time; the master orders a later start".to_owned(),
        Notice::GoSent { slaves: 1 } => "the slave is ready: the task starts".to_owned(),
        Notice::GoSent { slaves } => format!("all {slaves} slaves are ready: the task starts"),
        Notice::Started { slave } => format!("{} started", name(slave)),
        Notice::Ended { slave, outcome, times, start, done, slaves } => {
            let end = end(outcome, times.as_ref(), start.as_ref());
            format!("{} {end}: {done} of {slaves}", name(slave))
        }
        Notice::Progress { slave, progress, stopped } => {
            let state = if *stopped { "is stopped by a signal" } else { "runs" };
            format!("{} {state}, for {}", name(slave), used(progress))
        }
        Notice::Late { slave, silence } => {
            format!("{} is late: it has sent nothing for {}", name(slave), time(*silence))
        }
        Notice::Recovered { slave, after } => {
            format!("{} has answered after {}", name(slave), time(*after))
        }
        Notice::Fetching { slaves } => {
            format!("all tasks have ended; fetching the outputs of {}", count(*slaves, "slave"))
        }
        Notice::Fetched { slave, done, slaves } => format!("{}: output fetched: {done} of {slaves}", name(slave)),
        Notice::OutputLost { slave, stream, why, kept_at } => {
            let place = kept_at_words(kept_at.as_deref());
            format!("the {stream} of {} cannot be fetched: {why}{place}", name(slave))
        }
        Notice::OutputIncomplete { slave, why } => {
            format!("{}: {}", name(slave), incomplete(why, is_separate))
        }
        Notice::OutputCut { slave, stream, most } => {
            let (name, most) = (name(slave), bytes(*most));
            format!("{name}: the {stream} is longer than {most} (--max-output); the rest is left out")
        }
        Notice::OutputsFailed { why } => format!("outputs cannot be stored any more: {why}"),
        Notice::Away { slave, why, wait } => {
            let (how, wait) = (why.how("the slave"), time(*wait));
            format!("the connection of {} broke ({how}); the slave has {wait} to reconnect", name(slave))
        }
        Notice::Returned { slave, after } => format!("{} has reconnected after {}", name(slave), time(*after)),
        Notice::TimedOut { timeout, running } => {
            format!("the timeout of {} is over; stopping the task on {}", time(*timeout), count(*running, "slave"))
        }
        Notice::StoppingOthers { cause, running } => {
            format!("stopping the task on {} after {cause}", count(*running, "slave"))
        }
        Notice::QuorumReached { joined, slaves } => {
            format!("the wait is over; continuing with {}", part(*joined, *slaves, "slave"))
        }
        Notice::Lost { slave, why } => format!("{} is lost: {why}", name(slave)),
        Notice::CalledOff => "the session is called off; no task was started".to_owned(),
        Notice::Stopping { running, .. } => {
            format!("interrupted: stopping the task on {} (interrupt again to exit at once)", count(*running, "slave"))
        }
    }
}

fn rivalry_text(rivalry: &Rivalry) -> String {
    match rivalry {
        Rivalry::Met { theirs, ours, lowest, goes_first } => {
            let first = match goes_first {
                true if lowest == theirs => "the other master has the lower address and goes first".to_owned(),
                true => format!("the master with the lowest address, {lowest}, goes first"),
                false if lowest == ours => "this master has the lower address and goes first".to_owned(),
                false => format!("this master has the lowest address, {lowest}, and goes first"),
            };
            format!(
                "another master, {theirs}, looks for slaves of the same session as this master, {ours}; {first}; to use \
                 both at once, give each a session of its own with --session"
            )
        }
        Rivalry::Yields { to, out_of_turn: false, released } => format!(
            "the other master, {to}, gets the slaves first; this master has released {}, and goes on when it hears no \
             master that goes first",
            count(*released, "slave")
        ),
        Rivalry::Yields { to, out_of_turn: true, released } => format!(
            "this master goes first, but gets no more slaves while the other master, {to}, waits for slaves too; the \
             other master gets the slaves now; this master has released {}, and goes on when it hears no other master",
            count(*released, "slave")
        ),
        Rivalry::Tries { to, waited, attempt } => format!(
            "this master has left the slaves to other masters for {}; the other master, {to}, still looks for slaves; this \
             master tries for {} to get its slaves",
            time(*waited),
            time(*attempt)
        ),
        Rivalry::GoesOn { after, hears_others } => {
            let gone = if *hears_others { "no master that goes first" } else { "no other master" };
            format!("{gone} looks for slaves any more; this master goes on after {}", time(*after))
        }
        Rivalry::TurnedAway { address } => format!("turned away {address}: another master of this session goes first"),
    }
}

fn end(outcome: &Outcome, times: Option<&RunTimes>, start: Option<&MeasuredStart>) -> String {
    let elapsed = times.map_or(0.0, |times| times.elapsed.as_secs_f64());
    let how =
        if let Outcome::TimedOut(_) = outcome { "timed out; its task ended".to_owned() } else { outcome.to_string() };
    format!("{how} after {elapsed:.3} s{}", late(start))
}

fn used(progress: &TaskProgress) -> String {
    let TaskProgress { elapsed, cpu, memory, output } = *progress;
    let (elapsed, cpu, memory, output) = (time(elapsed), time(cpu), bytes(memory), bytes(output));
    format!("{elapsed}: {cpu} CPU, {memory} memory, {output} output")
}

fn late(start: Option<&MeasuredStart>) -> String {
    let lateness = start.map(|start| start.lateness).filter(|lateness| *lateness >= LATE_MIN);
    lateness.map_or_else(String::new, |late| format!(" (started {} late)", time(late)))
}

/// A slave with its address.
pub fn name(slave: &SlaveLabel) -> String {
    if slave.shown == slave.name { format!("{} ({})", slave.name, slave.address.ip()) } else { slave.shown.clone() }
}

fn equal_names(slaves: &[SlaveLabel]) -> String {
    let shown: Vec<_> = slaves.iter().take(EQUAL_SHOWN).map(|slave| slave.shown.as_str()).collect();
    let more = slaves.len().saturating_sub(EQUAL_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let name = slaves.first().map_or("", |slave| &slave.name);
    format!(
        "{} slaves have the name {name}; this session calls them {}{more}; give each slave a name of its own (--name)",
        slaves.len(),
        shown.join(", ")
    )
}
