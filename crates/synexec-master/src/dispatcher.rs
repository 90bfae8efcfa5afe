//! The one thread that owns the session: events in, decisions by [`Session`], actions out.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use synexec_host::clock::monotonic_now;
use synexec_host::events::{self, Events, tell};
use synexec_host::random;
use synexec_host::signals::BlockedSignals;
use synexec_host::timer::make_precise;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{ConfBegin, Message};
use synexec_proto::secure::{Key, Sealer};
use synexec_proto::wire::SessionId;
use synexec_session::master::{self, Action, PeerId, Report, Session, TokenSeed};

use crate::conf_file::{ConfFile, Outgoing};
use crate::connections::{Acceptor, Connection, Outboxes};
use crate::discovery::Discovery;
use crate::display::Display;
use crate::options::Options;
use crate::outputs::{Destination, Kept, Outputs};

/// Events that may wait; a peer that has more to say than is handled has to wait itself.
const EVENTS_MAX: usize = 1024;

/// What the threads tell.
#[derive(Debug)]
pub enum Event {
    /// A connection was accepted.
    Accepted { peer: PeerId, connection: Connection, address: SocketAddr },
    /// A peer has shown that it has the key.
    Sealed { peer: PeerId, sealer: Sealer },
    /// Something the state machine knows what to do with.
    Session(master::Event),
}

pub struct Dispatcher {
    session: Session,
    id: SessionId,
    conf: ConfFile,
    discovery: Discovery,
    display: Display,
    outputs: Outputs,
    outboxes: Outboxes,
    events: Events<Event>,
}

/// What the session works with.
pub struct Surroundings {
    /// Where slaves connect to.
    pub listener: TcpListener,
    /// What slaves must have, where they must.
    pub key: Option<Arc<Key>>,
    /// How they are found.
    pub discovery: Discovery,
    /// What the user sees.
    pub display: Display,
    /// Where outputs go.
    pub destination: Destination,
    /// Bytes of each output's end that are kept.
    pub tail: usize,
}

impl Dispatcher {
    /// Starts the threads.
    pub fn new(options: &Options, conf: ConfFile, surroundings: Surroundings, signals: BlockedSignals) -> Result<Self> {
        let Surroundings { listener, key, discovery, display, destination, tail } = surroundings;
        let (sender, events) = events::queue(EVENTS_MAX);
        let (id, lost_after) = (options.common.session(), options.common.lost_after());
        let to_dispatcher = sender.clone();
        let forward = move |signal| tell(&to_dispatcher, Event::Session(master::Event::Interrupted(signal)));
        signals.forward(forward).context("cannot start a thread")?;
        let (has_key, allowed) = (key.is_some(), options.common.allowed());
        let acceptor = Acceptor { listener, session: id, key, allowed, lost_after, events: sender.clone() };
        acceptor.start().context("cannot start a thread")?;
        let seed = TokenSeed::new(random::bytes().context("the kernel gives no random numbers")?);
        let session = Session::new(options.settings(&conf, seed), monotonic_now());
        let outputs = Outputs::start(destination, tail, sender.clone()).context("cannot start a thread")?;
        let who = if has_key {
            "; of those that listen, only one with the same key answers, and the others' logs say so"
        } else {
            ""
        };
        log::info!("waiting for {} slaves{who}", options.slaves());
        let outboxes = Outboxes::new(id, has_key, sender);
        Ok(Self { session, id, conf, discovery, display, outputs, outboxes, events })
    }

    /// Runs the session to its end; gives what is known of it, and where outputs are.
    pub fn run(mut self) -> Result<(Report, Kept)> {
        make_precise();
        self.session.advance(monotonic_now());
        loop {
            self.act();
            if let Some(report) = self.session.report() {
                let (report, Self { outputs, events, .. }) = (report.clone(), self);
                // What threads still have to tell is of no interest, and must not keep them waiting.
                drop(events);
                return Ok((report, outputs.finish()));
            }
            match self.events.next(self.session.deadline())? {
                Some(event) => self.take(event),
                None => self.session.advance(monotonic_now()),
            }
        }
    }

    fn take(&mut self, event: Event) {
        let event = match event {
            Event::Session(event) => event,
            Event::Sealed { peer, sealer } => return self.outboxes.seal(peer, sealer),
            Event::Accepted { peer, connection, address } => {
                self.outboxes.add(peer, connection);
                master::Event::Connected { peer, address }
            }
        };
        self.session.handle(monotonic_now(), event);
    }

    fn act(&mut self) {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Probe => self.discovery.probe(),
                Action::Send { peer, message } => {
                    if matches!(message, Message::Fetch(_)) {
                        self.outboxes.expect_output(peer);
                    }
                    let sent = self.outboxes.send(peer, &message);
                    self.note(peer, sent);
                }
                Action::SendConf { peer, begin } => {
                    let sent = self.send_conf(peer, begin);
                    self.note(peer, sent);
                }
                Action::Output { name, id, step } => {
                    if let Err(gone) = self.outputs.take(id, name, step) {
                        let failed = master::Event::OutputsFailed { why: gone.to_string() };
                        self.session.handle(monotonic_now(), failed);
                    }
                }
                Action::Close { peer } => self.outboxes.close(peer),
                Action::Tell(notice) => self.display.show(&notice),
            }
        }
    }

    fn note(&mut self, peer: PeerId, sent: Result<(), Disconnect>) {
        if let Err(why) = sent {
            self.session.handle(monotonic_now(), master::Event::Disconnected { peer, why });
        }
    }

    fn send_conf(&mut self, peer: PeerId, begin: Option<ConfBegin>) -> Result<(), Disconnect> {
        match self.conf.outgoing(self.id, begin) {
            Ok(Outgoing::Stream(source)) => return self.outboxes.send_stream(peer, source),
            Ok(Outgoing::Bytes(bytes)) => self.outboxes.send_bytes(peer, bytes)?,
            Err(error) => return Err(Disconnect::Broken(error.to_string())),
        }
        self.session.handle(monotonic_now(), master::Event::ConfSent { peer });
        Ok(())
    }
}
