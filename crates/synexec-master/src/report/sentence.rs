//! One sentence about a round, and about a session.

use std::time::Duration;

use synexec_session::interrupt::Interrupt;
use synexec_session::master::{Outcome, Round, Skew, Verdict};

use super::crowd::{Crowd, crowds};
use super::document::Asked;
use super::median::median;
use super::remarks::is_disturbed;
use crate::units::{count, part, time, time_within};

/// A round: how many slaves succeeded, how far apart the starts were, and how long all tasks ran together.
pub fn of_round(round: &Round) -> String {
    if !has_started(round) {
        return of_unstarted(round);
    }
    let slaves = round.rows.len();
    let succeeded = round.rows.iter().filter(|row| row.outcome.has_succeeded()).count();
    let disturbed = round.rows.iter().filter(|row| is_disturbed(row)).count();
    let start = round.skew.as_ref().map_or_else(String::new, |skew| format!("; {}", of_skew(skew)));
    let succeeded = part(succeeded, slaves, "slave");
    format!("{succeeded} succeeded{start}.{}{}", of_crowds(&crowds(&round.rows)), of_disturbed(disturbed))
}

/// Says that starts had to wait for a core.
fn of_crowds(crowds: &[Crowd]) -> String {
    let [Crowd { tasks, cores, address, lateness }, others @ ..] = crowds else { return String::new() };
    let others = match others.len() {
        0 => String::new(),
        others => format!(" {} had more tasks than cores too.", count(others, "other host")),
    };
    format!(
        " {tasks} tasks on {} of {address} could not all start at once: the last one was released {} late.{others}",
        count(*cores, "core"),
        time(*lateness)
    )
}

fn has_started(round: &Round) -> bool {
    round.ordered.is_some() || round.rows.iter().any(|row| row.outcome.has_ended())
}

fn of_unstarted(round: &Round) -> String {
    let number = |wanted: fn(&Outcome) -> bool| round.rows.iter().filter(|row| wanted(&row.outcome)).count();
    let declined = number(|outcome| matches!(outcome, Outcome::Declined(_)));
    let lost = number(|outcome| matches!(outcome, Outcome::Lost { .. }));
    let of_slaves = |number| part(number, round.rows.len(), "slave");
    match (declined, lost) {
        (0, 0) => "No task was started.".to_owned(),
        (declined, 0) => format!("No task was started: {} declined.", of_slaves(declined)),
        (0, lost) => format!("No task was started: {} {} lost.", of_slaves(lost), were(lost)),
        (declined, lost) => {
            format!("No task was started: {} declined and {lost} {} lost.", of_slaves(declined), were(lost))
        }
    }
}

fn of_disturbed(guests: usize) -> String {
    if guests == 0 {
        return String::new();
    }
    format!(
        " {} {} disturbed (descheduled or suspended, or a clock was set or stopped): the figures are not reliable.",
        count(guests, "guest"),
        were(guests)
    )
}

fn were(number: usize) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

/// A session: the sentence of its only round, or a sentence about all rounds.
pub fn of_session(rounds: &[Round], verdict: Verdict, asked: &Asked) -> String {
    let rounds: Vec<_> = rounds.iter().filter(|round| !round.rows.is_empty()).collect();
    let (here, slaves) =
        (rounds.first().map_or(0, |round| round.rows.len()), usize::try_from(asked.slaves).unwrap_or(usize::MAX));
    let joined = part(here, slaves, "slave");
    let interrupted = of_interrupt(verdict);
    match (&rounds[..], verdict) {
        ([] | [_], Verdict::NotEnoughSlaves) => {
            format!("Only {joined} joined in time; no task was started.")
        }
        (rounds, Verdict::Interrupted(_)) if !rounds.iter().any(|round| has_started(round)) => {
            format!("{interrupted} when {joined} had joined; no task was started.")
        }
        ([], _) => format!("No task was started: {joined} had joined."),
        (rounds, _) => {
            let interrupted = if interrupted.is_empty() { interrupted } else { interrupted + ". " };
            let of_rounds = match rounds {
                [round] if asked.rounds == 1 => of_round(round),
                rounds => of_rounds(rounds, asked.rounds),
            };
            format!("{interrupted}{}{of_rounds}", of_quorum(here, slaves))
        }
    }
}

/// How the user has ended the session early; empty if the user has not.
fn of_interrupt(verdict: Verdict) -> String {
    let words = match verdict {
        Verdict::Interrupted(Interrupt::Interrupt) => "Interrupted",
        Verdict::Interrupted(Interrupt::Terminate) => "Interrupted by SIGTERM",
        _ => "",
    };
    words.to_owned()
}

/// Names the slaves that are missing, if the session began with fewer than the user asked for.
fn of_quorum(here: usize, asked: usize) -> String {
    if here < asked { format!("Only {} took part. ", part(here, asked, "slave")) } else { String::new() }
}

fn of_rounds(rounds: &[&Round], asked: u32) -> String {
    let good = rounds.iter().filter(|round| round.rows.iter().all(|row| row.outcome.has_succeeded())).count();
    let spread = spread(rounds).map_or_else(String::new, |spread| format!("; {spread}"));
    let left_out = usize::try_from(asked).unwrap_or(0).saturating_sub(rounds.len());
    let left_out = match left_out {
        0 => String::new(),
        left_out => format!("; {} {} not run", count(left_out, "round"), were(left_out)),
    };
    let rounds = part(good, usize::try_from(asked).unwrap_or(usize::MAX), "round");
    format!("All slaves succeeded in {rounds}{left_out}{spread}.")
}

fn of_skew(skew: &Skew) -> String {
    let figure = time_within(skew.skew, skew.uncertainty);
    let together = match skew.together {
        Some(together) if together > Duration::ZERO => time(together),
        _ if skew.known < skew.slaves => {
            // One start alone has no skew.
            let within = if skew.known > 1 { format!(", with a skew of {figure}") } else { String::new() };
            let known = part(skew.known, skew.slaves, "start");
            return format!("{known} {} known{within}", if skew.known == 1 { "is" } else { "are" });
        }
        _ => return format!("skew {figure}; at no time did all tasks run"),
    };
    if skew.slaves == 1 {
        format!("the task ran for {together}")
    } else {
        format!("skew {figure}; all ran together for {together}")
    }
}

/// The least, median and largest skew of several rounds.
fn spread(rounds: &[&Round]) -> Option<String> {
    let known: Vec<_> = rounds.iter().filter_map(|round| round.skew).collect();
    let whole = known.iter().filter(|skew| skew.known == skew.slaves);
    let mut skews: Vec<_> = whole.map(|skew| skew.skew).collect();
    skews.sort();
    let [least, middle, most] = [*skews.first()?, median(&skews)?, *skews.last()?].map(time);
    let partly = match rounds.len() - skews.len() {
        0 => String::new(),
        partly => format!(" (without {} with unknown starts)", count(partly, "round")),
    };
    Some(format!("skew{partly} {least} to {most}, median {middle}"))
}

#[cfg(test)]
mod tests {
    use synexec_proto::message::Guest;
    use synexec_proto::task_end::TaskEnd;
    use synexec_proto::time::MonotonicInstant;
    use synexec_session::master::{Row, SlaveLabel};

    use super::*;

    fn row(status: u8) -> Row {
        let slave = SlaveLabel::new("vm".into(), "10.0.0.1:5".parse().unwrap());
        Row::new(0, slave, Outcome::Ended(TaskEnd::Exited(status)))
    }

    fn asked(slaves: u32, rounds: u32) -> Asked {
        Asked::new(slaves, rounds)
    }

    fn round(micros: u64, known: usize, rows: Vec<Row>) -> Round {
        let [skew, uncertainty] = [micros, 40].map(Duration::from_micros);
        let first = MonotonicInstant::from_nanos(5);
        let together = (known == rows.len()).then_some(Duration::from_millis(900));
        let skew = Some(Skew { first, skew, uncertainty, known, slaves: rows.len(), together });
        Round { rows, skew, ordered: None }
    }

    #[test]
    fn the_sentence_of_a_round_has_its_skew() {
        let all = round(120, 2, vec![row(0), row(0)]);
        assert_eq!(of_round(&all), "2 of 2 slaves succeeded; skew 120.0 ± 40.0 µs; all ran together for 900.00 ms.");
        let some = round(120, 2, vec![row(0), row(3), row(3)]);
        assert_eq!(
            of_round(&some),
            "1 of 3 slaves succeeded; 2 of 3 starts are known, with a skew of 120.0 ± 40.0 µs."
        );
        let one = round(0, 1, vec![row(0), row(3)]);
        assert_eq!(of_round(&one), "1 of 2 slaves succeeded; 1 of 2 starts is known.");
        let guest = Some(Guest { suspended: Duration::from_secs(1), ..Guest::default() });
        let disturbed = Round { rows: vec![Row { guest, ..row(0) }], skew: None, ordered: None };
        let expected = "1 of 1 slave succeeded. 1 guest was disturbed (descheduled or suspended, or a clock was set or \
                        stopped): the figures are not reliable.";
        assert_eq!(of_round(&disturbed), expected);
    }

    #[test]
    fn the_sentence_says_that_starts_had_to_wait_for_a_core() {
        let crowd = |last: u8| Crowd {
            tasks: 4,
            cores: 2,
            address: std::net::IpAddr::from([10, 0, 0, last]),
            lateness: Duration::from_millis(3),
        };
        let expected =
            " 4 tasks on 2 cores of 10.0.0.1 could not all start at once: the last one was released 3.00 ms late.";
        assert_eq!(of_crowds(&[crowd(1)]), expected);
        let expected = format!("{expected} 2 other hosts had more tasks than cores too.");
        assert_eq!(of_crowds(&[crowd(1), crowd(2), crowd(3)]), expected);
        assert_eq!(of_crowds(&[]), "");
    }

    #[test]
    fn the_sentence_of_several_rounds_has_the_spread_of_their_skews() {
        let rounds =
            |last| [10, 40, 20, 70].map(|micros| round(micros, if micros == 70 { last } else { 1 }, vec![row(0)]));
        let sentence = of_session(&rounds(1), Verdict::Succeeded, &asked(1, 4));
        let spread = "skew 10.0 µs to 70.0 µs, median 30.0 µs.";
        assert_eq!(sentence, format!("All slaves succeeded in 4 of 4 rounds; {spread}"));
        let partly = of_session(&rounds(0), Verdict::Lost, &asked(1, 6));
        let spread = "skew (without 1 round with unknown starts) 10.0 µs to 40.0 µs, median 20.0 µs.";
        assert_eq!(partly, format!("All slaves succeeded in 4 of 6 rounds; 2 rounds were not run; {spread}"));
    }

    #[test]
    fn the_sentence_says_that_slaves_are_missing() {
        let unmeasured = || Round { rows: vec![row(0)], skew: None, ordered: None };
        let one = of_session(&[unmeasured()], Verdict::Succeeded, &asked(3, 1));
        assert_eq!(one, "Only 1 of 3 slaves took part. 1 of 1 slave succeeded.");
        let two = of_session(&[unmeasured(), unmeasured()], Verdict::Succeeded, &asked(3, 2));
        assert_eq!(two, "Only 1 of 3 slaves took part. All slaves succeeded in 2 of 2 rounds.");
    }

    #[test]
    fn a_session_that_did_not_start_has_a_sentence_too() {
        let none = Round { rows: Vec::new(), skew: None, ordered: None };
        let expected = "Only 0 of 3 slaves joined in time; no task was started.";
        assert_eq!(of_session(&[none], Verdict::NotEnoughSlaves, &asked(3, 1)), expected);
        let ended = |outcome| Row { outcome, ..row(0) };
        let rows = vec![ended(Outcome::Cancelled), ended(Outcome::Declined(None)), ended(Outcome::Cancelled)];
        let some = || [Round { rows: rows.clone(), skew: None, ordered: None }];
        let expected = "No task was started: 1 of 3 slaves declined.";
        assert_eq!(of_session(&some(), Verdict::Declined, &asked(3, 1)), expected);
        let expected = "Interrupted when 3 of 4 slaves had joined; no task was started.";
        let interrupted = Verdict::Interrupted(Interrupt::Interrupt);
        assert_eq!(of_session(&some(), interrupted, &asked(4, 1)), expected);
        let expected = "Interrupted by SIGTERM when 0 of 4 slaves had joined; no task was started.";
        assert_eq!(of_session(&[], Verdict::Interrupted(Interrupt::Terminate), &asked(4, 1)), expected);
    }

    #[test]
    fn the_sentence_says_that_the_user_has_interrupted_the_session() {
        let killed = || Row { outcome: Outcome::Ended(TaskEnd::Killed(15)), ..row(0) };
        let round = || Round { rows: vec![row(0), killed()], skew: None, ordered: None };
        let interrupted =
            |rounds: &[Round], asked| of_session(rounds, Verdict::Interrupted(Interrupt::Interrupt), &asked);
        assert_eq!(interrupted(&[round()], asked(2, 1)), "Interrupted. 1 of 2 slaves succeeded.");
        let expected = "Interrupted. Only 2 of 3 slaves took part. 1 of 2 slaves succeeded.";
        assert_eq!(interrupted(&[round()], asked(3, 1)), expected);
        let expected = "Interrupted. All slaves succeeded in 0 of 4 rounds; 2 rounds were not run.";
        assert_eq!(interrupted(&[round(), round()], asked(2, 4)), expected);
    }
}
