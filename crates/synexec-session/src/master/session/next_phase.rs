//! When a phase is over, and what follows it.

use super::super::awake::Now;
use super::super::configuring::Configuring;
use super::super::executing::Executing;
use super::super::fetching::Fetching;
use super::super::joining::Joining;
use super::super::member::Member;
use super::super::phase::Phase;
use super::super::report::lets_round_follow;
use super::super::starting::Starting;
use super::super::{Notice, OutputsWanted, Report, Round, Row, Verdict};
use super::Session;

impl Session {
    /// Goes on to the next phase when this one is over, and further if the next one has nothing to wait for.
    pub(super) fn proceed(&mut self, now: Now) {
        loop {
            let before = self.phase.as_ref().map(std::mem::discriminant);
            self.step(now);
            if self.phase.as_ref().map(std::mem::discriminant) == before {
                return;
            }
        }
    }

    fn step(&mut self, now: Now) {
        if let Some(phase) = &mut self.phase {
            phase.proceed(now, &mut self.actions);
        }
        self.phase = match self.phase.take() {
            Some(Phase::Joining(phase)) => Some(self.after_joining(now, phase)),
            Some(Phase::Configuring(phase)) => Some(self.after_configuring(now, phase)),
            Some(Phase::Starting(phase)) => Some(self.after_starting(now, phase)),
            Some(Phase::Executing(phase)) => Some(self.after_executing(now, phase)),
            Some(Phase::Fetching(phase)) => Some(self.after_fetching(now, phase)),
            over => over,
        };
    }

    fn after_joining(&mut self, now: Now, phase: Joining) -> Phase {
        if phase.is_complete() {
            self.lobby.clear(&mut self.actions);
            let members = phase.into_members(&mut self.actions);
            Phase::Configuring(Configuring::begin(&self.settings, members, now, &mut self.actions))
        } else if phase.has_given_up(now) {
            let rows = phase.into_rows(now, false, &mut self.actions);
            self.ended_by = Some(Verdict::NotEnoughSlaves);
            self.over(rows)
        } else {
            Phase::Joining(phase)
        }
    }

    fn after_configuring(&mut self, now: Now, phase: Configuring) -> Phase {
        if phase.all_accepted() {
            Phase::Starting(Starting::begin(&self.settings, phase.into_members(), now))
        } else if phase.is_called_off(now) {
            let rows = phase.into_rows(now, &mut self.actions);
            self.over(rows)
        } else {
            Phase::Configuring(phase)
        }
    }

    fn after_starting(&mut self, now: Now, phase: Starting) -> Phase {
        if let Some(instant) = phase.started_at() {
            let (members, round) = (phase.into_members(), self.round());
            let actions = &mut self.actions;
            Phase::Executing(Executing::begin(&self.settings, round, members, instant, now, actions))
        } else if phase.is_called_off() {
            let rows = phase.into_rows(now, &mut self.actions);
            self.over(rows)
        } else {
            Phase::Starting(phase)
        }
    }

    /// A further round begins only when every slave has one connection: on the first of two connections, its order to hold the
    /// task would get lost.
    fn after_executing(&mut self, now: Now, phase: Executing) -> Phase {
        // If outputs are fetched, the answers about clocks arrive meanwhile.
        let awaits_clocks = self.settings.outputs == OutputsWanted::Nothing && phase.awaits_clocks();
        let may_go_on = phase.is_over(true) && (phase.interrupted().is_some() || !self.lobby.has_second());
        if awaits_clocks || !phase.is_over(false) || !may_go_on && self.needs_slaves(phase.rows()) {
            return Phase::Executing(phase);
        }
        if let Some(interrupt) = phase.interrupted() {
            self.ended_by = Some(Verdict::Interrupted(interrupt));
        }
        self.ordered = Some(phase.instant());
        let at_once = phase.ends_at_once();
        let members = phase.into_members();
        if self.settings.outputs == OutputsWanted::Nothing {
            return self.after_round(now, members);
        }
        let (settings, round, actions) = (&self.settings, self.round(), &mut self.actions);
        let mut phase = Fetching::begin(settings, round, members, now, actions);
        match self.ended_by {
            Some(Verdict::MasterFailed) => phase.abandon("outputs cannot be stored here any more", actions),
            Some(_) if at_once => phase.abandon("interrupted", actions),
            Some(Verdict::Interrupted(_)) => phase.wait_for_nobody(now, actions),
            _ => {}
        }
        Phase::Fetching(phase)
    }

    fn after_fetching(&mut self, now: Now, phase: Fetching) -> Phase {
        let may_go_on = phase.is_over(true) && !self.lobby.has_second();
        if !phase.is_over(false) || !may_go_on && self.needs_slaves(phase.rows()) {
            return Phase::Fetching(phase);
        }
        self.after_round(now, phase.into_members())
    }

    fn after_round(&mut self, now: Now, mut members: Vec<Member>) -> Phase {
        let rows = members.iter_mut().filter_map(Member::take_row).collect();
        let this = Round::new(rows, self.ordered);
        if !self.needs_slaves(this.rows.iter()) {
            for member in &members {
                member.part(&mut self.actions);
            }
            return self.over(this.rows);
        }
        self.rounds.push(this);
        self.ordered = None;
        self.next_round(now, members)
    }

    /// The number of the present round, from 1.
    fn round(&self) -> u32 {
        u32::try_from(self.rounds.len() + 1).unwrap_or(u32::MAX)
    }

    /// Whether another round that needs the slaves follows a round with these rows.
    fn needs_slaves<'a>(&self, mut rows: impl Iterator<Item = &'a Row>) -> bool {
        let on_failure = self.settings.on_failure;
        self.rounds_left() > 0 && self.ended_by.is_none() && rows.all(|row| lets_round_follow(row, on_failure))
    }

    /// Number of rounds after this one.
    fn rounds_left(&self) -> u32 {
        self.settings.rounds.get().saturating_sub(self.round())
    }

    fn next_round(&mut self, now: Now, members: Vec<Member>) -> Phase {
        let round = self.round();
        Phase::Configuring(Configuring::begin_again(&self.settings, round, members, now, &mut self.actions))
    }

    /// The end, with the rows of the last round.
    pub(super) fn over(&mut self, rows: Vec<Row>) -> Phase {
        self.lobby.clear(&mut self.actions);
        if self.rounds_left() > 0 {
            self.actions.tell(Notice::RoundsLeftOut { rounds: self.rounds_left() });
        }
        let mut rounds = std::mem::take(&mut self.rounds);
        rounds.push(Round::new(rows, self.ordered));
        let ended_by = self.ended_by.or(self.failed.then_some(Verdict::MasterFailed));
        let report = Report::new(rounds, self.settings.max_skew, ended_by);
        if let (Verdict::SkewExceeded, Some(most)) = (report.verdict, self.settings.max_skew) {
            self.actions.tell(Notice::SkewExceeded { most });
        }
        Phase::Over(report)
    }
}
