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

    /// The slave has connected anew.
    pub(super) fn reconnect(&mut self, peer: PeerId, actions: &mut Actions) {
        self.peer = Some(peer);
        if matches!(self.state, State::Asked | State::Cut) {
            self.ask(actions);
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
mod tests {
    use super::*;
    use synexec_proto::message::{Reason, TaskStream};

    const PEER: PeerId = PeerId(7);
    const ID: OutputId = OutputId { round: 1, rank: 3, stream: TaskStream::Output };
    const WHOLE: Request = Request { offset: 0, most: 1000, follow: false, once: false };
    const WINDOW: u32 = 4;

    fn label() -> SlaveLabel {
        SlaveLabel::new("vm".into(), "10.0.0.1:5".parse().unwrap())
    }

    fn begin(request: Request) -> (OutputStream, Actions) {
        let mut actions = Actions::default();
        let mut stream = OutputStream::begin(PEER, label(), ID, request, &mut actions);
        assert_eq!(actions.pop(), Some(step(OutputStep::Begin { name: "vm".into() })));
        stream.ask_next(WINDOW, None, &mut actions);
        (stream, actions)
    }

    fn taken(actions: &mut Actions) -> Vec<Action> {
        std::iter::from_fn(|| actions.pop()).collect()
    }

    fn fetch(offset: u64) -> Action {
        Action::Send { peer: PEER, message: Message::Fetch(Fetch { offset, length: 4, ..Fetch::default() }) }
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
        stream.ask_next(WINDOW, None, &mut actions);
        assert_eq!(taken(&mut actions), [step(OutputStep::Bytes(b"abcd".to_vec())), step(OutputStep::Sync), fetch(4)]);
        stream.received(part(b"ef"), &mut actions);
        stream.received(part(b"gh"), &mut actions);
        stream.received(mark(8, None), &mut actions);
        stream.ask_next(WINDOW, None, &mut actions);
        assert_eq!(taken(&mut actions).last(), Some(&step(OutputStep::Sync)));
        assert!(!stream.is_ready() && stream.has_unstored());
        stream.stored(ID);
        stream.ask_next(WINDOW, None, &mut actions);
        assert_eq!(taken(&mut actions), [fetch(8)]);
        stream.received(mark(8, Some(b"abcdefgh")), &mut actions);
        let digest = Some(Digest::of(b"abcdefgh"));
        assert_eq!(taken(&mut actions), [step(OutputStep::End { digest })]);
        stream.stored(ID);
        assert_eq!(stream.fetched(), Fetched::Underway);
        stream.stored(ID);
        assert_eq!(stream.fetched(), Fetched::Ended(End::Complete(Some(Digest::of(b"abcdefgh")))));
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
        stream.stored(ID);
        assert_eq!(stream.fetched(), Fetched::Ended(End::Complete(Some(Digest::of(b"abcdef")))));
    }

    #[test]
    fn nothing_is_asked_for_while_the_slave_is_away() {
        let (mut stream, mut actions) = begin(WHOLE);
        for window in [4, 8] {
            stream.received(part(b"abcd"), &mut actions);
            stream.received(mark(window, None), &mut actions);
            stream.ask_next(WINDOW, None, &mut actions);
        }
        stream.cut();
        taken(&mut actions);
        stream.stored(ID);
        stream.ask_next(WINDOW, None, &mut actions);
        assert!(taken(&mut actions).is_empty() && stream.is_asked());
        stream.reconnect(PEER, &mut actions);
        assert_eq!((taken(&mut actions), stream.is_asked()), (vec![fetch(8)], true));
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
            stream.stored(ID);
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
        stream.stored(ID);
        assert_eq!(stream.fetched(), Fetched::Ended(End::Complete(None)));
    }

    /// Fetches an output of which six bytes are kept, and which has this many; returns the last steps.
    fn limited(length: usize) -> (OutputStream, Vec<Action>) {
        let (mut stream, mut actions) = begin(Request { most: 6, ..WHOLE });
        let bytes = b"abcdefghijkl".get(..length).unwrap();
        stream.received(part(b"abcd"), &mut actions);
        stream.received(mark(4, None), &mut actions);
        taken(&mut actions);
        stream.ask_next(WINDOW, None, &mut actions);
        let rest = Fetch { offset: 4, length: 3, ..Fetch::default() };
        assert_eq!(taken(&mut actions), [Action::Send { peer: PEER, message: Message::Fetch(rest) }]);
        stream.received(part(bytes.get(4..length.min(7)).unwrap()), &mut actions);
        let is_end = length <= 7;
        stream.received(mark(7.min(length.try_into().unwrap()), is_end.then_some(bytes)), &mut actions);
        for _ in 0..2 {
            stream.stored(ID);
        }
        (stream, taken(&mut actions))
    }

    #[test]
    fn an_output_is_cut_only_if_it_has_more_bytes_than_are_kept() {
        let (stream, _) = limited(6);
        assert_eq!(stream.fetched(), Fetched::Ended(End::Complete(Some(Digest::of(b"abcdef")))));
        for length in [7, 12] {
            let (stream, steps) = limited(length);
            assert_eq!((stream.fetched(), stream.end()), (Fetched::Ended(End::Cut), 6));
            let told = Action::Tell(Notice::OutputCut { slave: label(), stream: TaskStream::Output, most: 6 });
            assert_eq!(steps, [step(OutputStep::Bytes(b"ef".to_vec())), told, step(OutputStep::Cut)]);
        }
    }
}
