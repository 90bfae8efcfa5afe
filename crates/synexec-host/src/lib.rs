//! The operating system, as both synexec programs use it. All `unsafe` code of the project is in this crate.

pub mod allow;
pub mod clock;
pub mod core_dump;
pub mod daemon;
pub mod descriptors;
pub mod events;
mod exec_image;
pub mod exit;
pub mod files;
pub mod guest;
pub mod host_name;
pub mod identity;
pub mod interfaces;
pub mod key_file;
pub mod limits;
pub mod lock_file;
pub mod logging;
pub mod options;
pub mod precedence;
pub mod process;
pub mod random;
pub mod seen_before;
pub mod signals;
mod sysconf;
pub mod timer;
mod xattr;
