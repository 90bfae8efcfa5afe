//! What happened to a guest, in words: why its run is no measurement.

use std::time::Duration;

use synexec_proto::message::Guest;
use synexec_session::clock::ClockSlip;
use synexec_session::master::{Output, Row};

use crate::units::time;

/// Steal below this, or below a hundredth of the run, is told as a figure only. The kernel counts it in ticks of 10 ms.
const STEAL_MIN: Duration = Duration::from_millis(20);

/// Clocks of a healthy guest agree much better than this.
const CLOCK_MIN: Duration = Duration::from_millis(1);

/// A task that was released later than this did not start with the others.
const LATE_MIN: Duration = Duration::from_millis(1);

/// All that is to be said of a slave.
pub fn remarks(row: &Row) -> Vec<String> {
    let elapsed = row.times.map_or(Duration::ZERO, |times| times.elapsed);
    let mut remarks: Vec<String> = row.guest.iter().flat_map(|guest| of_guest(guest, elapsed)).collect();
    remarks.extend(slip(row).map(slipped));
    remarks.extend(lateness(row).map(|late| format!("its task was released {} late", time(late))));
    remarks.extend(row.answered_late.map(|late| format!("it took {} to answer when it was probed", time(late))));
    remarks.extend(reconnects(row.reconnects));
    match &row.output {
        Some(Output::Failed { why }) => {
            let place = kept_at(row.output_place.as_ref().map(|place| place.path.as_str()));
            remarks.push(format!("its output could not be fetched: {why}{place}"));
        }
        Some(Output::NoTail { why }) => remarks.push(format!("the end of its output could not be fetched: {why}")),
        _ => {}
    }
    remarks
}

/// Where an output is that is not here, to be added to a sentence.
pub fn kept_at(path: Option<&str>) -> String {
    match path {
        None => String::new(),
        Some("") => "; its slave keeps it in its work dir".to_owned(),
        Some(path) => format!("; it is in {path} there"),
    }
}

/// Whether the guest ran as if it were a machine of its own.
pub fn is_disturbed(row: &Row) -> bool {
    let elapsed = row.times.map_or(Duration::ZERO, |times| times.elapsed);
    slip(row).is_some() || row.guest.as_ref().is_some_and(|guest| !of_guest(guest, elapsed).is_empty())
}

fn of_guest(guest: &Guest, elapsed: Duration) -> Vec<String> {
    let step = Duration::from_nanos(guest.clock_step.unsigned_abs());
    let direction = if guest.clock_step < 0 { "back" } else { "forward" };
    let findings = [
        (guest.steal >= STEAL_MIN.max(elapsed / 100))
            .then(|| format!("this guest was descheduled: {} of CPU steal in {}", time(guest.steal), time(elapsed))),
        (guest.suspended >= CLOCK_MIN).then(|| format!("this guest was suspended for {}", time(guest.suspended))),
        (step >= CLOCK_MIN).then(|| format!("this guest's clock stepped {direction} by {}", time(step))),
    ];
    findings.into_iter().flatten().collect()
}

/// What is worth a word of it, and not told already: clocks stand still in a guest that is suspended.
fn slip(row: &Row) -> Option<ClockSlip> {
    let is_suspended = row.guest.as_ref().is_some_and(|guest| guest.suspended >= CLOCK_MIN);
    row.clock_slip.filter(|slip| Duration::from_nanos(slip.by.unsigned_abs()) >= CLOCK_MIN && !is_suspended)
}

fn slipped(slip: ClockSlip) -> String {
    let (by, how) = (time(Duration::from_nanos(slip.by.unsigned_abs())), if slip.by < 0 { "slower" } else { "faster" });
    format!(
        "this guest's clock went {by} {how} than the master's: one stood still or was slewed, and the start is as unsure"
    )
}

fn reconnects(times: u32) -> Option<String> {
    match times {
        0 => None,
        1 => Some("its connection broke and was taken up again".to_owned()),
        times => Some(format!("its connection broke and was taken up again {times} times")),
    }
}

fn lateness(row: &Row) -> Option<Duration> {
    row.start.map(|start| start.lateness).filter(|late| *late >= LATE_MIN)
}

#[cfg(test)]
mod tests {
    use synexec_proto::message::OutputPlace;
    use synexec_proto::outcome::TaskEnd;
    use synexec_proto::time::WallClockTime;
    use synexec_session::master::{Outcome, RunTimes, SlaveLabel};

    use super::*;

    fn row(guest: Guest, elapsed: Duration) -> Row {
        let slave = SlaveLabel { name: "vm".into(), address: "10.0.0.1:5".parse().unwrap() };
        let at = WallClockTime::from_nanos(0);
        let times = Some(RunTimes { started: at, finished: at, elapsed });
        Row { guest: Some(guest), times, ..Row::new(0, slave, Outcome::Ended(TaskEnd::Exited(0))) }
    }

    #[test]
    fn what_happened_to_the_guest_is_told_in_words() {
        let secs = Duration::from_secs;
        let calm = Guest { steal: Duration::from_millis(90), clock_step: 900_000, ..Guest::default() };
        assert_eq!(remarks(&row(calm, secs(10))), Vec::<String>::new());
        let disturbed =
            Guest { steal: secs(2), clock_step: -3_600_000_000_000, suspended: secs(5), clock_source: None };
        let row = row(disturbed, secs(10));
        assert!(is_disturbed(&row));
        assert_eq!(
            remarks(&row),
            [
                "this guest was descheduled: 2.000 s of CPU steal in 10.000 s",
                "this guest was suspended for 5.000 s",
                "this guest's clock stepped back by 1 h 00 min 00.0 s",
            ]
        );
    }

    #[test]
    fn a_clock_that_did_not_go_evenly_is_told() {
        let slip = ClockSlip { by: -300_000_000, uncertainty: Duration::from_micros(50) };
        let row = Row { clock_slip: Some(slip), ..row(Guest::default(), Duration::ZERO) };
        assert!(is_disturbed(&row));
        assert_eq!(
            remarks(&row),
            [
                "this guest's clock went 300.00 ms slower than the master's: one stood still or was slewed, and the start is \
                 as unsure"
            ]
        );
    }

    #[test]
    fn an_output_that_is_not_here_is_said_to_be_there() {
        let row = Row {
            output: Some(Output::Failed { why: "it closed the connection".into() }),
            output_place: Some(OutputPlace { length: 5, path: "/w/synexec.out".into() }),
            answered_late: Some(Duration::from_secs(7)),
            ..row(Guest::default(), Duration::ZERO)
        };
        assert_eq!(
            remarks(&row),
            [
                "it took 7.000 s to answer when it was probed",
                "its output could not be fetched: it closed the connection; it is in /w/synexec.out there",
            ]
        );
        assert!(!is_disturbed(&row));
    }
}
