//! The master: the real session, and what its program does around it.

use std::collections::BTreeMap;
use std::time::Duration;

use synexec_proto::message::{ConfBegin, Message};
use synexec_proto::time::MonotonicInstant;
use synexec_session::master::{Action, Event, OutputId, OutputStep, PeerId, Report, Session, Settings};

use super::link::SESSION;
use super::master_rules::MasterRules;

/// Bytes of conf in one part.
const PART: usize = 32_768;

#[derive(Debug)]
pub struct Master {
    session: Session,
    pub rules: MasterRules,
    pub conf: Vec<u8>,
    /// Time until the network has taken a conf.
    pub conf_takes: Duration,
    /// Time until what was fetched is stored.
    pub storing_takes: Duration,
    /// Bytes that can be stored; of what is beyond, nothing is.
    pub disk: usize,
    /// All that was fetched, and whether it was said to be complete.
    pub outputs: BTreeMap<OutputId, (Vec<u8>, Option<OutputStep>)>,
    /// All that it ever did.
    pub log: Vec<(MonotonicInstant, Action)>,
}

/// What the master does to its network.
#[derive(Debug)]
pub enum MasterDeed {
    Probe,
    Send(PeerId, Vec<u8>),
    SendConf(PeerId, Vec<u8>),
    /// Say when all is stored that came from this slave.
    Store(OutputId),
    CannotStore,
    Close(PeerId),
}

impl Master {
    pub fn new(settings: Settings, now: MonotonicInstant) -> Self {
        let length = usize::try_from(settings.conf_length).expect("it is small");
        let (session, rules) = (Session::new(settings, now), MasterRules::default());
        Self {
            session,
            rules,
            conf: conf_of(length),
            conf_takes: Duration::ZERO,
            storing_takes: Duration::ZERO,
            disk: usize::MAX,
            outputs: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    pub fn handle(&mut self, now: MonotonicInstant, event: Event) -> Vec<MasterDeed> {
        self.rules.event(&event);
        self.session.handle(now, event);
        self.carry_out(now)
    }

    pub fn advance(&mut self, now: MonotonicInstant) -> Vec<MasterDeed> {
        self.rules.advanced();
        self.session.advance(now);
        if self.is_due(now) {
            // A phase that a master was late for may have something to do at once.
            self.session.advance(now);
        }
        assert!(!self.is_due(now), "its deadline does not go on");
        self.carry_out(now)
    }

    pub fn deadline(&self) -> Option<MonotonicInstant> {
        self.session.deadline()
    }

    fn is_due(&self, now: MonotonicInstant) -> bool {
        self.session.deadline().is_some_and(|deadline| deadline <= now)
    }

    pub fn report(&self) -> Option<&Report> {
        self.session.report()
    }

    fn carry_out(&mut self, now: MonotonicInstant) -> Vec<MasterDeed> {
        let mut deeds = Vec::new();
        while let Some(action) = self.session.next_action() {
            self.rules.action(&action);
            deeds.extend(self.deed(&action));
            self.log.push((now, action));
        }
        if self.session.report().is_some() {
            self.rules.over();
        }
        deeds
    }

    fn deed(&mut self, action: &Action) -> Option<MasterDeed> {
        match action {
            Action::Probe => Some(MasterDeed::Probe),
            Action::Send { peer, message } => Some(MasterDeed::Send(*peer, encode(message))),
            Action::SendConf { peer, begin } => Some(MasterDeed::SendConf(*peer, self.conf_bytes(*begin))),
            Action::Output { id, step, .. } => self.output(*id, step),
            Action::Close { peer } => Some(MasterDeed::Close(*peer)),
            Action::Tell(_) => None,
        }
    }

    fn output(&mut self, id: OutputId, step: &OutputStep) -> Option<MasterDeed> {
        let (bytes, end) = self.outputs.entry(id).or_default();
        let is_given_up = *end == Some(OutputStep::End) && *step == OutputStep::Abandon;
        assert!(end.is_none() || is_given_up, "more of an output that has ended");
        match step {
            OutputStep::Bytes(part) => {
                bytes.extend_from_slice(part);
                self.disk = self.disk.saturating_sub(part.len());
                (self.disk == 0).then_some(MasterDeed::CannotStore)
            }
            OutputStep::Sync => Some(MasterDeed::Store(id)),
            OutputStep::End => {
                *end = Some(step.clone());
                Some(MasterDeed::Store(id))
            }
            OutputStep::Abandon => {
                *end = Some(step.clone());
                None
            }
        }
    }

    fn conf_bytes(&self, begin: Option<ConfBegin>) -> Vec<u8> {
        let Some(begin) = begin else {
            return encode(&Message::Conf(self.conf.clone()));
        };
        let parts = self.conf.chunks(PART).map(|part| encode(&Message::ConfPart(part.to_vec())));
        std::iter::once(encode(&Message::ConfBegin(begin))).chain(parts).flatten().collect()
    }
}

/// A message as it crosses the network.
pub fn encode(message: &Message) -> Vec<u8> {
    message.encode().expect("it fits").encode(SESSION)
}

fn conf_of(length: usize) -> Vec<u8> {
    b"/bin/task :CONF:\n".iter().copied().chain((0..=u8::MAX).cycle()).take(length).collect()
}
