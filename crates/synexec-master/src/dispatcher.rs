//! The thread that owns the session: it takes events, lets [`Session`] decide, and carries out the actions.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use synexec_host::clock::monotonic_now;
use synexec_host::events::{self, Events, ThreadsGone};
use synexec_host::log_limit;
use synexec_host::signals::{BlockedSignals, Forwarding};
use synexec_host::timer::make_precise;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{ConfBegin, Message};
use synexec_proto::secure::Key;
use synexec_proto::variables::Variables;
use synexec_proto::wire::SessionId;
use synexec_session::interrupt::Interrupt;
use synexec_session::master::{self, Action, PeerId, Report, Session, SlaveNames, TokenSeed};

use crate::conf_file::{ConfFile, Outgoing};
use crate::connections::{Acceptor, ConnectionEvent, Deliver, Listeners, Outboxes};
use crate::discovery::Discovery;
use crate::display::{Display, DisplayOptions, Screen};
use crate::failure::Failure;
use crate::options::Options;
use crate::outputs::{Destination, Kept, OutputEvent, Outputs};
use crate::rivals::{Rival, Rivals};
use crate::units::count;

/// Most events that wait. A thread that has another event waits until the dispatcher has taken one.
const EVENTS_MAX: usize = 1024;

/// Something that a thread reports to the dispatcher.
#[derive(Debug)]
enum Event {
    /// Something happened to a connection.
    Connection(ConnectionEvent),
    /// The thread that keeps outputs reports something.
    Output(OutputEvent),
    /// The user interrupts the session.
    Interrupted(Interrupt),
}

/// Carries out a session.
pub struct Dispatcher {
    session: Session,
    id: SessionId,
    conf: ConfFile,
    discovery: Discovery,
    rivals: Rivals,
    display: Display,
    outputs: Outputs,
    outboxes: Outboxes,
    events: Events<Event>,
    signals: Forwarding,
}

/// Everything that a session needs from this host and that can fail to open. No part of it has a thread yet.
pub struct Resources {
    /// Sockets to which slaves connect.
    pub listeners: Listeners,
    /// Random bytes from which the tokens of slaves are made.
    pub seed: TokenSeed,
    /// Key that every slave must have, if the user gave one.
    pub key: Option<Arc<Key>>,
    /// Finds slaves.
    pub discovery: Discovery,
    /// Names of the slaves that the user expects or excludes.
    pub names: SlaveNames,
    /// What the display needs to know.
    pub display: DisplayOptions,
    /// Place for the outputs.
    pub destination: Destination,
    /// Bytes that are kept of the end of each output.
    pub tail: usize,
}

impl Dispatcher {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn new(
        options: &Options,
        conf: ConfFile,
        variables: Variables,
        resources: Resources,
        screen: &Screen,
        signals: BlockedSignals,
    ) -> Result<Self, Failure> {
        let Resources { listeners, seed, key, discovery, names, display, destination, tail } = resources;
        // The display has a thread, so it starts after signals are blocked.
        let display = Display::new(screen, display);
        let (sender, events) = events::queue(EVENTS_MAX);
        let (id, has_key) = (options.common.session(), key.is_some());
        let rivals = Rivals::new(id, key.clone(), options.common.allowed());
        let signals = forward_signals(signals, sender.clone())?;
        let deliver = deliver_to(sender.clone());
        let acceptor = Acceptor {
            session: id,
            key,
            allowed: options.common.allowed(),
            lost_after: options.common.lost_after(),
            deliver: Arc::clone(&deliver),
        };
        acceptor.start(listeners).map_err(Failure::StartThread)?;
        let session = Session::new(options.settings(&conf, names, variables, seed), monotonic_now());
        let deliver_output = move |event| events::deliver(&sender, Event::Output(event));
        let outputs = Outputs::start(destination, tail, deliver_output).map_err(Failure::StartThread)?;
        let hint =
            if has_key { "; only slaves with the same key answer, and the logs of other slaves say so" } else { "" };
        log::info!("waiting for {}{hint}", count(options.slaves().get(), "slave"));
        let outboxes = Outboxes::new(id, has_key, deliver);
        Ok(Self { session, id, conf, discovery, rivals, display, outputs, outboxes, events, signals })
    }

    /// Runs the session to its end; returns the report, and the outputs.
    ///
    /// # Errors
    /// [`ThreadsGone`], which is a bug.
    pub fn run(mut self) -> Result<(Report, Kept), ThreadsGone> {
        make_precise();
        self.session.advance(monotonic_now());
        loop {
            self.carry_out_actions();
            if let Some(report) = self.session.report() {
                let (report, Self { outputs, events, signals, .. }) = (report.clone(), self);
                signals.take_no_more();
                // A thread that waits for room in the queue goes on when the queue is gone.
                drop(events);
                log_limit::tell_rest();
                return Ok((report, outputs.finish()));
            }
            log_limit::tell_counts();
            match self.events.next(self.session.deadline())? {
                Some(event) => self.take(event),
                None => self.session.advance(monotonic_now()),
            }
        }
    }

    fn take(&mut self, event: Event) {
        let event = match event {
            Event::Interrupted(interrupt) => master::Event::Interrupted(interrupt),
            Event::Output(event) => output_event(event),
            Event::Connection(event) => match self.take_connection_event(event) {
                Some(event) => event,
                None => return,
            },
        };
        self.session.handle(monotonic_now(), event);
    }

    /// Handles an event of a connection; returns the event for the session, if any.
    fn take_connection_event(&mut self, event: ConnectionEvent) -> Option<master::Event> {
        Some(match event {
            ConnectionEvent::Accepted { peer, connection, address } => {
                self.outboxes.add(peer, connection);
                master::Event::Connected { peer, address }
            }
            ConnectionEvent::Sealed { peer, sealer } => {
                self.outboxes.seal(peer, sealer);
                return None;
            }
            ConnectionEvent::NoRoom => master::Event::NoRoom,
            ConnectionEvent::Received { peer, frame, at } => master::Event::Received { peer, frame, at },
            ConnectionEvent::ConfSent { peer } => master::Event::ConfSent { peer },
            ConnectionEvent::ConfFailed { why } => master::Event::ConfFailed { why },
            ConnectionEvent::Disconnected { peer, why } => master::Event::Disconnected { peer, why },
        })
    }

    fn carry_out_actions(&mut self) {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Probe => {
                    let routes = self.discovery.probe();
                    self.rivals.listen(&routes);
                }
                Action::HearRivals => self.hear_rivals(),
                Action::Send { peer, message } => {
                    if matches!(message, Message::Fetch(_)) {
                        self.outboxes.allow_output(peer);
                    }
                    let sent = self.outboxes.send(peer, &message);
                    self.check_sent(peer, sent);
                }
                Action::SendConf { peer, begin } => {
                    let sent = self.send_conf(peer, begin);
                    self.check_sent(peer, sent);
                }
                Action::Output { id, step } => {
                    if let Err(gone) = self.outputs.take(id, step) {
                        let failed = master::Event::OutputsFailed { why: gone.to_string() };
                        self.session.handle(monotonic_now(), failed);
                    }
                }
                Action::Close { peer } => self.outboxes.close(peer),
                Action::Tell(notice) => self.display.show(&notice),
            }
        }
    }

    fn hear_rivals(&mut self) {
        for Rival { theirs, ours } in self.rivals.hear() {
            self.session.handle(monotonic_now(), master::Event::RivalHeard { theirs, ours });
        }
    }

    /// Tells the session if a peer cannot be written to.
    fn check_sent(&mut self, peer: PeerId, sent: Result<(), Disconnect>) {
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

fn output_event(event: OutputEvent) -> master::Event {
    match event {
        OutputEvent::Stored { id } => master::Event::OutputStored { id },
        OutputEvent::Differs { id } => master::Event::OutputDiffers { id },
        OutputEvent::Failed { id, why } => master::Event::OutputFailed { id, why },
        OutputEvent::AllFailed { why } => master::Event::OutputsFailed { why },
    }
}

fn deliver_to(sender: SyncSender<Event>) -> Deliver {
    Arc::new(move |event| events::deliver(&sender, Event::Connection(event)))
}

fn forward_signals(signals: BlockedSignals, sender: SyncSender<Event>) -> Result<Forwarding, Failure> {
    let deliver = move |interrupt| {
        if sender.send(Event::Interrupted(interrupt)).is_err() {
            log::warn!("the session is over; one more signal ends this program before it has written all results");
        }
    };
    signals.forward(deliver).map_err(Failure::StartThread)
}
