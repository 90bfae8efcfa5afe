//! Authentication and encryption, where both sides have a shared key.
//!
//! Only a master with the key can command slaves, only a slave with the key can join, and nobody else can read or change
//! their messages. The module uses no socket and no clock. An [`Invitation`] is a signed probe. The [`handshake`] shows
//! each side that the other side has the [`Key`]. A [`Sealer`] encrypts messages, and an [`Opener`] decrypts them.

pub mod handshake;
mod invitation;
mod key;
mod probe_guard;
mod seal;
mod wrong_probe;

pub use invitation::Invitation;
pub use key::{Key, KeyError, SECRET_MIN};
pub use probe_guard::ProbeGuard;
pub use seal::{Opener, Sealer};
pub use wrong_probe::WrongProbe;
