//! The output of one slave's task, fetched window by window.

use super::actions::Actions;
use super::{Action, OutputId, OutputStep, PeerId};
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
    /// How much is asked for at a time, in bytes.
    pub(super) window: u32,
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
    id: OutputId,
    request: Request,
    position: u64,
    /// Bytes that may still come before the next mark.
    allowed: u64,
    /// The number of the window that was asked for last. A window that is asked for again after a break keeps its number, so
    /// that a slave gains no time by connecting anew.
    asked: u64,
    /// Bytes that have come and are too few to be handed on.
    pieces: Vec<u8>,
    unstored: u32,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// A window was asked for.
    Asked,
    /// A window is to be asked for when the slave is connected again.
    Cut,
    /// The bytes that have come have to be stored first.
    Storing,
    /// All bytes have come, and are not stored yet.
    Ending(Option<Digest>),
    Complete(Option<Digest>),
    Failed(String),
}

/// How far an output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fetched {
    Underway,
    /// The output is complete. The digest is that of all bytes, if all were fetched.
    Complete(Option<Digest>),
    Failed(String),
}

impl OutputStream {
    /// Asks for the first window.
    pub(super) fn begin(peer: PeerId, name: &str, id: OutputId, request: Request, actions: &mut Actions) -> Self {
        let mut stream = Self {
            peer: Some(peer),
            id,
            request,
            position: request.offset,
            allowed: 0,
            asked: 0,
            pieces: Vec::new(),
            unstored: 0,
            state: State::Asked,
        };
        stream.step(OutputStep::Begin { name: name.to_owned() }, actions);
        stream.ask_next(actions);
        stream
    }

    pub(super) fn id(&self) -> OutputId {
        self.id
    }

    pub(super) fn fetched(&self) -> Fetched {
        match &self.state {
            State::Asked | State::Cut | State::Storing | State::Ending(_) => Fetched::Underway,
            State::Complete(digest) => Fetched::Complete(*digest),
            State::Failed(why) => Fetched::Failed(why.clone()),
        }
    }

    /// The window for which the slave is awaited.
    pub(super) fn awaited_window(&self) -> Option<u64> {
        matches!(self.state, State::Asked | State::Cut).then_some(self.asked)
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
    pub(super) fn stored(&mut self, id: OutputId, actions: &mut Actions) {
        if id != self.id {
            return;
        }
        self.unstored = self.unstored.saturating_sub(1);
        match self.state {
            State::Storing => self.ask_next(actions),
            State::Ending(digest) if self.unstored == 0 => self.state = State::Complete(digest),
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
        if matches!(self.state, State::Asked | State::Cut | State::Storing) {
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

    /// The slave has connected anew.
    pub(super) fn reconnect(&mut self, peer: PeerId, actions: &mut Actions) {
        self.peer = Some(peer);
        if matches!(self.state, State::Asked | State::Cut) {
            self.ask(actions);
        }
    }

    fn ask_next(&mut self, actions: &mut Actions) {
        self.asked += 1;
        self.ask(actions);
    }

    /// Asks for the rest of a window, or waits until the slave has connected anew.
    fn ask(&mut self, actions: &mut Actions) {
        let Some(peer) = self.peer else {
            self.state = State::Cut;
            return;
        };
        let Request { window, follow, .. } = self.request;
        self.state = State::Asked;
        self.allowed = window.into();
        actions.send(peer, Message::Fetch(Fetch { offset: self.position, length: window, follow }));
    }

    fn part(&mut self, part: Vec<u8>, actions: &mut Actions) {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        let Some(allowed) = self.allowed.checked_sub(length) else {
            return self.fail("the slave sent more than was asked for".to_owned(), actions);
        };
        if part.is_empty() {
            return self.fail("the slave sent an empty part".to_owned(), actions);
        }
        self.allowed = allowed;
        self.position = self.position.saturating_add(length);
        if self.pieces.is_empty() && part.len() >= PIECE_MIN {
            return self.step(OutputStep::Bytes(part), actions);
        }
        self.pieces.extend(part);
        if self.pieces.len() >= PIECE_MIN {
            self.hand_on(actions);
        }
    }

    /// Hands on the bytes that have come.
    fn hand_on(&mut self, actions: &mut Actions) {
        if !self.pieces.is_empty() {
            let pieces = std::mem::take(&mut self.pieces);
            self.step(OutputStep::Bytes(pieces), actions);
        }
    }

    fn mark(&mut self, mark: OutputMark, actions: &mut Actions) {
        let window = u64::from(self.request.window);
        let is_short = if self.request.follow { self.allowed == window } else { self.allowed > 0 };
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
            self.state = State::Ending(digest);
            self.unstored += 1;
            self.step(OutputStep::End { digest }, actions);
        } else {
            self.sync(actions);
        }
    }

    fn sync(&mut self, actions: &mut Actions) {
        self.step(OutputStep::Sync, actions);
        self.unstored += 1;
        if self.unstored > UNSTORED_MAX {
            self.state = State::Storing;
        } else {
            self.ask_next(actions);
        }
    }

    fn step(&self, step: OutputStep, actions: &mut Actions) {
        actions.push(Action::Output { id: self.id, step });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synexec_proto::message::Reason;

    const PEER: PeerId = PeerId(7);
    const ID: OutputId = OutputId { round: 1, rank: 3 };
    const WHOLE: Request = Request { offset: 0, window: 4, follow: false, once: false };

    fn begin(request: Request) -> (OutputStream, Actions) {
        let mut actions = Actions::default();
        let stream = OutputStream::begin(PEER, "vm", ID, request, &mut actions);
        assert_eq!(actions.pop(), Some(step(OutputStep::Begin { name: "vm".into() })));
        (stream, actions)
    }

    fn taken(actions: &mut Actions) -> Vec<Action> {
        std::iter::from_fn(|| actions.pop()).collect()
    }

    fn fetch(offset: u64) -> Action {
        Action::Send { peer: PEER, message: Message::Fetch(Fetch { offset, length: 4, follow: false }) }
    }

    fn step(step: OutputStep) -> Action {
        Action::Output { id: ID, step }
    }

    fn part(bytes: &[u8]) -> Message {
        Message::OutputPart(bytes.to_vec())
    }

    fn mark(position: u64, all: Option<&[u8]>) -> Message {
        Message::OutputMark(OutputMark { position, is_end: all.is_some(), digest: all.map(Digest::of) })
    }

    #[test]
    fn windows_follow_one_another_and_one_may_be_unstored() {
        let (mut stream, mut actions) = begin(WHOLE);
        assert_eq!(taken(&mut actions), [fetch(0)]);
        stream.received(part(b"abcd"), &mut actions);
        stream.received(mark(4, None), &mut actions);
        assert_eq!(taken(&mut actions), [step(OutputStep::Bytes(b"abcd".to_vec())), step(OutputStep::Sync), fetch(4)]);
        stream.received(part(b"ef"), &mut actions);
        stream.received(part(b"gh"), &mut actions);
        stream.received(mark(8, None), &mut actions);
        assert_eq!(taken(&mut actions).last(), Some(&step(OutputStep::Sync)));
        stream.stored(ID, &mut actions);
        assert_eq!(taken(&mut actions), [fetch(8)]);
        stream.received(mark(8, Some(b"abcdefgh")), &mut actions);
        let digest = Some(Digest::of(b"abcdefgh"));
        assert_eq!(taken(&mut actions), [step(OutputStep::End { digest })]);
        stream.stored(ID, &mut actions);
        assert_eq!(stream.fetched(), Fetched::Underway);
        stream.stored(ID, &mut actions);
        assert_eq!(stream.fetched(), Fetched::Complete(Some(Digest::of(b"abcdefgh"))));
    }

    #[test]
    fn a_window_that_was_cut_short_is_continued() {
        let (mut stream, mut actions) = begin(WHOLE);
        stream.received(part(b"ab"), &mut actions);
        stream.cut();
        stream.received(part(b"cd"), &mut actions);
        taken(&mut actions);
        stream.reconnect(PEER, &mut actions);
        assert_eq!(taken(&mut actions), [fetch(2)]);
        stream.received(part(b"cdef"), &mut actions);
        stream.received(mark(6, Some(b"abcdef")), &mut actions);
        stream.stored(ID, &mut actions);
        assert_eq!(stream.fetched(), Fetched::Complete(Some(Digest::of(b"abcdef"))));
    }

    #[test]
    fn nothing_is_asked_for_while_the_slave_is_away() {
        let (mut stream, mut actions) = begin(WHOLE);
        for window in [4, 8] {
            stream.received(part(b"abcd"), &mut actions);
            stream.received(mark(window, None), &mut actions);
        }
        stream.cut();
        taken(&mut actions);
        stream.stored(ID, &mut actions);
        assert_eq!((taken(&mut actions), stream.awaited_window()), (vec![], Some(3)));
        stream.reconnect(PEER, &mut actions);
        assert_eq!((taken(&mut actions), stream.awaited_window()), (vec![fetch(8)], Some(3)));
    }

    #[test]
    fn an_output_with_a_wrong_digest_is_given_up() {
        for (messages, why) in [
            (vec![part(b"abcde")], "more than was asked for"),
            (vec![part(b"ab"), mark(4, None)], "only 2 of 4 bytes arrived"),
            (
                vec![part(b"ab"), Message::OutputMark(OutputMark { position: 2, is_end: true, digest: None })],
                "no digest",
            ),
            (vec![mark(0, None)], "sent less"),
            (vec![Message::OutputNo(Some(Reason::new("no such file")))], "no such file"),
        ] {
            let (mut stream, mut actions) = begin(WHOLE);
            for message in messages {
                stream.received(message, &mut actions);
            }
            let Fetched::Failed(told) = stream.fetched() else { panic!("{why}: {:?}", stream.fetched()) };
            assert!(told.contains(why), "{told}");
            assert_eq!(taken(&mut actions).last(), Some(&step(OutputStep::Abandon)));
            stream.received(mark(0, Some(b"")), &mut actions);
            stream.stored(ID, &mut actions);
            assert_eq!(taken(&mut actions), []);
        }
    }

    #[test]
    fn bytes_that_have_another_digest_are_given_up() {
        let (mut stream, mut actions) = begin(WHOLE);
        stream.received(part(b"ab"), &mut actions);
        stream.received(mark(2, Some(b"ax")), &mut actions);
        stream.differs(OutputId { round: 2, ..ID }, &mut actions);
        assert_eq!(stream.fetched(), Fetched::Underway);
        stream.differs(ID, &mut actions);
        let Fetched::Failed(why) = stream.fetched() else { panic!("{:?}", stream.fetched()) };
        assert!(why.contains("do not match"), "{why}");
        assert_eq!(taken(&mut actions).last(), Some(&step(OutputStep::Abandon)));
    }

    #[test]
    fn a_tail_is_one_window() {
        let (mut stream, mut actions) = begin(Request { offset: 100, once: true, ..WHOLE });
        assert_eq!(taken(&mut actions), [fetch(100)]);
        stream.received(part(b"tail"), &mut actions);
        stream.received(mark(104, None), &mut actions);
        stream.stored(ID, &mut actions);
        assert_eq!(stream.fetched(), Fetched::Complete(None));
    }
}
