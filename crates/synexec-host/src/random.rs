//! Random bytes from the kernel. Early after boot the kernel has none yet; the user is told who waits for them.

use std::hash::{BuildHasher, RandomState};
use std::io;

use nix::errno::Errno;
use nix::libc::{self, GRND_NONBLOCK};

use crate::clock::{monotonic_now, wall_clock_now};
use crate::host_name::host_name;

/// `N` bytes that nobody can guess. Waits until the kernel has enough randomness.
///
/// # Errors
/// The kernel gives no random bytes.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    wait_until_ready()?;
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Waits until the kernel has enough randomness for secrets. Call this before a library makes secrets: the library
/// would wait too, but without a word.
///
/// # Errors
/// The kernel gives no random bytes.
pub fn wait_until_ready() -> io::Result<()> {
    wait_at(is_ready, || log::warn!("{WAITING}"), || getrandom::fill(&mut [0]).map_err(io::Error::other))
}

/// What the user is told.
const WAITING: &str = "waiting for the kernel's randomness: this host has collected too little since its boot; a virtual \
                       machine has it sooner with a device virtio-rng";

/// Tells the user before it waits, and only if it has to.
fn wait_at(
    is_ready: impl FnOnce() -> io::Result<bool>,
    tell: impl FnOnce(),
    wait: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    if is_ready()? {
        return Ok(());
    }
    tell();
    wait()?;
    log::info!("the kernel's randomness is there");
    Ok(())
}

/// Whether the kernel gives random bytes at once. A kernel that cannot be asked is asked for the bytes themselves.
fn is_ready() -> io::Result<bool> {
    let mut byte = [0_u8; 1];
    // SAFETY: the kernel writes at most the one byte that the buffer has.
    let result = unsafe { libc::getrandom(byte.as_mut_ptr().cast(), byte.len(), GRND_NONBLOCK) };
    match Errno::result(result) {
        Ok(_) | Err(Errno::ENOSYS | Errno::EPERM | Errno::EINTR) => Ok(true),
        Err(Errno::EAGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A number that no other program has, here or on another host. The number is no secret, and this function never waits:
/// the keys of a `RandomState` come from the kernel as it is. Guests that boot alike still differ in their clocks.
pub fn unique_number() -> u64 {
    let times = (monotonic_now().as_nanos(), wall_clock_now().as_nanos());
    RandomState::new().hash_one((host_name(), times, std::process::id()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashSet;

    use super::*;

    fn steps(ready: bool) -> Vec<&'static str> {
        let steps = RefCell::new(Vec::new());
        let told = || steps.borrow_mut().push("told");
        let waited = || {
            steps.borrow_mut().push("waited");
            Ok(())
        };
        wait_at(|| Ok(ready), told, waited).unwrap();
        steps.into_inner()
    }

    #[test]
    fn the_user_is_told_before_the_program_waits_and_only_then() {
        assert_eq!(steps(false), ["told", "waited"]);
        assert_eq!(steps(true), [""; 0]);
    }

    #[test]
    fn a_kernel_that_fails_is_no_kernel_that_is_not_ready() {
        let failing = || Err(io::ErrorKind::InvalidInput.into());
        wait_at(failing, || panic!("nothing to tell"), || Ok(())).unwrap_err();
    }

    #[test]
    fn this_host_has_randomness() {
        assert!(is_ready().unwrap());
        assert_ne!(bytes::<16>().unwrap(), bytes::<16>().unwrap());
    }

    #[test]
    fn numbers_of_programs_differ() {
        let numbers: HashSet<_> = (0..1000).map(|_| unique_number()).collect();
        assert_eq!(numbers.len(), 1000);
    }
}
