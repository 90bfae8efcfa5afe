//! The queue of actions that the session wants carried out.

use std::collections::VecDeque;

use super::{Action, Notice, PeerId};
use synexec_proto::message::{Feature, Features, Message, Reason};

#[derive(Debug, Default)]
pub(super) struct Actions(VecDeque<Action>);

impl Actions {
    pub(super) fn push(&mut self, action: Action) {
        self.0.push_back(action);
    }

    pub(super) fn pop(&mut self) -> Option<Action> {
        self.0.pop_front()
    }

    pub(super) fn send(&mut self, peer: PeerId, message: Message) {
        self.push(Action::Send { peer, message });
    }

    pub(super) fn close(&mut self, peer: PeerId) {
        self.push(Action::Close { peer });
    }

    /// Ends the connection to a slave with these features: the slave may not connect again to this session. An original slave
    /// is only disconnected.
    pub(super) fn dismiss(&mut self, peer: PeerId, features: Features, reason: Option<Reason>) {
        if features.has(Feature::Resume) {
            self.send(peer, Message::Bye(reason));
        }
        self.close(peer);
    }

    pub(super) fn tell(&mut self, notice: Notice) {
        self.push(Action::Tell(notice));
    }
}
