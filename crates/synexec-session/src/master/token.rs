//! The tokens by which the master recognises slaves that connect anew.

use std::fmt;

use synexec_proto::message::{ResumeToken, TOKEN_LEN};

/// The random number from which the session makes its tokens.
#[derive(Clone)]
pub struct TokenSeed([u8; 32]);

impl TokenSeed {
    /// A seed of these bytes, which must be impossible to guess.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// A random number, which differs between masters and tells nothing about the tokens.
    pub(super) fn chance(&self, number: u32) -> u8 {
        let hash = blake3::keyed_hash(&self.0, &[&b"chance"[..], &number.to_be_bytes()].concat());
        hash.as_bytes().first().copied().unwrap_or_default()
    }

    /// The token of the slave with this rank. No token tells anything about another.
    pub(super) fn token(&self, rank: u32) -> ResumeToken {
        let hash = blake3::keyed_hash(&self.0, &rank.to_be_bytes());
        ResumeToken::new(hash.as_bytes().first_chunk::<TOKEN_LEN>().copied().unwrap_or_default())
    }
}

/// The seed is as secret as the tokens, so it has no text form.
impl fmt::Debug for TokenSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSeed(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_and_every_session_has_its_own() {
        let (one, other) = (TokenSeed::new([1; 32]), TokenSeed::new([2; 32]));
        assert_eq!(one.token(7), one.token(7));
        assert_ne!(one.token(7), one.token(8));
        assert_ne!(one.token(7), other.token(7));
    }
}
