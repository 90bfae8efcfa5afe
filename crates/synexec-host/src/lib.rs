//! The operating system as both synexec programs use it. Every `unsafe` of the project is in this crate.

pub mod allow;
pub mod clock;
pub mod daemon;
pub mod descriptors;
pub mod events;
mod exec_image;
pub mod exit;
pub mod files;
pub mod guest;
pub mod identity;
pub mod interfaces;
pub mod key_file;
pub mod limits;
pub mod logging;
pub mod names;
pub mod options;
pub mod precedence;
pub mod process;
pub mod random;
pub mod signals;
pub mod timer;
pub mod told;
