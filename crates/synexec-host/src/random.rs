//! Numbers that nobody can guess.

use std::io;

/// So many random bytes.
///
/// # Errors
/// When the kernel gives none.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}
