//! Whether an outbox encrypts.

use std::sync::Arc;

use crate::disconnect::Disconnect;
use crate::secure::Sealer;

/// Whether sent messages are encrypted.
#[derive(Debug, Clone)]
pub enum Sealing {
    /// No: this side has no key.
    No,
    /// Yes, after the handshake. Until then nothing can be sent.
    Awaited,
    /// Yes, by this sealer.
    By(Arc<Sealer>),
}

impl Sealing {
    /// The bytes as they cross the network.
    pub(super) fn sealed(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Disconnect> {
        if let Self::No = self {
            return Ok(bytes);
        }
        let mut records = Vec::new();
        self.seal(&bytes, &mut records)?;
        Ok(records)
    }

    /// The bytes as they cross the network. Encrypted ones are written to `records`.
    pub(super) fn seal<'a>(&self, bytes: &'a [u8], records: &'a mut Vec<u8>) -> Result<&'a [u8], Disconnect> {
        records.clear();
        match self {
            Self::No => Ok(bytes),
            Self::Awaited => Err(Disconnect::NoKey),
            Self::By(sealer) => {
                sealer.seal(bytes, records)?;
                Ok(records)
            }
        }
    }
}
