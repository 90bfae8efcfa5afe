//! A master's session that receives any events in any order.

use std::net::{Ipv4Addr, SocketAddr};

use proptest::collection::vec;
use proptest::prelude::*;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Capabilities, Message, ResumeToken};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;
use synexec_session::interrupt::Interrupt;
use synexec_session::master::{Action, Event, OutputId, PeerId, Report, Settings};

use super::{cases, draw};
use synexec_sim::{Master, START, assert_rows_complete, assert_verdict_follows, millis, secs, settings};

/// One event of the session. Peers are numbers, and some numbers belong to no connection.
#[derive(Debug, Clone)]
enum Step {
    Connects,
    /// A peer says hello and answers its probe, as a slave does.
    Joins(u64, Message),
    Says(u64, Frame),
    /// Every peer says this.
    AllSay(Message),
    ConfSent(u64),
    ConfFailed,
    Stored(OutputId),
    Differs(OutputId),
    OutputFailed(OutputId),
    OutputsFailed,
    Disconnects(u64, Disconnect),
    /// A peer claims to be the member that received this token.
    Returns(u64, usize),
    /// Another master is heard.
    Rival(u8),
    Interrupt,
    Passes(u64),
    /// Time passes until the next deadline.
    Waits,
}

#[derive(Debug)]
struct Trial {
    master: Master,
    now: MonotonicInstant,
    connected: u64,
    report: Option<Report>,
}

/// Number of peers that a step can name. Later connections say nothing.
const PEERS: u64 = 8;

fn step() -> impl Strategy<Value = Step> {
    let peer = || 0..PEERS;
    prop_oneof![
        20 => Just(Step::Connects),
        20 => (peer(), draw::capabilities()).prop_map(|(peer, block)| Step::Joins(peer, Message::Reply(block))),
        40 => (peer(), draw::frame()).prop_map(|(peer, frame)| Step::Says(peer, frame)),
        8 => prop_oneof![Just(Message::ConfOk(None)), Just(Message::ExecOk(None))].prop_map(Step::AllSay),
        15 => peer().prop_map(Step::ConfSent),
        1 => Just(Step::ConfFailed),
        8 => output_id().prop_map(Step::Stored),
        2 => output_id().prop_map(Step::Differs),
        1 => output_id().prop_map(Step::OutputFailed),
        1 => Just(Step::OutputsFailed),
        4 => (peer(), 0..4_usize).prop_map(|(peer, which)| Step::Returns(peer, which)),
        4 => (peer(), draw::disconnect()).prop_map(|(peer, why)| Step::Disconnects(peer, why)),
        4 => (0..8_u8).prop_map(Step::Rival),
        2 => Just(Step::Interrupt),
        10 => draw::millis().prop_map(Step::Passes),
        15 => Just(Step::Waits),
    ]
}

fn output_id() -> impl Strategy<Value = OutputId> {
    (0..4_u32, draw::stream()).prop_map(|(rank, stream)| OutputId { round: 1, rank, stream })
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let wait = prop_oneof![3 => Just(None), 1 => (0..40_u64).prop_map(|wait| Some(secs(wait)))];
    let length = prop_oneof![4 => Just(40), 1 => Just(70_000)];
    let max_output = prop_oneof![Just(1), Just(1000), Just(1 << 30)];
    let outputs = (draw::outputs(), any::<bool>(), max_output);
    let rest = (prop::bool::weighted(0.1), outputs);
    (1..5_u32, wait, length, rest).prop_map(|(slaves, wait, conf_length, (runs_payload, outputs))| {
        let (outputs, separate, max_output) = outputs;
        Settings { outputs, separate, max_output, wait, conf_length, runs_payload, ..settings(slaves) }
    })
}

impl Trial {
    fn new(settings: Settings) -> Self {
        let mut trial = Self { master: Master::new(settings, START), now: START, connected: 0, report: None };
        trial.advance();
        trial
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Connects => self.connect(),
            Step::Joins(peer, hello) => {
                self.send(peer, &hello);
                self.send(peer, &Message::Reply(None));
            }
            Step::Returns(peer, which) => {
                let token = self.tokens().nth(which);
                self.send(peer, &Message::Reply(Some(Capabilities::ours("back").resuming(token))));
            }
            Step::Says(peer, frame) => self.receive(peer, frame),
            Step::AllSay(message) => (0..PEERS).for_each(|peer| self.send(peer, &message)),
            Step::ConfSent(peer) => self.handle(Event::ConfSent { peer: PeerId(peer) }),
            Step::ConfFailed => self.handle(Event::ConfFailed { why: "gone".into() }),
            Step::Stored(id) => self.handle(Event::OutputStored { id }),
            Step::Differs(id) => self.handle(Event::OutputDiffers { id }),
            Step::OutputFailed(id) => self.handle(Event::OutputFailed { id, why: "no such directory".into() }),
            Step::OutputsFailed => self.handle(Event::OutputsFailed { why: "disk full".into() }),
            Step::Disconnects(peer, why) => self.handle(Event::Disconnected { peer: PeerId(peer), why }),
            Step::Rival(last) => {
                let [theirs, ours] = [last, 4].map(|last| Ipv4Addr::new(10, 0, 0, last));
                self.handle(Event::RivalHeard { theirs, ours });
            }
            Step::Interrupt => self.handle(Event::Interrupted(Interrupt::Interrupt)),
            Step::Passes(time) => {
                self.now = self.now.plus(millis(time));
                self.advance();
            }
            Step::Waits => {
                self.now = self.now.max(self.master.deadline().unwrap_or(self.now));
                self.advance();
            }
        }
    }

    fn connect(&mut self) {
        let peer = PeerId(self.connected);
        let last = u8::try_from(self.connected).expect("steps are few");
        self.connected += 1;
        self.handle(Event::Connected { peer, address: SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), 5165)) });
    }

    fn send(&mut self, peer: u64, message: &Message) {
        self.receive(peer, message.encode().expect("the message fits into a frame"));
    }

    fn receive(&mut self, peer: u64, frame: Frame) {
        self.handle(Event::Received { peer: PeerId(peer), frame, at: self.now });
    }

    fn handle(&mut self, event: Event) {
        self.master.handle(self.now, event);
        self.look();
    }

    fn advance(&mut self) {
        self.master.advance(self.now);
        self.look();
    }

    /// The tokens of the members, in the order in which the master gave them.
    fn tokens(&self) -> impl Iterator<Item = ResumeToken> {
        self.master.log.iter().filter_map(|(_, action)| match action {
            Action::SendConf { begin, .. } => begin.as_ref()?.token,
            _ => None,
        })
    }

    /// Checks that the report never changes.
    fn look(&mut self) {
        let report = self.master.report().cloned();
        assert!(self.report.is_none() || self.report == report);
        self.report = report;
    }

    /// Interrupts the session twice, which always ends it.
    fn end(mut self, wanted: usize) {
        self.take(Step::Interrupt);
        self.take(Step::Interrupt);
        let report = self.report.expect("the second interrupt leaves at once");
        let members = self.master.members();
        assert!(members == 0 || members == wanted, "{members}");
        assert!(members == 0 || report.rows().len() == wanted, "{report:?}");
        assert_rows_complete(&report, report.rows().len());
        assert_verdict_follows(&report);
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn any_sequence_of_events_ends_in_a_true_report(settings in any_settings(), steps in vec(step(), 0..100)) {
        let wanted = usize::try_from(settings.slaves.get()).expect("the number is small");
        let mut trial = Trial::new(settings);
        for step in steps {
            trial.take(step);
        }
        trial.end(wanted);
    }

    #[test]
    fn a_session_with_a_limit_that_is_left_alone_ends(settings in any_settings(), steps in vec(step(), 0..60)) {
        let settings = Settings { wait: Some(secs(30)), ..settings };
        let mut trial = Trial::new(settings);
        for step in steps {
            trial.take(step);
        }
        for peer in 0..PEERS {
            trial.take(Step::ConfSent(peer));
        }
        for _ in 0..300 {
            trial.take(Step::Waits);
        }
        prop_assert!(trial.report.is_some());
    }
}
