//! The capability block: what a peer can do beyond protocol version 1, and what it is called.
//!
//! It rides as data on the slave's hello REPLY and on the master's first TCP PROBE, where an original peer reads it
//! past: magic `SYNX`, revision (u16), features (u64, one bit each), then fields: 1 the name, 2 the token of a slave that
//! comes back (16 bytes), which the master repeats when it knows it, 3 a number by which a slave that connects anew is known to be the same
//! (u64). All integers are big-endian.

use super::ResumeToken;
use crate::text::printable;
use crate::wire::{Command, FieldError, FieldReader, FieldWriter};

const MAGIC: [u8; 4] = *b"SYNX";
/// The revision of the extensions that is spoken here.
pub(crate) const REVISION: u16 = 1;
const NAME: u16 = 1;
const TOKEN: u16 = 2;
const INSTANCE: u16 = 3;

/// An extension to protocol version 1; used only when both peers announced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `CONF_BEGIN` and `CONF_PART`: a conf of any size, with the slave's rank.
    ConfParts,
    /// Reasons on `CONF_NO` and `EXEC_NO`.
    Reasons,
    /// `TASK_ENDED` in place of FINISHD: how the task ended.
    TaskEnded,
    /// STOP: the master can have the task stopped.
    Stop,
    /// A start at one instant: the clock is measured, EXEC carries the instant, GO confirms it, and HOLD makes the task
    /// ready for another one.
    Start,
    /// RUNNING and STOPPED tell how far the task is.
    Progress,
    /// FETCH, `OUTPUT_PART`, `OUTPUT_MARK`, `OUTPUT_NO`: the master can have the task's output.
    Outputs,
    /// A connection that breaks while the task runs is taken up again: ACK, BYE, and a token in the capability block.
    Resume,
}

impl Feature {
    const ALL: [Self; 8] = [
        Self::ConfParts,
        Self::Reasons,
        Self::TaskEnded,
        Self::Stop,
        Self::Start,
        Self::Progress,
        Self::Outputs,
        Self::Resume,
    ];

    /// The feature that a command belongs to; none where peers of version 1 use it.
    pub(super) fn of(command: Command) -> Option<Self> {
        match command {
            Command::ConfBegin | Command::ConfPart => Some(Self::ConfParts),
            Command::TaskEnded => Some(Self::TaskEnded),
            Command::Stop => Some(Self::Stop),
            Command::ClockProbe | Command::ClockReply | Command::Go | Command::Hold => Some(Self::Start),
            Command::Running | Command::Stopped => Some(Self::Progress),
            Command::Fetch | Command::OutputPart | Command::OutputMark | Command::OutputNo => Some(Self::Outputs),
            Command::Ack | Command::Bye => Some(Self::Resume),
            _ => None,
        }
    }

    const fn bit(self) -> u64 {
        match self {
            Self::ConfParts => 1,
            Self::Reasons => 1 << 1,
            Self::TaskEnded => 1 << 2,
            Self::Stop => 1 << 3,
            Self::Start => 1 << 4,
            Self::Progress => 1 << 5,
            Self::Outputs => 1 << 6,
            Self::Resume => 1 << 7,
        }
    }
}

/// A set of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features(u64);

impl Features {
    /// What an original peer has.
    pub const NONE: Self = Self(0);

    /// All that this revision knows.
    pub fn ours() -> Self {
        Self(Feature::ALL.into_iter().fold(0, |bits, feature| bits | feature.bit()))
    }

    /// Whether the feature is among them.
    pub fn has(self, feature: Feature) -> bool {
        self.0 & feature.bit() != 0
    }

    /// Those that both peers have.
    #[must_use]
    pub fn agreed_with(self, peer: Self) -> Self {
        Self(self.0 & peer.0)
    }
}

/// What a peer announces of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    revision: u16,
    /// Its extensions.
    pub features: Features,
    /// What reports call it; safe to show.
    pub name: String,
    /// Of a slave that comes back, and of its master that knows it.
    pub token: Option<ResumeToken>,
    /// The same for as long as the slave's program runs, so that it does not count twice.
    pub instance: Option<u64>,
}

impl Capabilities {
    /// What this revision announces, under this name.
    pub fn ours(name: &str) -> Self {
        Self {
            revision: REVISION,
            features: Features::ours(),
            name: printable(name.as_bytes()),
            token: None,
            instance: None,
        }
    }

    /// The same of a slave that comes back, or of its master that knows it.
    #[must_use]
    pub fn resuming(self, token: Option<ResumeToken>) -> Self {
        Self { token, ..self }
    }

    /// The same of a slave whose program has this number.
    #[must_use]
    pub fn of_instance(self, instance: u64) -> Self {
        Self { instance: Some(instance), ..self }
    }

    /// The block as message data; no data where there is none to announce.
    pub fn encode(capabilities: Option<&Self>) -> Vec<u8> {
        let Some(block) = capabilities else {
            return Vec::new();
        };
        let mut fixed = MAGIC.to_vec();
        fixed.extend_from_slice(&block.revision.to_be_bytes());
        fixed.extend_from_slice(&block.features.0.to_be_bytes());
        FieldWriter::after(fixed)
            .put(NAME, block.name.as_bytes())
            .put_some(block.token, |writer, token| writer.put(TOKEN, token.as_bytes()))
            .put_some(block.instance, |writer, instance| writer.put_u64(INSTANCE, instance))
            .finish()
    }

    /// Reads a block; none where the data are not one, as those of an original peer.
    ///
    /// # Errors
    /// [`FieldError`] when the data begin as a block and end within it.
    pub fn decode(data: &[u8]) -> Result<Option<Self>, FieldError> {
        let Some(rest) = data.strip_prefix(&MAGIC) else {
            return Ok(None);
        };
        let (revision, rest) = rest.split_first_chunk::<2>().ok_or(FieldError::Truncated)?;
        let (features, rest) = rest.split_first_chunk::<8>().ok_or(FieldError::Truncated)?;
        let name = FieldReader(rest).find(NAME)?.unwrap_or_default();
        Ok(Some(Self {
            revision: u16::from_be_bytes(*revision),
            features: Features(u64::from_be_bytes(*features)),
            name: printable(name),
            token: FieldReader(rest).optional_array(TOKEN)?.map(ResumeToken::new),
            instance: FieldReader(rest).optional_u64(INSTANCE)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let block = Capabilities::ours("vm7");
        let bytes = [b"SYNX".as_slice(), &[0, 1], &[0, 0, 0, 0, 0, 0, 0, 0xff], &[0, 1, 0, 3], b"vm7"].concat();
        assert_eq!(Capabilities::encode(Some(&block)), bytes);
        assert_eq!(Capabilities::decode(&bytes), Ok(Some(block.clone())));
        let back = block.resuming(Some(ResumeToken::new([7; 16])));
        let back = back.of_instance(9);
        let bytes = [&bytes[..], &[0, 2, 0, 16], &[7; 16], &[0, 3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9]].concat();
        assert_eq!(Capabilities::encode(Some(&back)), bytes);
        assert_eq!(Capabilities::decode(&bytes), Ok(Some(back)));
    }

    #[test]
    fn an_original_peer_has_no_block() {
        assert_eq!(Capabilities::encode(None), Vec::<u8>::new());
        assert_eq!(Capabilities::decode(b""), Ok(None));
        assert_eq!(Capabilities::decode(b"SYN"), Ok(None));
    }

    #[test]
    fn a_block_cut_short_is_an_error_at_every_length() {
        let bytes = Capabilities::encode(Some(&Capabilities::ours("vm7")));
        let whole_without_name = 14;
        for length in (4..bytes.len()).filter(|length| *length != whole_without_name) {
            assert_eq!(Capabilities::decode(&bytes[..length]), Err(FieldError::Truncated), "{length} bytes");
        }
    }

    #[test]
    fn later_revisions_are_understood_as_far_as_both_go() {
        let mut bytes = b"SYNX\x00\x09".to_vec();
        bytes.extend_from_slice(&u64::MAX.to_be_bytes());
        let later = FieldWriter::after(bytes).put(77, b"news").put(NAME, b"vm8").finish();
        let block = Capabilities::decode(&later).unwrap().unwrap();
        assert_eq!(block.name, "vm8");
        assert_eq!(Features::ours().agreed_with(block.features), Features::ours());
        assert!(!Features::ours().agreed_with(Features::NONE).has(Feature::Stop));
    }
}
