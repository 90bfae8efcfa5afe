//! Remarks on a slave in words: above all, why its figures are not reliable.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use synexec_proto::message::{Guest, TaskStream};
use synexec_session::clock::ClockSlip;
use synexec_session::master::{Output, Row};

use super::median::median;
use crate::units::{bytes, time};

/// Less CPU steal than this, or than a hundredth of the run, gets no remark. The kernel counts steal in ticks of 10 ms.
const STEAL_MIN: Duration = Duration::from_millis(20);

/// Clocks that disagree by less than this get no remark. Clocks of an undisturbed guest agree much better.
const CLOCK_MIN: Duration = Duration::from_millis(1);

/// A task that was released less late than this gets no remark.
pub const LATE_MIN: Duration = Duration::from_millis(1);

/// A task that took less than this factor of the median of its round gets no remark.
const SLOW_FACTOR: u32 = 2;

/// Nor does a task that took less than this longer than the median: short times differ by chance.
const SLOW_MIN: Duration = Duration::from_millis(100);

/// Fewest tasks that have a median to compare with.
const MEDIAN_OF: usize = 3;

/// The median of the times that the tasks of a round took which succeeded; none if these are too few. A task that failed
/// or was stopped mostly took less time.
pub fn usual_time(round: &[Row]) -> Option<Duration> {
    let whole = round.iter().filter(|row| row.outcome.has_succeeded() && row.stopped_after.is_none());
    let mut times: Vec<_> = whole.filter_map(|row| row.times).map(|times| times.elapsed).collect();
    times.sort_unstable();
    median(&times).filter(|_| times.len() >= MEDIAN_OF)
}

/// All remarks on a slave whose round has this usual time. A later round may have replaced the output on the slave.
pub fn remarks(row: &Row, usual: Option<Duration>, is_replaced: bool) -> Vec<String> {
    let elapsed = row.times.map_or(Duration::ZERO, |times| times.elapsed);
    let mut remarks: Vec<String> =
        row.stopped_after.iter().map(|cause| format!("its task was stopped after {cause}")).collect();
    remarks.extend(row.guest.iter().flat_map(|guest| of_guest(guest, elapsed)));
    remarks.extend(slip(row).map(slipped));
    remarks.extend(lateness(row).map(|late| format!("its task was released {} late", time(late))));
    remarks.extend(usual.and_then(|usual| slowness(elapsed, usual)));
    remarks.extend(row.answered_late.map(|late| format!("it took {} to answer a probe", time(late))));
    remarks.extend(reconnects(row.reconnects));
    let is_separate = row.errors_place.is_some();
    remarks.extend(row.output_lost.as_deref().map(|why| incomplete(why, is_separate)));
    remarks.extend(TaskStream::ALL.iter().filter_map(|stream| of_stream(row, *stream, is_replaced)));
    remarks
}

fn of_stream(row: &Row, stream: TaskStream, is_replaced: bool) -> Option<String> {
    match row.output_of(stream) {
        Some(Output::Failed { why }) => {
            Some(format!("its {stream} could not be fetched: {why}{}", place(row, stream, is_replaced)))
        }
        Some(Output::Cut { most }) => {
            Some(format!("its {stream} was cut: {}{}", why_cut(*most), place(row, stream, is_replaced)))
        }
        Some(Output::NoTail { why }) => Some(format!("the end of its {stream} could not be fetched: {why}")),
        None if !is_replaced => unusual_place(row, stream),
        _ => None,
    }
}

/// That the slave could not store all that a task wrote, and why. If the streams are separate, the reason names the
/// stream, or both.
pub fn incomplete(why: &str, is_separate: bool) -> String {
    format!("{why}: {} may be missing", if is_separate { "the end" } else { "the end of the output" })
}

/// Why an output was cut after this number of bytes.
pub fn why_cut(most: u64) -> String {
    format!("it is longer than {} (--max-output)", bytes(most))
}

/// The end of a sentence about an output that was not fetched: where the slave keeps it.
pub fn kept_at(path: Option<&str>) -> String {
    match path {
        None => String::new(),
        Some("") => "; the slave keeps it in its work directory".to_owned(),
        Some(path) => format!("; the slave keeps it in {path}"),
    }
}

fn place(row: &Row, stream: TaskStream, is_replaced: bool) -> String {
    match row.place(stream) {
        Some(_) if is_replaced => "; the task of the next round has replaced it on the slave".to_owned(),
        place => kept_at(place.map(|place| place.path.as_str())),
    }
}

/// Where a stream is that was not wanted, if another user's file on the slave's host has the usual name.
fn unusual_place(row: &Row, stream: TaskStream) -> Option<String> {
    let path = &row.place(stream)?.path;
    let usual = match stream {
        TaskStream::Output => "synexec.out",
        TaskStream::Errors => "synexec.err",
    };
    let is_usual = path.is_empty() || Path::new(path).file_name() == Some(OsStr::new(usual));
    (!is_usual).then(|| format!("another file has the name {usual}, and its {stream} is in {path}"))
}

/// Whether the hypervisor or a clock change disturbed the guest, so that its figures are not reliable.
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

/// A clock slip that deserves a remark. If the guest was suspended, the remark on that explains the slip.
fn slip(row: &Row) -> Option<ClockSlip> {
    let is_suspended = row.guest.as_ref().is_some_and(|guest| guest.suspended >= CLOCK_MIN);
    row.clock_slip.filter(|slip| Duration::from_nanos(slip.by.unsigned_abs()) >= CLOCK_MIN && !is_suspended)
}

fn slipped(slip: ClockSlip) -> String {
    let (by, how) = (time(Duration::from_nanos(slip.by.unsigned_abs())), if slip.by < 0 { "slower" } else { "faster" });
    format!(
        "this guest's clock ran {by} {how} than the master's: one of the clocks stood still or was slewed, so the \
         start is uncertain by the same amount"
    )
}

fn reconnects(times: u32) -> Option<String> {
    match times {
        0 => None,
        1 => Some("its connection broke and was resumed".to_owned()),
        times => Some(format!("its connection broke and was resumed {times} times")),
    }
}

fn slowness(elapsed: Duration, usual: Duration) -> Option<String> {
    let is_slow = elapsed >= usual.saturating_mul(SLOW_FACTOR) && elapsed.saturating_sub(usual) >= SLOW_MIN;
    let factor = elapsed.as_secs_f64() / usual.max(Duration::from_nanos(1)).as_secs_f64();
    is_slow.then(|| format!("its task ran {factor:.1} times as long as the median ({})", time(usual)))
}

fn lateness(row: &Row) -> Option<Duration> {
    row.start.map(|start| start.lateness).filter(|late| *late >= LATE_MIN)
}

#[cfg(test)]
mod tests {
    use synexec_proto::message::OutputPlace;
    use synexec_proto::task_end::TaskEnd;
    use synexec_proto::time::WallClockTime;
    use synexec_session::master::{Outcome, RunTimes, SlaveLabel, StopCause};

    use super::*;

    fn row(guest: Guest, elapsed: Duration) -> Row {
        let slave = SlaveLabel::new("vm".into(), "10.0.0.1:5".parse().unwrap());
        let at = WallClockTime::from_nanos(0);
        let times = Some(RunTimes { started: at, finished: at, elapsed });
        Row { guest: Some(guest), times, ..Row::new(0, slave, Outcome::Ended(TaskEnd::Exited(0))) }
    }

    fn remarks(row: &Row, usual: Option<Duration>) -> Vec<String> {
        super::remarks(row, usual, false)
    }

    #[test]
    fn a_disturbed_guest_has_remarks() {
        let secs = Duration::from_secs;
        let calm = Guest { steal: Duration::from_millis(90), clock_step: 900_000, ..Guest::default() };
        assert_eq!(remarks(&row(calm, secs(10)), None), Vec::<String>::new());
        let disturbed =
            Guest { steal: secs(2), clock_step: -3_600_000_000_000, suspended: secs(5), ..Guest::default() };
        let row = row(disturbed, secs(10));
        assert!(is_disturbed(&row));
        assert_eq!(
            remarks(&row, None),
            [
                "this guest was descheduled: 2.000 s of CPU steal in 10.000 s",
                "this guest was suspended for 5.000 s",
                "this guest's clock stepped back by 1 h 00 min 00.0 s",
            ]
        );
    }

    #[test]
    fn a_task_that_runs_twice_as_long_as_the_median_has_a_remark() {
        let ran = |millis: u64| row(Guest::default(), Duration::from_millis(millis));
        let said = |millis: &[u64]| {
            let round: Vec<_> = millis.iter().map(|millis| ran(*millis)).collect();
            round.iter().flat_map(|row| remarks(row, usual_time(&round))).collect::<Vec<_>>()
        };
        let expected = "its task ran 2.4 times as long as the median (10.000 s)";
        assert_eq!(said(&[10_000, 9_000, 24_000, 10_000, 11_000]), [expected]);
        assert_eq!(said(&[100, 100, 200]), ["its task ran 2.0 times as long as the median (100.00 ms)"]);
        for unremarkable in [&[10_000, 10_000, 19_000][..], &[1, 1, 90], &[1_000, 9_000], &[0, 0, 0]] {
            assert_eq!(said(unremarkable), Vec::<String>::new(), "{unremarkable:?}");
        }
    }

    #[test]
    fn tasks_that_failed_or_were_stopped_do_not_make_the_others_slow() {
        let ran = |millis| row(Guest::default(), Duration::from_millis(millis));
        let failed = || Row { outcome: Outcome::Ended(TaskEnd::Exited(1)), ..ran(10) };
        let timed_out = || Row { outcome: Outcome::TimedOut(Duration::from_secs(1)), ..ran(10) };
        let cause = StopCause::Failure(ran(1).slave);
        let stopped = || Row { stopped_after: Some(cause.clone()), ..ran(10) };
        let round = [failed(), timed_out(), stopped(), stopped(), ran(9_000), ran(10_000), ran(11_000)];
        assert_eq!(usual_time(&round), Some(Duration::from_secs(10)));
        assert_eq!(usual_time(&round[..6]), None);
    }

    #[test]
    fn a_clock_slip_has_a_remark() {
        let slip = ClockSlip { by: -300_000_000, uncertainty: Duration::from_micros(50) };
        let row = Row { clock_slip: Some(slip), ..row(Guest::default(), Duration::ZERO) };
        assert!(is_disturbed(&row));
        assert_eq!(
            remarks(&row, None),
            ["this guest's clock ran 300.00 ms slower than the master's: one of the clocks stood still or was \
                 slewed, so the start is uncertain by the same amount"]
        );
    }

    #[test]
    fn the_place_of_an_output_that_was_not_fetched_is_named() {
        let row = Row {
            output: Some(Output::Failed { why: "it closed the connection".into() }),
            output_place: Some(OutputPlace { length: 5, path: "/w/synexec.out".into() }),
            answered_late: Some(Duration::from_secs(7)),
            ..row(Guest::default(), Duration::ZERO)
        };
        assert_eq!(
            remarks(&row, None),
            [
                "it took 7.000 s to answer a probe",
                "its output could not be fetched: it closed the connection; the slave keeps it in /w/synexec.out",
            ]
        );
        assert!(!is_disturbed(&row));
        let cut = Row { output: Some(Output::Cut { most: 1 << 30 }), answered_late: None, ..row };
        let told = "its output was cut: it is longer than 1.0 GiB (--max-output); the slave keeps it in /w/synexec.out";
        assert_eq!(remarks(&cut, None), [told]);
        let told = "its output was cut: it is longer than 1.0 GiB (--max-output); the task of the next round has replaced \
                    it on the slave";
        assert_eq!(super::remarks(&cut, None, true), [told]);
    }

    #[test]
    fn an_incomplete_output_has_a_remark_that_contradicts_no_stream() {
        let row = Row { output_lost: Some("the disk was full".into()), ..row(Guest::default(), Duration::ZERO) };
        assert_eq!(remarks(&row, None), ["the disk was full: the end of the output may be missing"]);
        let errors_place = Some(OutputPlace { length: 5, path: "/w/synexec.err".into() });
        let output_lost = Some("the disk was full for the task's standard error".into());
        let separate = Row { errors_place, output_lost, ..row };
        assert_eq!(
            remarks(&separate, None),
            ["the disk was full for the task's standard error: the end may be missing"]
        );
    }

    #[test]
    fn the_place_of_an_output_that_was_not_wanted_is_named_if_it_is_unusual() {
        let remarks_with = |path: &str| {
            let place = Some(OutputPlace { length: 5, path: path.into() });
            remarks(&Row { output_place: place, ..row(Guest::default(), Duration::ZERO) }, None)
        };
        assert!(remarks_with("/w/synexec.out").is_empty() && remarks_with("").is_empty());
        let told = ["another file has the name synexec.out, and its output is in /w/synexec.out.1"];
        assert_eq!(remarks_with("/w/synexec.out.1"), told);
        let place = Some(OutputPlace { length: 5, path: "/w/synexec.out.1".into() });
        let row = Row { output_place: place, ..row(Guest::default(), Duration::ZERO) };
        assert_eq!(super::remarks(&row, None, true), Vec::<String>::new());
    }
}
