//! What the processes of the world are told, and what they do in answer.

use synexec_session::master::{Event, PeerId};

use super::World;
use crate::client_event::{ClientAction, ClientEvent};
use crate::crossing::encode;
use crate::id::ClientId;
use crate::link::Side;
use crate::master::MasterAction;
use crate::timeline::{Node, WorldEvent};

/// The master's name for a link.
pub(super) fn peer_of(link: usize) -> PeerId {
    PeerId(u64::try_from(link).expect("links are few"))
}

/// The link that the master names.
pub(super) fn link_of(peer: PeerId) -> usize {
    usize::try_from(peer.0).expect("links are few")
}

impl World {
    /// Tells a client what happens to it, and carries out its answer.
    pub(super) fn tell_client(&mut self, id: ClientId, event: ClientEvent) {
        let now = self.timeline.now;
        for action in self.client_mut(id).client.handle(now, event) {
            self.carry_out_for_client(id, action);
        }
    }

    /// Tells the master what happens to it, and carries out its answer.
    pub(super) fn tell_master(&mut self, event: Event) {
        let actions = self.master.handle(self.timeline.now, event);
        self.carry_out_for_master(actions);
    }

    /// Tells the master that its deadline has come, and carries out its answer.
    pub(super) fn advance_master(&mut self) {
        let actions = self.master.advance(self.timeline.now);
        self.carry_out_for_master(actions);
    }

    fn carry_out_for_master(&mut self, actions: Vec<MasterAction>) {
        for action in actions {
            match action {
                MasterAction::Probe => self.network.invite_all(&mut self.timeline),
                MasterAction::HearRivals => self.hear_rivals(),
                MasterAction::Send(peer, bytes) => {
                    self.network.transmit(&mut self.timeline, link_of(peer), Side::Master, bytes);
                }
                MasterAction::SendConf(peer, bytes) => {
                    let takes = self.master.conf_takes;
                    self.network.transmit_conf(&mut self.timeline, link_of(peer), bytes, takes);
                }
                MasterAction::Store(id) => {
                    let takes = self.master.storing_takes;
                    self.timeline.after(takes, Node::Master, WorldEvent::OutputStored(id));
                }
                MasterAction::ReportDifference(id) => {
                    let takes = self.master.storing_takes;
                    self.timeline.after(takes, Node::Master, WorldEvent::OutputDiffers(id));
                }
                MasterAction::FailToStore => self.timeline.soon(Node::Master, WorldEvent::OutputsFailed),
                MasterAction::Close(peer) => self.network.close(&mut self.timeline, link_of(peer), Side::Master),
            }
        }
        self.follow_cues();
        if self.master.report().is_some() {
            self.over_at.get_or_insert(self.timeline.now);
            self.kill_master();
        }
    }

    fn carry_out_for_client(&mut self, id: ClientId, action: ClientAction) {
        match action {
            ClientAction::Connect => self.network.request_connection(&mut self.timeline, id, false),
            ClientAction::ConnectSecond => self.network.request_connection(&mut self.timeline, id, true),
            ClientAction::Send(message) => self.send_for_client(id, false, encode(&message)),
            ClientAction::SendOnSecond(message) => self.send_for_client(id, true, encode(&message)),
            ClientAction::SendBytes(bytes) => self.send_for_client(id, false, bytes),
            ClientAction::CloseSecond => self.network.close_second(&mut self.timeline, id),
            ClientAction::UseSecond => self.network.use_second(&mut self.timeline, id),
            ClientAction::Close => {
                self.network.stop_connecting(id);
                self.network.close_second(&mut self.timeline, id);
                if let Some(link) = self.network.open_link(id, false) {
                    self.network.close(&mut self.timeline, link, Side::Client);
                }
            }
            ClientAction::Later(time, event) => {
                self.timeline.after(time, Node::Client(id), WorldEvent::Client(ClientEvent::Host(event)));
            }
            ClientAction::Exit => self.kill(id),
        }
    }

    fn send_for_client(&mut self, id: ClientId, second: bool, bytes: Vec<u8>) {
        let link = self.network.open_link(id, second).expect("a client sends only while it is connected");
        self.network.transmit(&mut self.timeline, link, Side::Client, bytes);
    }
}
