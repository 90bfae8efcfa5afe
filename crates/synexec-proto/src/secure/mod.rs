//! What keeps strangers out where both sides have a key: who may command and join, and that nobody else reads or changes
//! what is said.
//!
//! All of it is pure: no socket, no clock. Beside the [`Key`] itself, an [`Invitation`] is a probe that only who has the
//! key can make, the [`handshake`] shows each side that the other has it, and what [`Sealer`] seals only [`Opener`] opens.

pub mod handshake;
mod invitation;
mod key;
mod probe_guard;
mod seal;

pub use invitation::Invitation;
pub use key::{Key, KeyError, SECRET_MIN};
pub use probe_guard::{ProbeGuard, WrongProbe};
pub use seal::{Opener, Sealer};
