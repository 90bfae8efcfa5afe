//! A stream of one slave's task, fetched window by window.

use super::actions::Actions;
use super::{Action, Notice, OutputId, OutputStep, PeerId, SlaveLabel};
use synexec_proto::digest::Digest;
use synexec_proto::message::{Fetch, Message, OutputMark};

/// Number of windows that may wait to be stored while the next one is asked for.
const UNSTORED_MAX: u32 = 1;

/// Smallest piece that is handed on, in bytes, so that a slave that sends single bytes costs no more than another.
const PIECE_MIN: usize = 16 * 1024;

/// How an output is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// The first byte.
    pub(super) offset: u64,
    /// The most bytes that are kept. If the slave has more, the output is cut.
    pub(super) most: u64,
    /// Whether the task still runs, and its output is wanted as the task writes it.
    pub(super) follow: bool,
    /// Whether only one window is wanted.
    pub(super) once: bool,
}

/// One output that is being fetched.
#[derive(Debug)]
pub(super) struct OutputStream {
    /// None while the slave's connection is broken.
    peer: Option<PeerId>,
    slave: SlaveLabel,
    id: OutputId,
    request: Request,
    position: u64,
    /// Where the window that was asked for last begins, or began again after the connection broke.
    asked_from: u64,
    /// Length of this window.
    window: u32,
    /// The length up to which the master has the other stream, if the slave may answer without bytes once it is longer.
    other: Option<u64>,
    /// Bytes that may still come before the next mark.
    allowed: u64,
    /// Bytes that have come and are too few to be handed on.
    pieces: Vec<u8>,
    unstored: u32,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The next window may be asked for.
    Ready,
    /// A window was asked for.
    Asked,
    /// A window is to be asked for when the slave is connected again.
    Cut,
    /// The bytes that have come have to be stored first.
    Storing,
    /// All wanted bytes have come, and are not stored yet.
    Ending(End),
    Ended(End),
    Failed(String),
}

/// How the fetching of an output ends, if nothing fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The output is complete. The digest is that of all bytes, if all were fetched.
    Complete(Option<Digest>),
    /// The output has more bytes than are kept.
    Cut,
}

/// How far an output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fetched {
    Underway,
    Ended(End),
    Failed(String),
}

impl OutputStream {
    /// An output of which nothing is asked for yet.
    pub(super) fn begin(
        peer: PeerId,
        slave: SlaveLabel,
        id: OutputId,
        request: Request,
        actions: &mut Actions,
    ) -> Self {
        let stream = Self {
            peer: Some(peer),
            slave,
            id,
            request,
            position: request.offset,
            asked_from: request.offset,
            window: 0,
            other: None,
            allowed: 0,
            pieces: Vec::new(),
            unstored: 0,
            state: State::Ready,
        };
        stream.step(OutputStep::Begin { name: stream.slave.shown.clone() }, actions);
        stream
    }

    pub(super) fn id(&self) -> OutputId {
        self.id
    }

    /// Whether the stream is fetched while the task writes it.
    pub(super) fn follows(&self) -> bool {
        self.request.follow
    }

    /// Whether bytes have to be stored before the slave is asked for more.
    pub(super) fn is_full(&self) -> bool {
        self.state == State::Storing
    }

    /// Where the window that was asked for last begins.
    pub(super) fn asked_from(&self) -> u64 {
        self.asked_from
    }

    pub(super) fn fetched(&self) -> Fetched {
        match &self.state {
            State::Ready | State::Asked | State::Cut | State::Storing | State::Ending(_) => Fetched::Underway,
            State::Ended(end) => Fetched::Ended(*end),
            State::Failed(why) => Fetched::Failed(why.clone()),
        }
    }

    /// Whether the slave is awaited with a window.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked | State::Cut)
    }

    /// Whether the next window may be asked for.
    pub(super) fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Whether bytes that have come are not stored yet.
    pub(super) fn has_unstored(&self) -> bool {
        self.unstored > 0
    }

    /// Whether the bytes that have come have to be stored before the slave is asked for more.
    pub(super) fn is_being_stored(&self) -> bool {
        matches!(self.state, State::Storing | State::Ending(_))
    }

    /// Where the fetched part ends, in bytes from the beginning of the output.
    pub(super) fn end(&self) -> u64 {
        self.position
    }

    /// Takes a message of the slave about its output.
    pub(super) fn received(&mut self, message: Message, actions: &mut Actions) {
        if self.state != State::Asked {
            return;
        }
        match message {
            Message::OutputPart(part) => self.part(part, actions),
            Message::OutputMark(mark) => self.mark(mark, actions),
            Message::OutputNo(reason) => {
                let why = reason.map_or_else(|| "the slave gave no reason".to_owned(), |reason| reason.to_string());
                self.fail(why, actions);
            }
            _ => {}
        }
    }

    /// The steps up to a [`OutputStep::Sync`] or [`OutputStep::End`] are done.
    pub(super) fn stored(&mut self, id: OutputId) {
        if id != self.id {
            return;
        }
        self.unstored = self.unstored.saturating_sub(1);
        match self.state {
            State::Storing => self.state = State::Ready,
            State::Ending(end) if self.unstored == 0 => self.state = State::Ended(end),
            _ => {}
        }
    }

    /// The bytes do not have the digest that the slave told.
    pub(super) fn differs(&mut self, id: OutputId, actions: &mut Actions) {
        if id == self.id {
            self.fail("the received bytes do not match the slave's digest".to_owned(), actions);
        }
    }

    /// The slave is lost, which matters only if it still has bytes to give.
    pub(super) fn lose(&mut self, why: String, actions: &mut Actions) {
        if matches!(self.state, State::Ready | State::Asked | State::Cut | State::Storing) {
            self.fail(why, actions);
        }
    }

    /// Gives the output up, unless it is complete or given up already.
    pub(super) fn fail(&mut self, why: String, actions: &mut Actions) {
        if self.fetched() == Fetched::Underway {
            self.step(OutputStep::Abandon, actions);
            self.state = State::Failed(why);
        }
    }

    /// The slave's connection has broken, and can be resumed.
    pub(super) fn cut(&mut self) {
        self.peer = None;
        if self.state == State::Asked {
            self.state = State::Cut;
        }
    }

    /// The slave has connected anew. The rest of a window that was asked for is to be asked for again.
    pub(super) fn reconnect(&mut self, peer: PeerId) {
        self.peer = Some(peer);
        if matches!(self.state, State::Asked | State::Cut) {
            self.state = State::Ready;
        }
    }

    /// Asks for the next window of this length, if that is possible now. While the task runs, the slave may answer without
    /// bytes if the other stream is longer than `other`.
    pub(super) fn ask_next(&mut self, window: u32, other: Option<u64>, actions: &mut Actions) {
        if self.state == State::Ready {
            self.other = other.filter(|_| self.request.follow);
            // One byte more than is kept shows that the output has to be cut.
            let left = self.request.most.saturating_add(1).saturating_sub(self.position);
            self.window = window.min(u32::try_from(left).unwrap_or(u32::MAX));
            self.ask(actions);
        }
    }

    /// Asks for a window, or waits until the slave has connected anew.
    fn ask(&mut self, actions: &mut Actions) {
        let Some(peer) = self.peer else {
            self.state = State::Cut;
            return;
        };
        self.state = State::Asked;
        self.allowed = self.window.into();
        self.asked_from = self.position;
        actions.send(
            peer,
            Message::Fetch(Fetch {
                stream: self.id.stream,
                offset: self.position,
                length: self.window,
                follow: self.request.follow,
                other: self.other,
            }),
        );
    }

    fn part(&mut self, mut part: Vec<u8>, actions: &mut Actions) {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        let Some(allowed) = self.allowed.checked_sub(length) else {
            return self.fail("the slave sent more than was asked for".to_owned(), actions);
        };
        if part.is_empty() {
            return self.fail("the slave sent an empty part".to_owned(), actions);
        }
        self.allowed = allowed;
        let room = self.request.most.saturating_sub(self.position);
        if length > room {
            part.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            self.position = self.request.most;
            self.pieces.extend(part);
            return self.cut_short(actions);
        }
        self.position = self.position.saturating_add(length);
        if self.pieces.is_empty() && part.len() >= PIECE_MIN {
            return self.step(OutputStep::Bytes(part), actions);
        }
        self.pieces.extend(part);
        if self.pieces.len() >= PIECE_MIN {
            self.hand_on(actions);
        }
    }

    /// Keeps what has come, and asks for no more.
    fn cut_short(&mut self, actions: &mut Actions) {
        self.hand_on(actions);
        let (slave, stream) = (self.slave.clone(), self.id.stream);
        actions.tell(Notice::OutputCut { slave, stream, most: self.request.most });
        self.finish(End::Cut, OutputStep::Cut, actions);
    }

    fn finish(&mut self, end: End, step: OutputStep, actions: &mut Actions) {
        self.state = State::Ending(end);
        self.unstored += 1;
        self.step(step, actions);
    }

    /// Hands on the bytes that have come.
    fn hand_on(&mut self, actions: &mut Actions) {
        if !self.pieces.is_empty() {
            let pieces = std::mem::take(&mut self.pieces);
            self.step(OutputStep::Bytes(pieces), actions);
        }
    }

    fn mark(&mut self, mark: OutputMark, actions: &mut Actions) {
        let window = u64::from(self.window);
        let is_empty = self.allowed == window;
        let is_short = if self.request.follow { is_empty && self.other.is_none() } else { self.allowed > 0 };
        self.hand_on(actions);
        if mark.position != self.position {
            self.fail(format!("only {} of {} bytes arrived", self.position, mark.position), actions);
        } else if mark.is_end && self.request.offset == 0 && mark.digest.is_none() {
            self.fail("the slave sent no digest of the output".to_owned(), actions);
        } else if is_short && !mark.is_end {
            let why = "the slave sent less than was asked for, without marking the end of the output";
            self.fail(why.to_owned(), actions);
        } else if mark.is_end || self.request.once {
            let digest = mark.digest.filter(|_| self.request.offset == 0);
            self.finish(End::Complete(digest), OutputStep::End { digest }, actions);
        } else {
            self.sync(actions);
        }
    }

    fn sync(&mut self, actions: &mut Actions) {
        self.step(OutputStep::Sync, actions);
        self.unstored += 1;
        self.state = if self.unstored > UNSTORED_MAX { State::Storing } else { State::Ready };
    }

    fn step(&self, step: OutputStep, actions: &mut Actions) {
        actions.push(Action::Output { id: self.id, step });
    }
}

#[cfg(test)]
mod tests;
