//! `CONF_NO`, `EXEC_NO` and `OUTPUT_NO`: why a slave declines. BYE: why a master turns a slave away.

use std::fmt;

use crate::text::printable;
use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

const TEXT: u16 = 1;

/// A peer's reason, in words for the user; safe to show on a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// A reason in these words.
    pub fn new(text: &str) -> Self {
        Self(printable(text.as_bytes()))
    }
}

/// The message counts also where its reason cannot be read.
impl Fields for Option<Reason> {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        fields.put_some(self.as_ref(), |fields, Reason(text)| fields.put_text(TEXT, text))
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        Ok(fields.text(TEXT).ok().flatten().map(Reason))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let reason = Reason::new("no");
        assert_eq!(Some(reason.clone()).encode(), [0, 1, 0, 2, b'n', b'o']);
        assert_eq!(Option::<Reason>::decode(&[0, 1, 0, 2, b'n', b'o']), Ok(Some(reason)));
        assert_eq!(Option::<Reason>::decode(b""), Ok(None));
        assert_eq!(Option::<Reason>::decode(b"stray data"), Ok(None));
    }

    #[test]
    fn a_reason_that_is_too_long_is_cut() {
        let bytes = FieldWriter::default().put(TEXT, &[b'x'; 10_000]).finish();
        let kept = Reason("x".repeat(crate::text::TEXT_MAX));
        assert_eq!(Option::<Reason>::decode(&bytes), Ok(Some(kept.clone())));
        let cut = crate::wire::Frame::cut(crate::wire::Command::ConfNo, bytes[..4096].to_vec()).unwrap();
        assert_eq!(Option::<Reason>::read(&FieldReader::of(&cut)), Ok(Some(kept)));
    }
}
