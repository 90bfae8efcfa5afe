//! A connection between a client and the master: two streams of bytes, each with its delay.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::{Frame, FrameDecoder, SessionId};

use super::time::START;
use super::world::Id;

/// The session of the world.
pub const SESSION: SessionId = SessionId(0);

/// Bytes that one read gives.
const READ: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Master,
    Client,
}

/// How long a message is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways {
    /// From the master.
    pub out: Duration,
    /// To the master.
    pub back: Duration,
    /// The most that chance adds, either way.
    pub jitter: Duration,
}

#[derive(Debug)]
pub struct Link {
    pub client: Id,
    pub ways: Ways,
    /// Nothing crosses any more, and nobody is told.
    pub cut: bool,
    /// Until when it is full of conf; what comes after that has to wait.
    pub busy_until: MonotonicInstant,
    master_end: End,
    client_end: End,
}

/// One end: open until it is closed there, or known there that the other one is.
#[derive(Debug)]
struct End {
    open: bool,
    /// When the last of what is on its way arrives; nothing overtakes it.
    last_arrival: MonotonicInstant,
    decoder: FrameDecoder,
}

impl Ways {
    pub fn even(delay: Duration) -> Self {
        Self { out: delay, back: delay, jitter: Duration::ZERO }
    }

    pub fn from(self, side: Side) -> Duration {
        match side {
            Side::Master => self.out,
            Side::Client => self.back,
        }
    }
}

impl Link {
    pub fn new(client: Id, ways: Ways) -> Self {
        Self { client, ways, cut: false, busy_until: START, master_end: End::new(), client_end: End::new() }
    }

    /// When what would arrive at one end at an instant does, after all that is on its way there.
    pub fn in_turn(&mut self, side: Side, at: MonotonicInstant) -> MonotonicInstant {
        let end = self.end(side);
        end.last_arrival = end.last_arrival.max(at);
        end.last_arrival
    }

    pub fn is_open(&self, side: Side) -> bool {
        match side {
            Side::Master => self.master_end.open,
            Side::Client => self.client_end.open,
        }
    }

    /// Closes one end; tells whether it was open.
    pub fn close(&mut self, side: Side) -> bool {
        std::mem::replace(&mut self.end(side).open, false)
    }

    /// The frames that these bytes complete, and why no more will come if so.
    pub fn read(&mut self, side: Side, bytes: &[u8]) -> (Vec<Frame>, Result<(), Disconnect>) {
        let end = self.end(side);
        let mut frames = Vec::new();
        let result = bytes.chunks(READ).try_for_each(|chunk| end.read(chunk, &mut frames));
        (frames, result)
    }

    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Master => &mut self.master_end,
            Side::Client => &mut self.client_end,
        }
    }
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Master => Self::Client,
            Self::Client => Self::Master,
        }
    }
}

impl End {
    fn new() -> Self {
        Self { open: true, last_arrival: START, decoder: FrameDecoder::new(SESSION, synexec_proto::wire::DATA_MAX) }
    }

    fn read(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<(), Disconnect> {
        self.decoder.feed(bytes);
        while let Some(frame) = self.decoder.next_frame()? {
            frames.push(frame);
        }
        Ok(())
    }
}
