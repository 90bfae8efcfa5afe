//! The shared key, derived from the secret in the key files of both sides.

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Fewest bytes of a secret.
pub const SECRET_MIN: usize = 16;

/// Bytes of a key.
const KEY_LEN: usize = 32;

// Contexts of the derived keys: nobody can compute one key from another.
const SESSIONS: &str = "synexec 1 shared secret";
const PROBES: &str = "synexec 1 probes";

/// A secret is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the secret is too short (length: {0}); it needs at least {SECRET_MIN} bytes")]
pub struct KeyError(usize);

/// A key. Its memory is wiped when the key is dropped. The key is never shown, and moving it leaves no copy in memory.
pub struct Key {
    sessions: Box<Zeroizing<[u8; KEY_LEN]>>,
    probes: Box<Zeroizing<[u8; KEY_LEN]>>,
}

impl Key {
    /// Derives the key from a secret. One line break at the end is not part of the secret.
    ///
    /// # Errors
    /// [`KeyError`] when the secret is too short.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        let secret = secret.strip_suffix(b"\n").unwrap_or(secret);
        let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
        if secret.len() < SECRET_MIN {
            return Err(KeyError(secret.len()));
        }
        let sessions = derive(SESSIONS, secret);
        let probes = derive(PROBES, &**sessions);
        Ok(Self { sessions, probes })
    }

    /// The key for handshakes.
    pub(super) fn for_sessions(&self) -> &[u8; KEY_LEN] {
        &self.sessions
    }

    /// The key for signing probes.
    pub(super) fn for_probes(&self) -> &[u8; KEY_LEN] {
        &self.probes
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "moving the key itself would leave a copy in memory")]
fn derive(context: &str, from: &[u8]) -> Box<Zeroizing<[u8; KEY_LEN]>> {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(from);
    let mut output = hasher.finalize_xof();
    let mut key = Box::new(Zeroizing::new([0; KEY_LEN]));
    output.fill(&mut **key);
    hasher.zeroize();
    output.zeroize();
    key
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_derived_as_blake3_defines() {
        let key = Key::from_secret(b"sixteen letters.").unwrap();
        let sessions = blake3::derive_key("synexec 1 shared secret", b"sixteen letters.");
        assert_eq!(key.for_sessions(), &sessions);
        assert_eq!(key.for_probes(), &blake3::derive_key("synexec 1 probes", &sessions));
        let golden = [key.for_sessions()[0], key.for_sessions()[31], key.for_probes()[0], key.for_probes()[31]];
        assert_eq!(golden, [210, 28, 195, 209]);
    }

    #[test]
    fn one_line_break_at_the_end_does_not_count() {
        let sessions = |secret: &[u8]| *Key::from_secret(secret).unwrap().for_sessions();
        let plain = sessions(b"sixteen letters.");
        assert_eq!(sessions(b"sixteen letters.\n"), plain);
        assert_eq!(sessions(b"sixteen letters.\r\n"), plain);
        assert_ne!(sessions(b"sixteen letters.\n\n"), plain);
        assert_ne!(sessions(b"sixteen letters, "), plain);
    }

    #[test]
    fn a_short_secret_makes_no_key() {
        assert_eq!(Key::from_secret(b"fifteen letters\n").unwrap_err(), KeyError(15));
        assert_eq!(Key::from_secret(b"").unwrap_err(), KeyError(0));
    }

    #[test]
    fn moving_a_key_moves_only_pointers() {
        assert_eq!(size_of::<Key>(), 2 * size_of::<usize>());
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", Key::from_secret(&[b'a'; 32]).unwrap()), "Key");
    }
}
