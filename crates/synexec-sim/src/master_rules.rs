//! What a master must never do, whatever happens to it.

use std::collections::{BTreeMap, BTreeSet};

use synexec_proto::message::{Feature, Features, Message, TOKEN_LEN};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;
use synexec_session::master::{Action, Event, Notice, PeerId, Rivalry};

/// A resume token as a key of a map.
type TokenBytes = [u8; TOKEN_LEN];

/// Follows the events and actions of one session, and panics when an action breaks a rule.
#[derive(Debug, Default)]
pub struct MasterRules {
    /// Peers that have ever connected.
    connected: BTreeSet<PeerId>,
    /// Peers whose connection the master has closed.
    closed: BTreeSet<PeerId>,
    /// Peers that have said hello.
    greeted: BTreeSet<PeerId>,
    /// The features agreed with each peer that announced capabilities: the slaves of ours.
    agreed: BTreeMap<PeerId, Features>,
    /// Members: the peers that were sent the conf.
    configured: BTreeSet<PeerId>,
    /// The ranks of the members that were told theirs.
    ranks: BTreeSet<u32>,
    /// Members that have accepted the conf, or hold the task of the present round.
    accepted: BTreeSet<PeerId>,
    /// The instant that each member was ordered to start at, and whether the member has confirmed it.
    ordered: BTreeMap<PeerId, (MonotonicInstant, bool)>,
    /// Members that were told to start in the present round.
    started: BTreeSet<PeerId>,
    /// Peers that have reported the end of their task in the present round.
    ended: BTreeSet<PeerId>,
    /// The connections on which members were recognised and to which they have not moved, by their present ones.
    seconds: BTreeMap<PeerId, (TokenBytes, PeerId)>,
    /// The present connection of each member, by its token.
    tokens: BTreeMap<TokenBytes, PeerId>,
    /// How many actions have followed the last event.
    actions: usize,
    /// Whether the master leaves all slaves to another master.
    yields: bool,
}

impl MasterRules {
    /// Follows something that happens to the session.
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

    /// Follows that time has passed.
    pub fn advanced(&mut self) {
        self.actions = 0;
    }

    /// Follows something that the session does.
    pub fn action(&mut self, action: &Action) {
        self.actions += 1;
        assert!(self.actions <= 10 + 5 * self.connected.len(), "{} actions follow one event", self.actions);
        match action {
            Action::Send { peer, message } => self.sends(*peer, message),
            Action::SendConf { peer, begin } => {
                self.check_open(*peer);
                assert!(begin.is_none() || self.has(*peer, Feature::ConfParts), "CONF_BEGIN to an original");
                let has_variables = begin.as_ref().is_some_and(|begin| !begin.variables.is_empty());
                assert!(
                    !has_variables || self.has(*peer, Feature::Environment),
                    "variables to a slave that ignores them"
                );
                assert!(self.configured.insert(*peer), "the conf is sent twice");
                if let Some(begin) = begin {
                    assert!(begin.rank < begin.slaves, "there are fewer slaves than ranks");
                    assert!(self.ranks.insert(begin.rank), "two slaves have the same rank");
                }
                let token = begin.as_ref().and_then(|begin| begin.token);
                self.tokens.extend(token.map(|token| (*token.as_bytes(), *peer)));
            }
            Action::Close { peer } => {
                assert!(self.closed.insert(*peer), "a connection is closed twice");
                self.seconds.retain(|_, (_, second)| second != peer);
                self.moves(*peer);
            }
            Action::Tell(Notice::NextRound { .. }) => {
                (self.started, self.ended, self.ordered) = Default::default();
                let accepted = std::mem::take(&mut self.accepted);
                self.accepted = accepted.into_iter().filter(|peer| !self.has(*peer, Feature::Start)).collect();
            }
            Action::Probe => assert!(!self.yields, "a master that yields sends a probe"),
            Action::Tell(Notice::Rivalry(Rivalry::Yields { .. })) => self.yields = true,
            Action::Tell(Notice::Rivalry(Rivalry::GoesOn { .. } | Rivalry::Tries { .. })) => self.yields = false,
            Action::Tell(Notice::Joined { .. }) => assert!(!self.yields, "a slave joins a master that yields"),
            Action::HearRivals | Action::Tell(_) | Action::Output { .. } => {}
        }
    }

    /// Checks that a session that is over has closed all its connections.
    pub fn assert_all_closed(&self) {
        let open: Vec<_> = self.connected.difference(&self.closed).collect();
        assert!(open.is_empty(), "the session is over and leaves connections open: {open:?}");
    }

    /// How many slaves were sent the conf.
    pub fn members(&self) -> usize {
        self.configured.len()
    }

    fn heard(&mut self, peer: PeerId, frame: &Frame) {
        // Data that a slave of ours must not send are ignored when they come from an original.
        let agreed = self.agreed.get(&peer).copied().unwrap_or_default();
        match Message::decode(frame.clone(), agreed) {
            Ok(Message::Reply(block)) if self.connected.contains(&peer) && self.greeted.insert(peer) => {
                self.agreed.extend(block.map(|block| (peer, Features::ours().agreed_with(block.features))));
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
                assert!(!self.has(peer, Feature::Start), "EXEC without an instant to a slave of ours");
                assert!(self.ours_are_started(), "an original is told to start before the slaves of ours");
                assert!(self.started.insert(peer), "EXEC twice");
            }
            Message::Exec(Some(at)) => {
                self.check_accepted(peer);
                assert!(self.has(peer, Feature::Start), "EXEC with an instant to an original");
                assert!(self.started.is_empty(), "an instant is ordered after the last word");
                self.ordered.insert(peer, (*at, false));
            }
            Message::Go => {
                assert!(self.all_have_confirmed(), "the last word before all slaves have confirmed the instant");
                assert!(self.started.insert(peer), "the last word twice");
            }
            Message::Hold(_) => assert!(self.has(peer, Feature::Start), "HOLD to an original"),
            Message::ClockProbe(_) => {
                assert!(self.has(peer, Feature::Start), "a clock question to an original");
                assert!(
                    !self.started.contains(&peer) || self.ended.contains(&peer),
                    "a clock question while a task runs"
                );
            }
            Message::Stop => {
                assert!(self.has(peer, Feature::Stop), "STOP to an original");
                assert!(self.started.contains(&peer), "STOP before EXEC");
            }
            Message::Fetch(_) => {
                assert!(self.has(peer, Feature::Outputs), "FETCH to an original");
                assert!(self.started.contains(&peer), "FETCH before the start");
            }
            Message::Probe(capabilities) => {
                assert!(capabilities.is_none() || self.agreed.contains_key(&peer), "capabilities to an original");
                if let Some(token) = capabilities.as_ref().and_then(|block| block.token) {
                    self.resumes(*token.as_bytes(), peer);
                }
            }
            Message::Ack => assert!(self.has(peer, Feature::Resume), "ACK to an original"),
            Message::Bye(_) => assert!(self.agreed.contains_key(&peer), "BYE to an original"),
            other => panic!("a master sent {other:?}"),
        }
    }

    /// A member is recognised on another connection. It moves there once the connection before is closed. If it is
    /// recognised on a third one before, it may move there instead.
    fn resumes(&mut self, token: TokenBytes, peer: PeerId) {
        let before = *self.tokens.get(&token).expect("only a member resumes");
        self.seconds.insert(before, (token, peer));
        if self.closed.contains(&before) {
            self.moves(before);
        }
    }

    /// What the session has told a member counts for its new connection, if it has one.
    fn moves(&mut self, before: PeerId) {
        let Some((token, peer)) = self.seconds.remove(&before) else { return };
        self.tokens.insert(token, peer);
        for set in [&mut self.configured, &mut self.accepted, &mut self.started] {
            if set.remove(&before) {
                set.insert(peer);
            }
        }
        if let Some(order) = self.ordered.remove(&before) {
            self.ordered.insert(peer, order);
        }
    }

    fn check_accepted(&self, peer: PeerId) {
        assert!(self.configured.contains(&peer), "EXEC to a slave without a conf");
        assert_eq!(self.accepted, self.configured, "EXEC before all slaves have accepted the conf");
    }

    fn has(&self, peer: PeerId, feature: Feature) -> bool {
        self.agreed.get(&peer).is_some_and(|agreed| agreed.has(feature))
    }

    /// Members that are slaves of ours: they start at an instant.
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
        assert!(self.connected.contains(&peer), "a message to a peer that never connected");
        assert!(!self.closed.contains(&peer), "a message after the connection was closed");
    }
}
