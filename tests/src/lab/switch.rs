//! The switch, which all traffic of a lab crosses.

use anyhow::Result;

use super::Namespace;
use super::courier::Courier;

/// The namespace of the bridges, and the thread that carries the frames of delayed hosts.
#[derive(Debug)]
pub(super) struct Switch {
    pub(super) courier: Courier,
    pub(super) namespace: Namespace,
}

impl Switch {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { courier: Courier::default(), namespace: Namespace::new()? })
    }
}
