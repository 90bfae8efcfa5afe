//! The output of one slave's task, fetched window by window.

use super::actions::Actions;
use super::{Action, OutputId, OutputStep, PeerId};
use synexec_proto::digest::{Digest, Hasher};
use synexec_proto::message::{Fetch, Message, OutputMark};

/// Windows that may be on their way to where they are stored while the next one is asked for.
const UNSTORED_MAX: u32 = 1;

/// Least bytes that are handed on at a time, so that a slave that gives them one by one costs no more than another.
const PIECE_MIN: usize = 16 * 1024;

/// How an output is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// Where to begin.
    pub(super) offset: u64,
    /// How much is asked for at a time, in bytes.
    pub(super) window: u32,
    /// Whether the task is not over, and what it writes is wanted as it comes.
    pub(super) follow: bool,
    /// Whether one window is all that is wanted.
    pub(super) once: bool,
}

/// One output on its way.
#[derive(Debug)]
pub(super) struct OutputStream {
    /// None while the slave's connection is broken.
    peer: Option<PeerId>,
    name: String,
    id: OutputId,
    request: Request,
    position: u64,
    /// Bytes that may still come before the next mark.
    allowed: u64,
    /// The number of the window that was asked for last. One that is asked for once more, since the connection broke,
    /// stays the same, so that nobody wins time by coming back.
    asked: u64,
    hasher: Hasher,
    /// What has come and is too little to be handed on alone.
    pieces: Vec<u8>,
    unstored: u32,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// A window was asked for.
    Asked,
    /// A window is to be asked for, when the slave is there again.
    Cut,
    /// What has come has to be stored first.
    Storing,
    /// All has come, and is not stored yet.
    Ending(Option<Digest>),
    Complete(Option<Digest>),
    Failed(String),
}

/// How far an output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fetched {
    Underway,
    /// With the digest of all of it, where all of it was fetched.
    Complete(Option<Digest>),
    Failed(String),
}

impl OutputStream {
    /// Asks for the first window.
    pub(super) fn begin(peer: PeerId, name: String, id: OutputId, request: Request, actions: &mut Actions) -> Self {
        let mut stream = Self {
            peer: Some(peer),
            name,
            id,
            request,
            position: request.offset,
            allowed: 0,
            asked: 0,
            hasher: Hasher::default(),
            pieces: Vec::new(),
            unstored: 0,
            state: State::Asked,
        };
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

    /// Which window it is the slave's turn to give.
    pub(super) fn awaited_window(&self) -> Option<u64> {
        matches!(self.state, State::Asked | State::Cut).then_some(self.asked)
    }

    /// Whether it is not the slave that is waited for, but what has come has to be stored.
    pub(super) fn is_being_stored(&self) -> bool {
        matches!(self.state, State::Storing | State::Ending(_))
    }

    /// Where what has come of it ends, in bytes from its beginning.
    pub(super) fn end(&self) -> u64 {
        self.position
    }

    /// Takes what the slave says of its output.
    pub(super) fn received(&mut self, message: Message, actions: &mut Actions) {
        if self.state != State::Asked {
            return;
        }
        match message {
            Message::OutputPart(part) => self.part(part, actions),
            Message::OutputMark(mark) => self.mark(mark, actions),
            Message::OutputNo(reason) => {
                let why = reason.map_or_else(|| "it gives no reason".to_owned(), |reason| reason.to_string());
                self.fail(why, actions);
            }
            _ => {}
        }
    }

    /// What came before a [`OutputStep::Sync`] or [`OutputStep::End`] is stored.
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

    /// The slave is lost, which matters only while it has still something to give.
    pub(super) fn lose(&mut self, why: String, actions: &mut Actions) {
        if matches!(self.state, State::Asked | State::Cut | State::Storing) {
            self.fail(why, actions);
        }
    }

    /// Gives the output up, unless it is complete.
    pub(super) fn fail(&mut self, why: String, actions: &mut Actions) {
        if self.fetched() == Fetched::Underway {
            self.step(OutputStep::Abandon, actions);
            self.state = State::Failed(why);
        }
    }

    /// The slave's connection has broken, and may be taken up again.
    pub(super) fn cut(&mut self) {
        self.peer = None;
        if self.state == State::Asked {
            self.state = State::Cut;
        }
    }

    /// The slave is there again.
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

    /// Asks for what is left of a window, or as soon as the slave is there.
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
            return self.fail("it sent more than was asked for".to_owned(), actions);
        };
        if part.is_empty() {
            return self.fail("it gives nothing, and does not say that this is all".to_owned(), actions);
        }
        self.allowed = allowed;
        self.position = self.position.saturating_add(length);
        self.hasher.update(&part);
        if self.pieces.is_empty() && part.len() >= PIECE_MIN {
            return self.step(OutputStep::Bytes(part), actions);
        }
        self.pieces.extend(part);
        if self.pieces.len() >= PIECE_MIN {
            self.hand_on(actions);
        }
    }

    /// Hands on what has come.
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
            self.fail(format!("of {} bytes only {} came", mark.position, self.position), actions);
        } else if mark.is_end && !self.is_digest_right(mark) {
            self.fail("what came is not what was sent: the digests differ".to_owned(), actions);
        } else if is_short && !mark.is_end {
            self.fail("it gives less than was asked for, and does not say that this is all".to_owned(), actions);
        } else if mark.is_end || self.request.once {
            self.state = State::Ending(mark.digest.filter(|_| self.request.offset == 0));
            self.unstored += 1;
            self.step(OutputStep::End, actions);
        } else {
            self.sync(actions);
        }
    }

    /// One that was fetched from the beginning must have a digest.
    fn is_digest_right(&self, mark: OutputMark) -> bool {
        self.request.offset > 0 || mark.digest == Some(self.hasher.digest())
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
        actions.push(Action::Output { name: self.name.clone(), id: self.id, step });
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
        let stream = OutputStream::begin(PEER, "vm".into(), ID, request, &mut actions);
        (stream, actions)
    }

    fn taken(actions: &mut Actions) -> Vec<Action> {
        std::iter::from_fn(|| actions.pop()).collect()
    }

    fn fetch(offset: u64) -> Action {
        Action::Send { peer: PEER, message: Message::Fetch(Fetch { offset, length: 4, follow: false }) }
    }

    fn step(step: OutputStep) -> Action {
        Action::Output { name: "vm".into(), id: ID, step }
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
        assert_eq!(taken(&mut actions), [step(OutputStep::End)]);
        stream.stored(ID, &mut actions);
        assert_eq!(stream.fetched(), Fetched::Underway);
        stream.stored(ID, &mut actions);
        assert_eq!(stream.fetched(), Fetched::Complete(Some(Digest::of(b"abcdefgh"))));
    }

    #[test]
    fn a_window_that_was_cut_short_is_asked_for_from_where_it_has_come_to() {
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
    fn what_is_not_what_was_sent_is_given_up() {
        for (messages, why) in [
            (vec![part(b"abcde")], "more than was asked for"),
            (vec![part(b"ab"), mark(4, None)], "of 4 bytes only 2 came"),
            (vec![part(b"ab"), mark(2, Some(b"ax"))], "digests differ"),
            (vec![part(b"ab"), Message::OutputMark(OutputMark { position: 2, is_end: true, digest: None })], "differ"),
            (vec![mark(0, None)], "gives less"),
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
    fn a_tail_is_one_window() {
        let (mut stream, mut actions) = begin(Request { offset: 100, once: true, ..WHOLE });
        assert_eq!(taken(&mut actions), [fetch(100)]);
        stream.received(part(b"tail"), &mut actions);
        stream.received(mark(104, None), &mut actions);
        stream.stored(ID, &mut actions);
        assert_eq!(stream.fetched(), Fetched::Complete(None));
    }
}
