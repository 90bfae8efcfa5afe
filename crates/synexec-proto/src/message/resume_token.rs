//! The token with which a slave resumes a broken connection.

use std::fmt;

/// Bytes of a token.
pub const TOKEN_LEN: usize = 16;

/// An unpredictable number that a master gives to one slave of one session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResumeToken([u8; TOKEN_LEN]);

impl ResumeToken {
    /// The token with this number.
    pub const fn new(number: [u8; TOKEN_LEN]) -> Self {
        Self(number)
    }

    /// The number as it crosses the network.
    pub fn as_bytes(&self) -> &[u8; TOKEN_LEN] {
        &self.0
    }
}

/// The number stays out of logs: anybody who knows the number can take the slave's place.
impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_not_shown() {
        assert_eq!(format!("{:?}", ResumeToken::new([7; TOKEN_LEN])), "ResumeToken(..)");
    }
}
