//! Resource limits of this process.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// Raises the limit of open files to the most that this user may have. The master needs one connection for each slave,
/// and the limit is 1024 on many systems.
pub fn raise_open_files() {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        log::debug!("cannot raise the limit of open files: {error}");
    }
}

/// The largest file that this process and its children may write, in bytes; none without a limit.
pub fn largest_file() -> Option<u64> {
    let (soft, _) = getrlimit(Resource::RLIMIT_FSIZE).ok()?;
    (soft != RLIM_INFINITY).then_some(soft)
}
