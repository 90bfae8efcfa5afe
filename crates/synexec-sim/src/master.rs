//! The master: the real session, and what the master's program does for it.

use std::collections::BTreeMap;
use std::time::Duration;

use synexec_proto::digest::Digest;
use synexec_proto::message::{ConfBegin, Message};
use synexec_proto::time::MonotonicInstant;
use synexec_session::master::{Action, Event, Notice, OutputId, OutputStep, PeerId, Report, Session, Settings};

use crate::crossing::encode;
use crate::master_rules::MasterRules;

/// The bytes of conf in one `CONF_PART`.
const PART: usize = 32_768;

/// A master: the real session on a simulated network and disk.
#[derive(Debug)]
pub struct Master {
    session: Session,
    rules: MasterRules,
    /// The whole conf.
    pub(crate) conf: Vec<u8>,
    /// Time in which the network takes a conf for one slave.
    pub(crate) conf_takes: Duration,
    /// Time in which the disk stores the fetched bytes.
    pub(crate) storing_takes: Duration,
    /// Bytes that still fit on the disk.
    pub(crate) disk: usize,
    /// The fetched bytes of each output, and its last step, if it has ended.
    pub(crate) outputs: BTreeMap<OutputId, (Vec<u8>, Option<OutputStep>)>,
    /// All actions of the session, each with its instant.
    pub log: Vec<(MonotonicInstant, Action)>,
}

/// What the master's program does to its network and its disk.
#[derive(Debug)]
pub enum MasterAction {
    /// Send a probe to all hosts.
    Probe,
    /// Report which other masters have sent probes.
    HearRivals,
    /// Send these bytes to a slave.
    Send(PeerId, Vec<u8>),
    /// Send the conf to a slave, as these bytes.
    SendConf(PeerId, Vec<u8>),
    /// Report when everything that has come of this output is stored.
    Store(OutputId),
    /// Report that the bytes of this output do not have its digest.
    ReportDifference(OutputId),
    /// Report that the disk is full.
    FailToStore,
    /// Close the connection to a slave.
    Close(PeerId),
}

impl Master {
    /// A master that begins a session at this instant.
    ///
    /// # Panics
    ///
    /// If the conf does not fit into memory.
    #[must_use]
    pub fn new(settings: Settings, now: MonotonicInstant) -> Self {
        let length = usize::try_from(settings.conf_length).expect("the conf of a scenario is short");
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

    /// Tells the session what happens.
    ///
    /// # Panics
    ///
    /// If the session does what a master must never do.
    pub fn handle(&mut self, now: MonotonicInstant, event: Event) -> Vec<MasterAction> {
        self.rules.event(&event);
        self.session.handle(now, event);
        self.carry_out(now)
    }

    /// Tells the session that time has passed.
    ///
    /// # Panics
    ///
    /// If the session does what a master must never do, or if its deadline stays in the past.
    pub fn advance(&mut self, now: MonotonicInstant) -> Vec<MasterAction> {
        self.rules.advanced();
        self.session.advance(now);
        if self.is_due(now) {
            // A master that is late may begin a phase whose first deadline has passed already.
            self.session.advance(now);
        }
        assert!(!self.is_due(now), "the deadline of the session stays in the past");
        self.carry_out(now)
    }

    /// When the session wants [`Master::advance`].
    #[must_use]
    pub fn deadline(&self) -> Option<MonotonicInstant> {
        self.session.deadline()
    }

    fn is_due(&self, now: MonotonicInstant) -> bool {
        self.session.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// The digest of all bytes of an output that have come.
    #[must_use]
    pub fn digest_of(&self, id: OutputId) -> Digest {
        Digest::of(self.outputs.get(&id).map_or(&[], |(bytes, _)| bytes))
    }

    /// The report of a session that is over.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.session.report()
    }

    /// How many slaves were sent the conf.
    #[must_use]
    pub fn members(&self) -> usize {
        self.rules.members()
    }

    /// The notices from this entry of the log on.
    pub(crate) fn notices_from(&self, entry: usize) -> impl Iterator<Item = &Notice> {
        self.log[entry..].iter().filter_map(|(_, action)| match action {
            Action::Tell(notice) => Some(notice),
            _ => None,
        })
    }

    fn carry_out(&mut self, now: MonotonicInstant) -> Vec<MasterAction> {
        let mut actions = Vec::new();
        while let Some(action) = self.session.next_action() {
            self.rules.action(&action);
            actions.extend(self.carry_out_action(&action));
            self.log.push((now, action));
        }
        if self.session.report().is_some() {
            self.rules.assert_all_closed();
        }
        actions
    }

    fn carry_out_action(&mut self, action: &Action) -> Option<MasterAction> {
        match action {
            Action::Probe => Some(MasterAction::Probe),
            Action::HearRivals => Some(MasterAction::HearRivals),
            Action::Send { peer, message } => Some(MasterAction::Send(*peer, encode(message))),
            Action::SendConf { peer, begin } => Some(MasterAction::SendConf(*peer, self.conf_bytes(begin.clone()))),
            Action::Output { id, step, .. } => self.output(*id, step),
            Action::Close { peer } => Some(MasterAction::Close(*peer)),
            Action::Tell(_) => None,
        }
    }

    fn output(&mut self, id: OutputId, step: &OutputStep) -> Option<MasterAction> {
        let (bytes, end) = self.outputs.entry(id).or_default();
        let is_given_up = matches!(end, Some(OutputStep::End { .. } | OutputStep::Cut)) && *step == OutputStep::Abandon;
        assert!(end.is_none() || is_given_up, "an output that has ended goes on");
        match step {
            OutputStep::Begin { .. } => {
                assert!(bytes.is_empty(), "an output that has begun begins again");
                None
            }
            OutputStep::Bytes(part) => {
                bytes.extend_from_slice(part);
                self.disk = self.disk.saturating_sub(part.len());
                (self.disk == 0).then_some(MasterAction::FailToStore)
            }
            OutputStep::Sync => Some(MasterAction::Store(id)),
            OutputStep::End { digest } => {
                *end = Some(step.clone());
                let is_right = digest.is_none_or(|digest| digest == Digest::of(bytes));
                Some(if is_right { MasterAction::Store(id) } else { MasterAction::ReportDifference(id) })
            }
            OutputStep::Cut => {
                *end = Some(step.clone());
                Some(MasterAction::Store(id))
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

fn conf_of(length: usize) -> Vec<u8> {
    b"/bin/task :CONF:\n".iter().copied().chain((0..=u8::MAX).cycle()).take(length).collect()
}
