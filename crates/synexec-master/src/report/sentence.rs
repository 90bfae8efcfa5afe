//! A round, and a session, in one sentence.

use std::time::Duration;

use synexec_proto::master::{Round, Skew, Verdict};

use super::remarks::{has_succeeded, is_disturbed};
use crate::units::{time, time_within};

/// How many succeeded, how far apart they started, and how long all were running together.
pub fn of_round(round: &Round) -> String {
    let count = round.rows.len();
    let succeeded = round.rows.iter().filter(|row| has_succeeded(row)).count();
    let disturbed = round.rows.iter().filter(|row| is_disturbed(row)).count();
    let start = round.skew.as_ref().map_or_else(String::new, |skew| format!("; {}", of_skew(skew)));
    format!("{succeeded} of {count} {} succeeded{start}.{}", plural(count, "slave"), of_disturbed(disturbed))
}

fn of_disturbed(guests: usize) -> String {
    let were = match guests {
        0 => return String::new(),
        1 => "1 guest was".to_owned(),
        guests => format!("{guests} guests were"),
    };
    format!(" {were} descheduled or suspended, or had a clock set: that is no measurement.")
}

/// A session in one sentence: that of its only round, or how its rounds went together.
pub fn of_session(rounds: &[Round], verdict: Verdict, asked: u32) -> String {
    let rounds: Vec<_> = rounds.iter().filter(|round| !round.rows.is_empty()).collect();
    match (&rounds[..], verdict) {
        ([], _) => format!("No slave of {asked} took part."),
        ([round], Verdict::NotEnoughSlaves) => {
            format!("Only {} of {asked} slaves joined in time; no task was started.", round.rows.len())
        }
        ([round], _) => of_round(round),
        (rounds, _) => of_rounds(rounds),
    }
}

fn of_rounds(rounds: &[&Round]) -> String {
    let is_good = |round: &&&Round| round.rows.iter().all(has_succeeded);
    let (good, count) = (rounds.iter().filter(is_good).count(), rounds.len());
    let spread = spread(rounds).map_or_else(String::new, |spread| format!("; {spread}"));
    format!("All slaves succeeded in {good} of {count} rounds{spread}.")
}

fn of_skew(skew: &Skew) -> String {
    let figure = time_within(skew.skew, skew.uncertainty);
    if skew.known < skew.slaves {
        return format!("{} known {} within {figure}", skew.known, plural(skew.known, "start"));
    }
    let together = match skew.together {
        Some(together) if together > Duration::ZERO => format!("all ran together for {}", time(together)),
        _ => "they never all ran together".to_owned(),
    };
    format!("skew {figure}; {together}")
}

/// The spread of skews over several rounds.
fn spread(rounds: &[&Round]) -> Option<String> {
    let known: Vec<_> = rounds.iter().filter_map(|round| round.skew).collect();
    let mut skews: Vec<_> = known.iter().map(|skew| skew.skew).collect();
    skews.sort();
    let (least, most) = (skews.first()?, skews.last()?);
    let middle = (*skews.get((skews.len() - 1) / 2)? + *skews.get(skews.len() / 2)?) / 2;
    let [least, middle, most] = [*least, middle, *most].map(time);
    let partly = match known.iter().filter(|skew| skew.known < skew.slaves).count() {
        0 => String::new(),
        partly => format!(" (in {partly} of them not all starts are known)"),
    };
    Some(format!("skew{partly} {least} at least, {middle} median, {most} at most"))
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

#[cfg(test)]
mod tests {
    use synexec_proto::master::{Outcome, Row, SlaveLabel};
    use synexec_proto::message::Guest;
    use synexec_proto::outcome::TaskEnd;
    use synexec_proto::time::MonotonicInstant;

    use super::*;

    fn row(status: u8) -> Row {
        let slave = SlaveLabel { name: "vm".into(), address: "10.0.0.1:5".parse().unwrap() };
        Row::new(0, slave, Outcome::Ended(TaskEnd::Exited(status)))
    }

    fn round(micros: u64, known: usize, rows: Vec<Row>) -> Round {
        let [skew, uncertainty] = [micros, 40].map(Duration::from_micros);
        let first = MonotonicInstant::from_nanos(5);
        let together = (known == rows.len()).then_some(Duration::from_millis(900));
        let skew = Some(Skew { first, skew, uncertainty, known, slaves: rows.len(), together });
        Round { rows, skew, ordered: None }
    }

    #[test]
    fn a_round_is_told_with_its_skew() {
        let all = round(120, 2, vec![row(0), row(0)]);
        assert_eq!(of_round(&all), "2 of 2 slaves succeeded; skew 120.0 ± 40.0 µs; all ran together for 900.00 ms.");
        let some = round(120, 1, vec![row(0), row(3)]);
        assert_eq!(of_round(&some), "1 of 2 slaves succeeded; 1 known start within 120.0 ± 40.0 µs.");
        let guest = Some(Guest { suspended: Duration::from_secs(1), ..Guest::default() });
        let disturbed = Round { rows: vec![Row { guest, ..row(0) }], skew: None, ordered: None };
        let expected = "1 of 1 slave succeeded. 1 guest was descheduled or suspended, or had a clock set: that is no \
                        measurement.";
        assert_eq!(of_round(&disturbed), expected);
    }

    #[test]
    fn rounds_are_told_by_the_spread_of_their_skews() {
        let rounds =
            |last| [10, 40, 20, 70].map(|micros| round(micros, if micros == 70 { last } else { 1 }, vec![row(0)]));
        let sentence = of_session(&rounds(1), Verdict::Succeeded, 1);
        let spread = "skew 10.0 µs at least, 30.0 µs median, 70.0 µs at most.";
        assert_eq!(sentence, format!("All slaves succeeded in 4 of 4 rounds; {spread}"));
        let partly = of_session(&rounds(0), Verdict::Succeeded, 1);
        assert!(partly.contains("(in 1 of them not all starts are known)"), "{partly}");
    }

    #[test]
    fn a_session_that_did_not_start_is_told_too() {
        let none = Round { rows: Vec::new(), skew: None, ordered: None };
        assert_eq!(of_session(&[none], Verdict::NotEnoughSlaves, 3), "No slave of 3 took part.");
        let some = Round { rows: vec![row(0)], skew: None, ordered: None };
        let expected = "Only 1 of 3 slaves joined in time; no task was started.";
        assert_eq!(of_session(&[some], Verdict::NotEnoughSlaves, 3), expected);
    }
}
