//! What the kernel allows this process.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Allows as many open files as this user may have: a connection a slave, and many systems start at 1024.
pub fn raise_open_files() {
    let raised =
        getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        log::debug!("the limit of open files stays as it is: {error}");
    }
}
