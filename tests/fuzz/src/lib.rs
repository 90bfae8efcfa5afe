//! What the fuzz targets check, each in one function that takes whatever bytes it is given. The world and its rules are
//! those of the simulated world in `synexec-sim`: a machine is told anything, and what it does in answer is held against
//! what it must never do.

pub mod confs;
pub mod draw;
pub mod framing;
pub mod guest;
pub mod master;
pub mod memory;
pub mod messages;
pub mod phases;
pub mod secure;
pub mod slave;
pub mod slave_host;
pub mod wire;
