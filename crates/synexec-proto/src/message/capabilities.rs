//! The capability block: the name and the features of a peer that goes beyond protocol version 1.
//!
//! The block is data on the slave's hello REPLY and on the master's first PROBE by TCP, which an original peer reads past.

use super::ResumeToken;
use super::data::MessageData;
use crate::text;
use crate::wire::{Features, FieldReader, FieldWriter, Frame, LayoutError, WireInteger};

/// The first bytes of a block.
const MAGIC: [u8; 4] = *b"SYNX";
/// The revision of the extensions that this project speaks.
pub(crate) const REVISION: u16 = 1;
const NAME: u16 = 1;
const TOKEN: u16 = 2;
const INSTANCE: u16 = 3;
const RANK: u16 = 4;

/// The name and the features of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    revision: u16,
    /// The peer's extensions.
    pub features: Features,
    /// The peer's name in reports; safe to show on a terminal.
    pub name: String,
    /// The token of a slave that resumes its connection. The master repeats a token that it knows.
    pub token: Option<ResumeToken>,
    /// A number that identifies the slave's process, so that the master counts a slave that reconnects only once.
    pub instance: Option<u64>,
    /// The rank that a slave asks for, from 0.
    pub rank: Option<u32>,
}

impl Capabilities {
    /// A block of this revision with this name.
    pub fn ours(name: &str) -> Self {
        Self {
            revision: REVISION,
            features: Features::ours(),
            name: text::name(name.as_bytes()),
            token: None,
            instance: None,
            rank: None,
        }
    }

    /// The same block with the token of a connection that is resumed.
    #[must_use]
    pub fn resuming(self, token: Option<ResumeToken>) -> Self {
        Self { token, ..self }
    }

    /// The same block with the number of the slave's program.
    #[must_use]
    pub fn of_instance(self, instance: u64) -> Self {
        Self { instance: Some(instance), ..self }
    }

    /// The same block with the rank that the slave asks for.
    #[must_use]
    pub fn asking_for(self, rank: Option<u32>) -> Self {
        Self { rank, ..self }
    }

    /// The block as data of a message; no data without a block.
    pub fn encode(capabilities: Option<&Self>) -> Vec<u8> {
        let Some(block) = capabilities else {
            return Vec::new();
        };
        let fixed = [&MAGIC[..], &block.revision.to_wire(), &block.features.bits().to_wire()].concat();
        FieldWriter::after(fixed)
            .put_text(NAME, &block.name)
            .put_some(block.token, |fields, token| fields.put(TOKEN, token.as_bytes()))
            .put_some(block.instance, |fields, instance| fields.put_integer(INSTANCE, instance))
            .put_some(block.rank, |fields, rank| fields.put_integer(RANK, rank))
            .finish()
    }

    /// Reads the data of a whole message; none where the data are not a block, as those of an original peer.
    ///
    /// # Errors
    /// [`LayoutError`] when the data begin as a block and cannot be read.
    pub fn decode(data: &[u8]) -> Result<Option<Self>, LayoutError> {
        Self::read(FieldReader::new(data))
    }

    fn read(mut fields: FieldReader<'_>) -> Result<Option<Self>, LayoutError> {
        if !fields.split_prefix(&MAGIC) {
            return Ok(None);
        }
        let (revision, features) = (fields.split_integer()?, fields.split_integer()?);
        Ok(Some(Self {
            revision,
            features: Features::from_bits(features),
            name: text::name(fields.text(NAME)?.unwrap_or_default().as_bytes()),
            token: fields.optional_array(TOKEN)?.map(ResumeToken::new),
            instance: fields.optional_integer(INSTANCE)?,
            rank: fields.optional_integer(RANK)?,
        }))
    }
}

impl MessageData for Option<Capabilities> {
    fn to_data(&self) -> Vec<u8> {
        Capabilities::encode(self.as_ref())
    }

    fn from_frame(frame: Frame) -> Result<Self, LayoutError> {
        Capabilities::read(FieldReader::of(&frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Feature;

    #[test]
    fn golden_bytes() {
        let block = Capabilities::ours("vm7");
        let bytes = [b"SYNX".as_slice(), &[0, 1], &[0, 0, 0, 0, 0, 0, 3, 0xff], &[0, 1, 0, 3], b"vm7"].concat();
        assert_eq!(Capabilities::encode(Some(&block)), bytes);
        assert_eq!(Capabilities::decode(&bytes), Ok(Some(block.clone())));
        let back = block.resuming(Some(ResumeToken::new([7; 16])));
        let back = back.of_instance(9);
        let bytes = [&bytes[..], &[0, 2, 0, 16], &[7; 16], &[0, 3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9]].concat();
        assert_eq!(Capabilities::encode(Some(&back)), bytes);
        assert_eq!(Capabilities::decode(&bytes), Ok(Some(back.clone())));
        let asking = back.asking_for(Some(258));
        let bytes = [&bytes[..], &[0, 4, 0, 4, 0, 0, 1, 2]].concat();
        assert_eq!(Capabilities::encode(Some(&asking)), bytes);
        assert_eq!(Capabilities::decode(&bytes), Ok(Some(asking)));
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
            assert_eq!(Capabilities::decode(&bytes[..length]), Err(LayoutError::Truncated), "{length} bytes");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_cut() {
        let bytes = FieldWriter::after(b"SYNX\x00\x01\0\0\0\0\0\0\0\x01".to_vec()).put(NAME, &[b'x'; 10_000]);
        let bytes = bytes.put_integer(INSTANCE, 9_u64).finish();
        let cut = Frame::cut(crate::wire::Command::Reply, bytes[..4096].to_vec()).unwrap();
        let block = Option::<Capabilities>::from_frame(cut).unwrap().unwrap();
        assert_eq!((block.name.as_str(), block.instance), ("x".repeat(500).as_str(), None));
        let whole = Capabilities::decode(&bytes).unwrap().unwrap();
        assert_eq!((whole.name, whole.instance), (block.name, Some(9)));
    }

    #[test]
    fn later_revisions_are_understood_as_far_as_both_go() {
        let mut bytes = b"SYNX\x00\x09".to_vec();
        bytes.extend_from_slice(&u64::MAX.to_wire());
        let later = FieldWriter::after(bytes).put(77, b"news").put(NAME, b"vm8").finish();
        let block = Capabilities::decode(&later).unwrap().unwrap();
        assert_eq!(block.name, "vm8");
        assert_eq!(Features::ours().agreed_with(block.features), Features::ours());
        assert!(!Features::ours().agreed_with(Features::NONE).has(Feature::Stop));
    }
}
