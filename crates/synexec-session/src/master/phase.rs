//! The phase of a session, and how each phase takes an event.

use super::actions::Actions;
use super::awake::{Deadline, Now};
use super::comeback::{Comeback, FirstConnection};
use super::configuring::Configuring;
use super::executing::Executing;
use super::fetching::Fetching;
use super::heard::Heard;
use super::joining::Joining;
use super::starting::Starting;
use super::{OutputId, PeerId, Report};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Features, ResumeToken};

#[derive(Debug)]
pub(super) enum Phase {
    Joining(Joining),
    Configuring(Configuring),
    Starting(Starting),
    Executing(Executing),
    Fetching(Fetching),
    Over(Report),
}

impl Phase {
    /// Does what is due.
    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        match self {
            Self::Joining(phase) => phase.advance(now, actions),
            Self::Configuring(phase) => phase.advance(now, actions),
            Self::Starting(phase) => phase.advance(now, actions),
            Self::Executing(phase) => phase.advance(now, actions),
            Self::Fetching(phase) => phase.advance(now, actions),
            Self::Over(_) => {}
        }
    }

    /// Goes on with the work of the phase after an event.
    pub(super) fn proceed(&mut self, now: Now, actions: &mut Actions) {
        match self {
            Self::Joining(phase) => phase.call_roll(now, actions),
            Self::Configuring(phase) => phase.proceed(now, actions),
            Self::Starting(phase) => phase.proceed(now, actions),
            Self::Executing(phase) => phase.proceed(now, actions),
            Self::Fetching(phase) => phase.proceed(now, actions),
            Self::Over(_) => {}
        }
    }

    /// When something is due next; none when the session is over.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        Some(match self {
            Self::Joining(phase) => phase.deadline(),
            Self::Configuring(phase) => phase.deadline(),
            Self::Starting(phase) => phase.deadline(),
            Self::Executing(phase) => phase.deadline(),
            Self::Fetching(phase) => phase.deadline(),
            Self::Over(_) => return None,
        })
    }

    /// The features agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        match self {
            Self::Joining(phase) => phase.features(peer),
            Self::Configuring(phase) => phase.features(peer),
            Self::Starting(phase) => phase.features(peer),
            Self::Executing(phase) => phase.features(peer),
            Self::Fetching(phase) => phase.features(peer),
            Self::Over(_) => Features::NONE,
        }
    }

    /// A slave has said something.
    pub(super) fn received(&mut self, heard: Heard, actions: &mut Actions) {
        match self {
            Self::Joining(phase) => phase.received(&heard),
            Self::Configuring(phase) => phase.received(heard, actions),
            Self::Starting(phase) => phase.received(heard, actions),
            Self::Executing(phase) => phase.received(heard, actions),
            Self::Fetching(phase) => phase.received(heard, actions),
            Self::Over(_) => {}
        }
    }

    /// A connection has ended by itself.
    pub(super) fn disconnected(&mut self, now: Now, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        match self {
            Self::Joining(phase) => phase.disconnected(peer, why, actions),
            Self::Configuring(phase) => phase.disconnected(now, peer, why, actions),
            Self::Starting(phase) => phase.disconnected(now, peer, why, actions),
            Self::Executing(phase) => phase.disconnected(now, peer, why, actions),
            Self::Fetching(phase) => phase.disconnected(now, peer, why, actions),
            Self::Over(_) => {}
        }
    }

    /// The connection of the slave with this token, if no end of it is known.
    pub(super) fn first_connection(&self, token: ResumeToken) -> Option<FirstConnection> {
        match self {
            Self::Executing(phase) => phase.first_connection(token),
            Self::Fetching(phase) => phase.first_connection(token),
            Self::Joining(_) | Self::Configuring(_) | Self::Starting(_) | Self::Over(_) => None,
        }
    }

    /// Takes a slave back on its new connection. Returns whether the slave belongs to this session.
    pub(super) fn take_back(&mut self, comeback: Comeback, actions: &mut Actions) -> bool {
        match self {
            Self::Executing(phase) => phase.take_back(comeback, actions),
            Self::Fetching(phase) => phase.take_back(comeback, actions),
            Self::Joining(_) | Self::Configuring(_) | Self::Starting(_) | Self::Over(_) => false,
        }
    }

    /// The steps of an output so far are done.
    pub(super) fn output_stored(&mut self, now: Now, id: OutputId, actions: &mut Actions) {
        match self {
            Self::Executing(phase) => phase.output_stored(id, actions),
            Self::Fetching(phase) => phase.output_stored(now, id, actions),
            Self::Joining(_) | Self::Configuring(_) | Self::Starting(_) | Self::Over(_) => {}
        }
    }

    /// An output does not have the digest that its slave told.
    pub(super) fn output_differs(&mut self, now: Now, id: OutputId, actions: &mut Actions) {
        match self {
            Self::Executing(phase) => phase.output_differs(id, actions),
            Self::Fetching(phase) => phase.output_differs(now, id, actions),
            Self::Joining(_) | Self::Configuring(_) | Self::Starting(_) | Self::Over(_) => {}
        }
    }

    /// An output cannot be stored.
    pub(super) fn output_failed(&mut self, now: Now, id: OutputId, why: &str, actions: &mut Actions) {
        match self {
            Self::Executing(phase) => phase.output_failed(id, why, actions),
            Self::Fetching(phase) => phase.output_failed(now, id, why, actions),
            Self::Joining(_) | Self::Configuring(_) | Self::Starting(_) | Self::Over(_) => {}
        }
    }

    /// No output can be stored any more.
    pub(super) fn abandon_outputs(&mut self, why: &str, actions: &mut Actions) {
        match self {
            Self::Executing(phase) => phase.abandon_outputs(why, actions),
            Self::Fetching(phase) => phase.abandon(why, actions),
            Self::Joining(_) | Self::Configuring(_) | Self::Starting(_) | Self::Over(_) => {}
        }
    }
}
