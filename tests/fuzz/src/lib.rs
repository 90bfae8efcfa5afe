//! The checks of the fuzz targets. Each check is one function that takes any bytes. The world and its rules come from
//! the simulated world in `synexec-sim`: a state machine receives any events, and its actions must follow the rules.

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
