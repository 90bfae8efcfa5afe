//! A connection between a client and the master: two streams of bytes, each with a delay.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::{Frame, FrameDecoder};

use crate::crossing;
use crate::id::ClientId;
use crate::time::START;

/// The most bytes that one read gives.
const READ: usize = 1000;

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The master's end.
    Master,
    /// The client's end.
    Client,
}

/// How long a message takes from one host to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways {
    /// The delay from the master to the client.
    pub out: Duration,
    /// The delay from the client to the master.
    pub back: Duration,
    /// The most that chance adds to either delay.
    pub jitter: Duration,
}

/// A connection, from the moment in which the master's host accepts it.
#[derive(Debug)]
pub struct Link {
    /// The client at the other end.
    pub client: ClientId,
    /// The delays.
    pub ways: Ways,
    /// Whether nothing crosses any more, although neither end was closed.
    pub cut: bool,
    /// The number of the client's request from which the link comes.
    pub request: u64,
    /// Whether this is the second connection of the client.
    pub is_second: bool,
    /// Until when the link is busy with a conf. Messages of the master wait until then.
    pub busy_until: MonotonicInstant,
    master_end: End,
    client_end: End,
}

/// One end. It is open until its own process closes it.
#[derive(Debug)]
struct End {
    open: bool,
    /// When the last bytes under way arrive. Nothing overtakes them.
    last_arrival: MonotonicInstant,
    decoder: FrameDecoder,
}

impl Ways {
    /// The same delay in both directions, without chance.
    #[must_use]
    pub const fn even(delay: Duration) -> Self {
        Self { out: delay, back: delay, jitter: Duration::ZERO }
    }

    /// The delay of a message from this side.
    pub(crate) fn from(self, side: Side) -> Duration {
        match side {
            Side::Master => self.out,
            Side::Client => self.back,
        }
    }
}

impl Link {
    /// A new connection of a client.
    pub fn new(client: ClientId, ways: Ways, request: u64, is_second: bool) -> Self {
        let (master_end, client_end) = (End::new(), End::new());
        Self { client, ways, cut: false, request, is_second, busy_until: START, master_end, client_end }
    }

    /// The arrival at one end of something that would arrive at this instant if nothing else were under way.
    pub fn arrival(&mut self, side: Side, at: MonotonicInstant) -> MonotonicInstant {
        let end = self.end(side);
        end.last_arrival = end.last_arrival.max(at);
        end.last_arrival
    }

    /// Whether this end is open.
    pub fn is_open(&self, side: Side) -> bool {
        match side {
            Side::Master => self.master_end.open,
            Side::Client => self.client_end.open,
        }
    }

    /// Closes one end. Gives whether it was open.
    pub fn close(&mut self, side: Side) -> bool {
        std::mem::replace(&mut self.end(side).open, false)
    }

    /// The frames that these bytes complete, and the error that ends the stream, if there is one.
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
    /// The opposite end.
    pub fn other(self) -> Self {
        match self {
            Self::Master => Self::Client,
            Self::Client => Self::Master,
        }
    }
}

impl End {
    fn new() -> Self {
        Self { open: true, last_arrival: START, decoder: crossing::decoder() }
    }

    fn read(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<(), Disconnect> {
        self.decoder.feed(bytes);
        while let Some(frame) = self.decoder.next_frame()? {
            frames.push(frame);
        }
        Ok(())
    }
}
