//! The slave's connection to a master: searching for one, connected, suspecting that the connection is dead, or resuming a
//! connection that has broken.

#[cfg(test)]
mod tests;
mod transitions;
mod watch;

use std::net::SocketAddr;
use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Feature, Features, ResumeToken};
use synexec_proto::time::MonotonicInstant;
use watch::Watch;

/// Time between two attempts to reach a given master, or to listen; short enough to be back within a second.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Time for the master to answer on a second connection.
const SECOND_TIME: Duration = Duration::from_secs(5);

/// The connection, and what is needed to resume it.
#[derive(Debug)]
pub(super) struct Link {
    state: State,
    /// The master of the last connection.
    master: Option<SocketAddr>,
    /// The token by which the master recognises this slave on a new connection.
    token: Option<ResumeToken>,
    /// When a connection was resumed last.
    resumed_at: Option<MonotonicInstant>,
    watch: Watch,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// In discovery, with the instant of the next attempt.
    Waiting(MonotonicInstant),
    /// In discovery: a probe is awaited.
    Listening,
    /// In discovery: a connection is awaited.
    Connecting,
    /// In a session with these features.
    Connected(Features),
    /// In a session whose connection may be dead. The slave keeps this connection, and tries to resume the session on a
    /// second one.
    Suspecting(Suspicion),
    /// The connection of a session has broken, and the slave tries to resume it.
    Resuming(Resumption),
    /// The session is over, and the slave is not back in discovery yet.
    Closed,
    /// The program ends.
    Exited,
}

#[derive(Debug, PartialEq, Eq)]
struct Suspicion {
    /// The features by which messages on the first connection are read.
    features: Features,
    attempt: Attempt,
    /// When the attempt is given up because the master does not answer on the second connection.
    answer_by: Option<MonotonicInstant>,
}

#[derive(Debug, PartialEq, Eq)]
struct Resumption {
    /// When the slave gives up.
    until: MonotonicInstant,
    /// Why the connection broke.
    why: Disconnect,
    attempt: Attempt,
}

#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    /// The next attempt is made at this instant.
    Waiting(MonotonicInstant),
    Connecting,
    /// A connection is there, on which the master has not recognised this slave yet.
    Connected,
}

/// The consequence of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterFailure {
    /// The slave tries again to resume the session.
    TriesAgain,
    /// The session, if there was one, is over; the next attempt is made at this instant.
    Over(MonotonicInstant),
}

impl Link {
    /// No connection, and no attempt to make one yet.
    pub(super) fn new() -> Self {
        Self { state: State::Closed, master: None, token: None, resumed_at: None, watch: Watch::new() }
    }

    /// Whether a message can be sent.
    pub(super) fn is_open(&self) -> bool {
        self.features().is_some()
    }

    /// The features by which messages are read, if a connection is there. Nothing is agreed before the master has
    /// introduced itself.
    pub(super) fn features(&self) -> Option<Features> {
        match self.state {
            State::Connected(features) | State::Suspecting(Suspicion { features, .. }) => Some(features),
            State::Resuming(Resumption { attempt: Attempt::Connected, .. }) => Some(Features::NONE),
            _ => None,
        }
    }

    /// Whether both sides of the connection know this feature.
    pub(super) fn has_agreed(&self, feature: Feature) -> bool {
        self.features().is_some_and(|features| features.has(feature))
    }

    /// The master of the last connection.
    pub(super) fn master(&self) -> Option<SocketAddr> {
        self.master
    }

    /// Whether the slave tries to resume a connection.
    pub(super) fn is_resuming(&self) -> bool {
        matches!(self.state, State::Resuming(_))
    }

    /// Whether the session is over and the slave is not back in discovery yet.
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether the program ends.
    pub(super) fn has_exited(&self) -> bool {
        self.state == State::Exited
    }

    /// Whether a broken connection could be resumed.
    pub(super) fn can_be_resumed(&self) -> bool {
        self.has_agreed(Feature::Resume) && self.token.is_some()
    }

    /// Whether the slave suspects that its connection is dead.
    pub(super) fn is_suspecting(&self) -> bool {
        matches!(self.state, State::Suspecting(_))
    }

    /// Whether a probe is awaited.
    pub(super) fn is_listening(&self) -> bool {
        self.state == State::Listening
    }

    /// Whether a connection is there or awaited.
    pub(super) fn is_in_use(&self) -> bool {
        self.is_connecting() || self.is_open()
    }

    /// Whether a connection is awaited.
    fn is_connecting(&self) -> bool {
        match &self.state {
            State::Connecting => true,
            State::Suspecting(Suspicion { attempt, .. }) | State::Resuming(Resumption { attempt, .. }) => {
                *attempt == Attempt::Connecting
            }
            _ => false,
        }
    }

    /// The token to show to the master; none in a new session.
    pub(super) fn token_to_show(&self) -> Option<ResumeToken> {
        self.token.filter(|_| self.is_resuming() || self.is_suspecting())
    }

    /// When the next attempt is made, or the slave gives up an attempt or the session.
    pub(super) fn deadline(&self) -> Option<MonotonicInstant> {
        let give_up = match self.state {
            State::Resuming(Resumption { until, .. }) => Some(until),
            State::Suspecting(Suspicion { answer_by, .. }) => answer_by,
            _ => None,
        };
        self.next_attempt().into_iter().chain(give_up).min()
    }

    /// When the slave suspects that its connection is dead, unless a message comes before. The master has not acknowledged
    /// the end of a task that was reported at the given instant.
    pub(super) fn suspicious_at(&self, reported: Option<MonotonicInstant>) -> Option<MonotonicInstant> {
        let is_trusted = matches!(self.state, State::Connected(_)) && self.can_be_resumed();
        is_trusted.then(|| self.watch.suspicious_at(reported)).flatten()
    }

    /// How long the master has been silent.
    pub(super) fn silence(&self, now: MonotonicInstant) -> Duration {
        self.watch.silence(now)
    }

    /// Whether the master should have answered on the second connection by now.
    pub(super) fn is_answer_overdue(&self, now: MonotonicInstant) -> bool {
        matches!(self.state, State::Suspecting(Suspicion { answer_by: Some(by), .. }) if now >= by)
    }

    /// Whether the next attempt is due.
    pub(super) fn is_attempt_due(&self, now: MonotonicInstant) -> bool {
        self.next_attempt().is_some_and(|at| now >= at)
    }

    /// Whether the time in which the connection could be resumed is over.
    pub(super) fn is_resumption_over(&self, now: MonotonicInstant) -> bool {
        matches!(self.state, State::Resuming(Resumption { until, .. }) if now >= until)
    }

    fn next_attempt(&self) -> Option<MonotonicInstant> {
        match self.state {
            State::Waiting(at)
            | State::Suspecting(Suspicion { attempt: Attempt::Waiting(at), .. })
            | State::Resuming(Resumption { attempt: Attempt::Waiting(at), .. }) => Some(at),
            _ => None,
        }
    }
}
