//! What a master never does, whatever it is told.

use std::collections::{BTreeMap, BTreeSet};

use synexec_proto::message::{Feature, Features, Message, TOKEN_LEN};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;
use synexec_session::master::{Action, Event, Notice, PeerId};

/// What a token is known by here.
type ResumeTokenBytes = [u8; TOKEN_LEN];

/// Follows a session's events and actions.
#[derive(Debug, Default)]
pub struct MasterRules {
    connected: BTreeSet<PeerId>,
    closed: BTreeSet<PeerId>,
    /// Those that have said hello, and what those of them have that have announced capabilities with it.
    greeted: BTreeSet<PeerId>,
    extended: BTreeMap<PeerId, Features>,
    /// Those that were sent the conf: the members.
    configured: BTreeSet<PeerId>,
    accepted: BTreeSet<PeerId>,
    /// The instant that each was ordered to start at, and whether it has confirmed it.
    ordered: BTreeMap<PeerId, (MonotonicInstant, bool)>,
    started: BTreeSet<PeerId>,
    ended: BTreeSet<PeerId>,
    /// By what members are known again.
    tokens: BTreeMap<ResumeTokenBytes, PeerId>,
    /// Actions that followed the last event.
    actions: usize,
}

impl MasterRules {
    pub fn event(&mut self, event: &Event) {
        self.actions = 0;
        match event {
            Event::Connected { peer, .. } => {
                self.connected.insert(*peer);
            }
            Event::Received { peer, frame, .. } => self.heard(*peer, frame),
            _ => {}
        }
    }

    pub fn advanced(&mut self) {
        self.actions = 0;
    }

    pub fn action(&mut self, action: &Action) {
        self.actions += 1;
        assert!(self.actions <= 10 + 5 * self.connected.len(), "too many actions at once");
        match action {
            Action::Send { peer, message } => self.sends(*peer, message),
            Action::SendConf { peer, begin } => {
                self.check_open(*peer);
                assert!(begin.is_none() || self.has(*peer, Feature::ConfParts), "CONF_BEGIN to an original");
                assert!(self.configured.insert(*peer), "a conf twice");
                let token = begin.and_then(|begin| begin.token);
                self.tokens.extend(token.map(|token| (*token.as_bytes(), *peer)));
            }
            Action::Close { peer } => {
                assert!(self.closed.insert(*peer), "closed twice");
            }
            Action::Tell(Notice::NextRound { .. }) => {
                (self.started, self.ended, self.ordered) = Default::default();
                let asked = std::mem::take(&mut self.accepted);
                self.accepted = asked.into_iter().filter(|peer| !self.has(*peer, Feature::Start)).collect();
            }
            Action::Probe | Action::Tell(_) | Action::Output { .. } => {}
        }
    }

    /// When the session is over.
    pub fn over(&self) {
        let open: Vec<_> = self.connected.difference(&self.closed).collect();
        assert!(open.is_empty(), "left open: {open:?}");
    }

    /// How many slaves were sent the conf.
    pub fn members(&self) -> usize {
        self.configured.len()
    }

    fn heard(&mut self, peer: PeerId, frame: &Frame) {
        // Of an original, data are read past that could not be read of one of ours.
        let agreed = self.extended.get(&peer).copied().unwrap_or_default();
        match Message::decode(frame.clone(), agreed) {
            Ok(Message::Reply(block)) if self.connected.contains(&peer) && self.greeted.insert(peer) => {
                self.extended.extend(block.map(|block| (peer, Features::ours().agreed_with(block.features))));
            }
            Ok(Message::ConfOk(_)) if self.configured.contains(&peer) => {
                self.accepted.insert(peer);
            }
            Ok(Message::TaskEnded(_)) => {
                self.ended.insert(peer);
            }
            Ok(Message::ExecOk(Some(at))) => {
                self.ordered.entry(peer).and_modify(|(ordered, confirmed)| *confirmed |= at == *ordered);
            }
            _ => {}
        }
    }

    fn sends(&mut self, peer: PeerId, message: &Message) {
        self.check_open(peer);
        match message {
            Message::Exec(None) => {
                self.check_accepted(peer);
                assert!(!self.has(peer, Feature::Start), "a start at once for one of ours");
                assert!(self.ours_are_started(), "an original is told before ours are");
                assert!(self.started.insert(peer), "EXEC twice");
            }
            Message::Exec(Some(at)) => {
                self.check_accepted(peer);
                assert!(self.has(peer, Feature::Start), "an instant to an original");
                assert!(self.started.is_empty(), "a start is ordered anew after the last word");
                self.ordered.insert(peer, (*at, false));
            }
            Message::Go => {
                assert!(self.all_have_confirmed(), "the last word before all confirmed");
                assert!(self.started.insert(peer), "the last word twice");
            }
            Message::Hold(_) => assert!(self.has(peer, Feature::Start), "HOLD to an original"),
            Message::ClockProbe(_) => {
                assert!(self.has(peer, Feature::Start), "an original has no clock to ask");
                assert!(!self.started.contains(&peer) || self.ended.contains(&peer), "a question while a task runs");
            }
            Message::Stop => {
                assert!(self.has(peer, Feature::Stop), "STOP to an original");
                assert!(self.started.contains(&peer), "STOP before EXEC");
            }
            Message::Fetch(_) => {
                assert!(self.has(peer, Feature::Outputs), "an original has no output to give");
                assert!(self.started.contains(&peer), "output before the start");
            }
            Message::Probe(capabilities) => {
                assert!(capabilities.is_none() || self.extended.contains_key(&peer), "capabilities to an original");
                if let Some(token) = capabilities.as_ref().and_then(|block| block.token) {
                    self.returns(*token.as_bytes(), peer);
                }
            }
            Message::Ack => assert!(self.has(peer, Feature::Resume), "an end acknowledged to an original"),
            Message::Bye => assert!(self.extended.contains_key(&peer), "a farewell to an original"),
            other => panic!("a master sent {other:?}"),
        }
    }

    /// A member is another peer from now on.
    fn returns(&mut self, token: ResumeTokenBytes, peer: PeerId) {
        let was = self.tokens.insert(token, peer).expect("only who has taken part comes back");
        assert!(self.closed.contains(&was), "a slave has two connections");
        for set in [&mut self.configured, &mut self.accepted, &mut self.started] {
            if set.remove(&was) {
                set.insert(peer);
            }
        }
        if let Some(order) = self.ordered.remove(&was) {
            self.ordered.insert(peer, order);
        }
    }

    fn check_accepted(&self, peer: PeerId) {
        assert!(self.configured.contains(&peer), "EXEC to one without a conf");
        assert_eq!(self.accepted, self.configured, "EXEC before all had accepted");
    }

    fn has(&self, peer: PeerId, feature: Feature) -> bool {
        self.extended.get(&peer).is_some_and(|agreed| agreed.has(feature))
    }

    /// Members that are told an instant to start at.
    fn ours(&self) -> impl Iterator<Item = &PeerId> {
        self.configured.iter().filter(|peer| self.has(**peer, Feature::Start))
    }

    fn all_have_confirmed(&self) -> bool {
        self.ours().all(|peer| self.ordered.get(peer).is_some_and(|(_, confirmed)| *confirmed))
    }

    fn ours_are_started(&self) -> bool {
        self.ours().all(|peer| self.started.contains(peer))
    }

    fn check_open(&self, peer: PeerId) {
        assert!(self.connected.contains(&peer), "sent to a peer that never connected");
        assert!(!self.closed.contains(&peer), "sent after Close");
    }
}
