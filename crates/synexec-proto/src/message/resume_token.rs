//! By what a slave whose connection broke is known again.

use std::fmt;

/// Bytes of a token.
pub const TOKEN_LEN: usize = 16;

/// A number that a master gives to one slave of one session, and that nobody can guess.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResumeToken([u8; TOKEN_LEN]);

impl ResumeToken {
    /// The token with this number.
    pub const fn new(number: [u8; TOKEN_LEN]) -> Self {
        Self(number)
    }

    /// The number, to be sent.
    pub fn as_bytes(&self) -> &[u8; TOKEN_LEN] {
        &self.0
    }
}

/// Who has it can take the slave's place, so it is not for logs.
impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_show_itself() {
        assert_eq!(format!("{:?}", ResumeToken::new([7; TOKEN_LEN])), "ResumeToken(..)");
    }
}
