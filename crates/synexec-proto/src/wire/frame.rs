//! A whole message: command and data.

use thiserror::Error;

use super::{Command, HEADER_LEN, Header, SessionId};

/// Most bytes of data in one frame: the length field of the header has 16 bits.
pub const DATA_MAX: usize = 65_535;

/// Most bytes of data that a master keeps of a slave's message, unless the master allows long messages. The limit bounds
/// the memory that a thousand strangers can take.
pub const SHORT_DATA_MAX: usize = 4096;

/// The data are longer than [`DATA_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the data are too long for one message (length: {0}); at most {DATA_MAX} bytes fit")]
pub struct FrameTooLong(pub usize);

/// One message as it crosses the network, without version and session, which are the same for all messages of a
/// connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    command: Command,
    length: u16,
    data: Vec<u8>,
    /// Whether the receiver has kept only the beginning of the data.
    is_cut: bool,
}

impl Frame {
    /// A frame with data.
    ///
    /// # Errors
    /// [`FrameTooLong`] when the data exceed [`DATA_MAX`].
    pub fn new(command: Command, data: Vec<u8>) -> Result<Self, FrameTooLong> {
        let length = u16::try_from(data.len()).map_err(|_| FrameTooLong(data.len()))?;
        Ok(Self { command, length, data, is_cut: false })
    }

    /// A frame without data.
    pub fn bare(command: Command) -> Self {
        Self { command, length: 0, data: Vec::new(), is_cut: false }
    }

    /// A received frame: the length in its header is the length of these data.
    pub(super) fn received(header: Header, data: Vec<u8>) -> Self {
        Self { command: header.command, length: header.length, data, is_cut: false }
    }

    /// A received frame of which only these first bytes of its data are kept.
    ///
    /// # Errors
    /// [`FrameTooLong`] when the data exceed [`DATA_MAX`].
    pub fn cut(command: Command, kept: Vec<u8>) -> Result<Self, FrameTooLong> {
        Ok(Self { is_cut: true, ..Self::new(command, kept)? })
    }

    /// The command in the header.
    pub fn command(&self) -> Command {
        self.command
    }

    /// The data after the header. Of a frame that is cut, only the beginning.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Whether the receiver has kept only the beginning of the data, because the data are longer than the receiver
    /// allows. The rest is unknown.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The data after the header, owned.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Appends header and data to `out`, so that one write sends both.
    pub fn encode_into(&self, session: SessionId, out: &mut Vec<u8>) {
        out.reserve(HEADER_LEN + self.data.len());
        out.extend_from_slice(&Header::new(session, self.command, self.length).encode());
        out.extend_from_slice(&self.data);
    }

    /// Header and data as one piece.
    pub fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(session, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let frame = Frame::new(Command::Conf, b"/bin/sleep 1".to_vec()).unwrap();
        let mut expected = vec![0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 12];
        expected.extend_from_slice(b"/bin/sleep 1");
        assert_eq!(frame.encode(SessionId(1)), expected);
    }

    #[test]
    fn data_are_never_cut_to_fit() {
        assert!(Frame::new(Command::Conf, vec![0; DATA_MAX]).is_ok());
        assert_eq!(Frame::new(Command::Conf, vec![0; DATA_MAX + 1]), Err(FrameTooLong(DATA_MAX + 1)));
    }
}
