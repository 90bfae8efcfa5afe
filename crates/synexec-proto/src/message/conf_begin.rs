//! `CONF_BEGIN`: a conf follows in parts. Fields: 1 rank (u32), 2 slaves (u32), 3 length (u64), 4 how often the
//! task's progress is to be told (u32 milliseconds; not there when only on request), 5 the token by which the slave is known
//! when its connection has broken (16 bytes).

use std::time::Duration;

use super::ResumeToken;
use crate::wire::{FieldError, FieldReader, FieldWriter};

/// Largest conf, in bytes.
pub const CONF_MAX: u64 = 1 << 30;

const RANK: u16 = 1;
const SLAVES: u16 = 2;
const LENGTH: u16 = 3;
const PROGRESS: u16 = 4;
const TOKEN: u16 = 5;

/// The slave's place in the slaveset, and how large the conf is that `CONF_PART`s will bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfBegin {
    /// This slave's number, from 0.
    pub rank: u32,
    /// How many slaves take part.
    pub slaves: u32,
    /// Bytes of the whole conf.
    pub length: u64,
    /// How often the slave is to tell its task's progress, in whole milliseconds; otherwise only on request.
    pub progress: Option<Duration>,
    /// By what the slave is known when its connection has broken.
    pub token: Option<ResumeToken>,
}

impl ConfBegin {
    /// The message's data.
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::default()
            .put(RANK, &self.rank.to_be_bytes())
            .put(SLAVES, &self.slaves.to_be_bytes())
            .put_u64(LENGTH, self.length)
            .put_some(self.progress, |writer, every| {
                writer.put(PROGRESS, &u32::try_from(every.as_millis()).unwrap_or(u32::MAX).to_be_bytes())
            })
            .put_some(self.token, |writer, token| writer.put(TOKEN, token.as_bytes()))
            .finish()
    }

    /// Reads the message's data.
    ///
    /// # Errors
    /// [`FieldError`] when a field is missing or cannot be read.
    pub fn decode(data: &[u8]) -> Result<Self, FieldError> {
        let fields = FieldReader(data);
        Ok(Self {
            rank: u32::from_be_bytes(fields.array(RANK)?),
            slaves: u32::from_be_bytes(fields.array(SLAVES)?),
            length: fields.u64(LENGTH)?,
            progress: fields
                .optional_array(PROGRESS)?
                .map(|millis| Duration::from_millis(u32::from_be_bytes(millis).into())),
            token: fields.optional_array(TOKEN)?.map(ResumeToken::new),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let begin = ConfBegin { rank: 3, slaves: 8, length: 0x1_0000, progress: None, token: None };
        let bytes =
            [&[0, 1, 0, 4, 0, 0, 0, 3][..], &[0, 2, 0, 4, 0, 0, 0, 8], &[0, 3, 0, 8, 0, 0, 0, 0, 0, 1, 0, 0]].concat();
        assert_eq!(begin.encode(), bytes);
        assert_eq!(ConfBegin::decode(&bytes), Ok(begin));
        assert_eq!(ConfBegin::decode(&bytes[..16]), Err(FieldError::Missing(LENGTH)));
        let often = ConfBegin { progress: Some(Duration::from_millis(2500)), ..begin };
        assert_eq!(often.encode()[bytes.len()..], [0, 4, 0, 4, 0, 0, 9, 196]);
        assert_eq!(ConfBegin::decode(&often.encode()), Ok(often));
        let known = ConfBegin { token: Some(ResumeToken::new([7; 16])), ..begin };
        assert_eq!(known.encode()[bytes.len()..], [&[0, 5, 0, 16][..], &[7; 16]].concat());
        assert_eq!(ConfBegin::decode(&known.encode()), Ok(known));
    }
}
