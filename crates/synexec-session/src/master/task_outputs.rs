//! The streams of one slave's task, fetched one window at a time: the output, and standard error if it is separate.

use super::actions::Actions;
use super::output::{Fetched, OutputStream, Request};
use super::{OutputId, PeerId, SlaveLabel};
use synexec_proto::message::{Message, TaskStream};

/// The streams that are fetched from one slave. At most one of them is asked for at a time, because the parts of an answer
/// do not say to which stream they belong.
#[derive(Debug)]
pub(super) struct TaskOutputs {
    /// The output comes first. Standard error follows if it is separate.
    streams: Vec<OutputStream>,
    /// The position in `streams` of the stream that was asked for last.
    last: usize,
    /// Whether the answer is complete. A stream may be cut or given up before that.
    is_answered: bool,
    /// Whether the last answer had no bytes, because the other stream has some.
    was_empty: bool,
}

impl TaskOutputs {
    /// Streams of which nothing is asked for yet.
    pub(super) fn begin(
        peer: PeerId,
        slave: &SlaveLabel,
        round: u32,
        rank: u32,
        requests: impl IntoIterator<Item = (TaskStream, Request)>,
        actions: &mut Actions,
    ) -> Self {
        let begin = |(stream, request)| {
            let id = OutputId { round, rank, stream };
            OutputStream::begin(peer, slave.clone(), id, request, actions)
        };
        Self { streams: requests.into_iter().map(begin).collect(), last: 0, is_answered: true, was_empty: false }
    }

    /// What has become of each stream.
    pub(super) fn fetched(&self) -> impl Iterator<Item = (TaskStream, Fetched, u64)> {
        self.streams.iter().map(|stream| (stream.id().stream, stream.fetched(), stream.end()))
    }

    /// Whether nothing more comes of any stream.
    pub(super) fn is_over(&self) -> bool {
        self.streams.iter().all(|stream| stream.fetched() != Fetched::Underway)
    }

    /// Whether the slave is awaited with a window.
    pub(super) fn is_asked(&self) -> bool {
        !self.is_answered
    }

    /// Whether the next window may be asked for.
    pub(super) fn is_ready(&self) -> bool {
        self.next().is_some()
    }

    /// Whether bytes that have come are not stored yet.
    pub(super) fn has_unstored(&self) -> bool {
        self.streams.iter().any(OutputStream::has_unstored)
    }

    /// Whether the bytes that have come have to be stored before the slave is asked for more.
    pub(super) fn is_being_stored(&self) -> bool {
        !self.is_ready() && self.streams.iter().any(OutputStream::is_being_stored)
    }

    /// Where the fetched parts end, in bytes from the beginnings of the streams, as a sum.
    pub(super) fn end(&self) -> u64 {
        self.streams.iter().map(OutputStream::end).fold(0, u64::saturating_add)
    }

    /// Takes a message of the slave about the stream that was asked for.
    pub(super) fn received(&mut self, message: Message, actions: &mut Actions) {
        let Some(stream) = self.streams.get_mut(self.last).filter(|_| !self.is_answered) else { return };
        self.is_answered = matches!(message, Message::OutputMark(_) | Message::OutputNo(_));
        self.was_empty = self.is_answered && stream.end() == stream.asked_from();
        stream.received(message, actions);
    }

    /// The steps up to a [`super::OutputStep::Sync`] or [`super::OutputStep::End`] of this output are done.
    pub(super) fn stored(&mut self, id: OutputId) {
        self.streams.iter_mut().for_each(|stream| stream.stored(id));
    }

    /// The bytes of this output do not have the digest that the slave told.
    pub(super) fn differs(&mut self, id: OutputId, actions: &mut Actions) {
        self.streams.iter_mut().for_each(|stream| stream.differs(id, actions));
    }

    /// This output cannot be stored.
    pub(super) fn fail_one(&mut self, id: OutputId, why: &str, actions: &mut Actions) {
        let streams = self.streams.iter_mut().filter(|stream| stream.id() == id);
        streams.for_each(|stream| stream.fail(why.to_owned(), actions));
    }

    /// Gives up all streams that are not complete.
    pub(super) fn fail(&mut self, why: &str, actions: &mut Actions) {
        self.streams.iter_mut().for_each(|stream| stream.fail(why.to_owned(), actions));
    }

    /// The slave is lost, which matters only for streams of which it still has bytes to give.
    pub(super) fn lose(&mut self, why: &str, actions: &mut Actions) {
        self.streams.iter_mut().for_each(|stream| stream.lose(why.to_owned(), actions));
        self.is_answered = true;
    }

    /// The slave's connection has broken, and can be resumed.
    pub(super) fn cut(&mut self) {
        self.streams.iter_mut().for_each(OutputStream::cut);
        self.is_answered = !self.streams.iter().any(OutputStream::is_asked);
    }

    /// The slave has connected anew. What it was asked for is to be asked for again.
    pub(super) fn reconnect(&mut self, peer: PeerId) {
        self.streams.iter_mut().for_each(|stream| stream.reconnect(peer));
        (self.is_answered, self.was_empty) = (true, false);
    }

    /// Asks for the next window of this length, if that is possible now.
    pub(super) fn ask_next(&mut self, window: u32, actions: &mut Actions) {
        let Some(next) = self.next() else { return };
        // After an empty answer, the other stream is known to have bytes: another empty answer is an error.
        let other = (0..self.streams.len()).find(|index| *index != next && !self.was_empty);
        let other = other.and_then(|index| self.streams.get(index)).filter(|stream| stream.is_ready());
        let other = other.map(OutputStream::end);
        if let Some(stream) = self.streams.get_mut(next) {
            stream.ask_next(window, other, actions);
            (self.last, self.is_answered) = (next, false);
        }
    }

    /// The stream to ask for next. While a task runs, its streams take turns.
    fn next(&self) -> Option<usize> {
        if !self.is_answered || self.streams.iter().any(OutputStream::is_full) {
            return None;
        }
        let ready = |index: &usize| self.streams.get(*index).is_some_and(OutputStream::is_ready);
        let follows = self.streams.iter().any(OutputStream::follows);
        let is_other = |index: &usize| follows && *index != self.last;
        let turns = || 0..self.streams.len();
        turns().filter(ready).find(is_other).or_else(|| turns().find(ready))
    }
}
