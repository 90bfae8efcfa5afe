//! Windows of one output, in any order of events.

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
    stream.reconnect(PEER);
    stream.ask_next(WINDOW, None, &mut actions);
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
    stream.reconnect(PEER);
    stream.ask_next(WINDOW, None, &mut actions);
    assert_eq!((taken(&mut actions), stream.is_asked()), (vec![fetch(8)], true));
}

#[test]
fn an_output_with_a_wrong_digest_is_given_up() {
    for (messages, why) in [
        (vec![part(b"abcde")], "more than was asked for"),
        (vec![part(b"ab"), mark(4, None)], "only 2 of 4 bytes arrived"),
        (vec![part(b"ab"), Message::OutputMark(OutputMark { position: 2, is_end: true, digest: None })], "no digest"),
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
