//! How the link changes its state.

use std::net::SocketAddr;
use std::time::Duration;

use super::{AfterFailure, Attempt, Link, RETRY_INTERVAL, Resumption, SECOND_TIME, State, Suspicion};
use crate::slave::Action;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Features, ResumeToken};
use synexec_proto::time::MonotonicInstant;

impl Link {
    /// In discovery; the next attempt is made at this instant.
    pub(in crate::slave) fn wait(&mut self, until: MonotonicInstant) {
        self.state = State::Waiting(until);
    }

    /// Makes the next attempt: dials the master, or listens for a probe.
    pub(in crate::slave) fn attempt(&mut self, dials: bool) -> Action {
        match &mut self.state {
            State::Resuming(resumption) => {
                resumption.attempt = Attempt::Connecting;
                Action::Connect(self.master)
            }
            State::Suspecting(suspicion) => {
                suspicion.attempt = Attempt::Connecting;
                Action::ConnectSecond(self.master)
            }
            _ if dials => {
                self.state = State::Connecting;
                Action::Connect(None)
            }
            _ => {
                self.state = State::Listening;
                Action::Listen
            }
        }
    }

    /// A probe of this master was heard. If the slave listened, it connects now.
    pub(in crate::slave) fn invited(&mut self, master: SocketAddr) -> Option<Action> {
        if self.state != State::Listening {
            return None;
        }
        self.state = State::Connecting;
        Some(Action::Connect(Some(master)))
    }

    /// A connection is there. Returns whether it was awaited.
    pub(in crate::slave) fn connected(&mut self, now: MonotonicInstant, master: SocketAddr) -> bool {
        match &mut self.state {
            State::Connecting => self.state = State::Connected(Features::NONE),
            State::Suspecting(suspicion) if suspicion.attempt == Attempt::Connecting => {
                (suspicion.attempt, suspicion.answer_by) = (Attempt::Connected, Some(now.plus(SECOND_TIME)));
            }
            State::Resuming(resumption) if resumption.attempt == Attempt::Connecting => {
                resumption.attempt = Attempt::Connected;
            }
            _ => return false,
        }
        self.master = Some(master);
        true
    }

    /// No connection could be made. Returns what follows, if one was awaited.
    pub(in crate::slave) fn connect_failed(&mut self, now: MonotonicInstant) -> Option<AfterFailure> {
        self.is_connecting().then(|| self.attempt_failed(now))
    }

    /// The attempt has ended without a session.
    pub(in crate::slave) fn attempt_failed(&mut self, now: MonotonicInstant) -> AfterFailure {
        let next = now.plus(RETRY_INTERVAL);
        match &mut self.state {
            State::Resuming(resumption) => {
                resumption.attempt = Attempt::Waiting(next);
                AfterFailure::TriesAgain
            }
            State::Suspecting(suspicion) => {
                let next = now.plus(self.watch.pause(now));
                (suspicion.attempt, suspicion.answer_by) = (Attempt::Waiting(next), None);
                AfterFailure::TriesAgain
            }
            _ => {
                self.state = State::Closed;
                AfterFailure::Over(next)
            }
        }
    }

    /// The master has introduced itself in a new session.
    pub(in crate::slave) fn agree(&mut self, features: Features) {
        if let State::Connected(agreed) = &mut self.state {
            *agreed = features;
        }
    }

    /// A new conf brings its own token and promise of a heartbeat, or none.
    pub(in crate::slave) fn set_terms(&mut self, token: Option<ResumeToken>, heartbeat: Option<Duration>) {
        self.token = token;
        self.watch.rely_on(heartbeat);
    }

    /// A message has come on the connection of the session. Returns whether the slave suspected that the connection was
    /// dead.
    pub(in crate::slave) fn heard(&mut self, now: MonotonicInstant) -> bool {
        self.watch.heard(now);
        let State::Suspecting(Suspicion { features, .. }) = self.state else { return false };
        self.state = State::Connected(features);
        true
    }

    /// The master is silent for too long, since this instant. Begins to suspect the connection, unless the slave itself was
    /// stopped meanwhile.
    pub(in crate::slave) fn suspect(&mut self, now: MonotonicInstant, due: MonotonicInstant) -> Option<Action> {
        let State::Connected(features) = self.state else { return None };
        if self.watch.put_off(now, due) {
            return None;
        }
        self.state = State::Suspecting(Suspicion { features, attempt: Attempt::Connecting, answer_by: None });
        Some(Action::ConnectSecond(self.master))
    }

    /// The connection broke; begins to resume it for so long. A second connection, if there is one or one is awaited, takes
    /// the place of the first. A connection that breaks whenever it stands is not dialled all the time.
    pub(in crate::slave) fn resume(
        &mut self,
        now: MonotonicInstant,
        wait: Duration,
        why: Disconnect,
    ) -> [Option<Action>; 2] {
        let broke_at_once = self.resumed_at.is_some_and(|at| now.since(at) < RETRY_INTERVAL);
        let (attempt, actions) = match std::mem::replace(&mut self.state, State::Closed) {
            State::Suspecting(Suspicion { attempt: attempt @ (Attempt::Connecting | Attempt::Connected), .. }) => {
                (attempt, [Some(Action::UseSecond), None])
            }
            _ if broke_at_once => (Attempt::Waiting(now.plus(RETRY_INTERVAL)), [Some(Action::Disconnect), None]),
            _ => (Attempt::Connecting, [Action::Disconnect, Action::Connect(self.master)].map(Some)),
        };
        self.state = State::Resuming(Resumption { until: now.plus(wait), why, attempt });
        actions
    }

    /// The master has answered with this token. The session goes on if the token is that of the session; returns
    /// whether it is.
    pub(in crate::slave) fn try_recognise(
        &mut self,
        now: MonotonicInstant,
        token: Option<ResumeToken>,
        features: Features,
    ) -> bool {
        let is_recognised = self.token_to_show().is_some() && token == self.token;
        if is_recognised {
            self.state = State::Connected(features);
            self.watch.heard(now);
            self.resumed_at = Some(now);
        }
        is_recognised
    }

    /// Gives up resuming; returns why the connection broke.
    pub(in crate::slave) fn give_up(&mut self) -> Option<Disconnect> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Resuming(Resumption { why, .. }) => Some(why),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The session is over.
    pub(in crate::slave) fn close(&mut self) {
        self.state = State::Closed;
    }

    /// The program ends.
    pub(in crate::slave) fn exit(&mut self) {
        self.state = State::Exited;
    }
}
