//! Why a slave declined: data on `CONF_NO` and `EXEC_NO`. Field 1 is a sentence for people.

use std::fmt;

use crate::text::printable;
use crate::wire::{FieldReader, FieldWriter};

const TEXT: u16 = 1;

/// A slave's reason, safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// A reason in words.
    pub fn new(text: &str) -> Self {
        Self(printable(text.as_bytes()))
    }

    /// The message's data; none without a reason.
    pub fn encode(reason: Option<&Self>) -> Vec<u8> {
        reason.map_or_else(Vec::new, |reason| FieldWriter::default().put(TEXT, reason.0.as_bytes()).finish())
    }

    /// Reads the message's data. The answer counts also where its reason cannot be read.
    pub fn decode(data: &[u8]) -> Option<Self> {
        FieldReader(data).find(TEXT).ok().flatten().map(|text| Self(printable(text)))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn golden_bytes() {
        let reason = Reason::new("no");
        assert_eq!(Reason::encode(Some(&reason)), [0, 1, 0, 2, b'n', b'o']);
        assert_eq!(Reason::decode(&[0, 1, 0, 2, b'n', b'o']), Some(reason));
        assert_eq!(Reason::decode(b""), None);
        assert_eq!(Reason::decode(b"stray data"), None);
    }
}
