//! The header and the commands of version 1.

use anyhow::{Context as _, Result};

/// Bytes of a header.
pub const HEADER: usize = 11;

/// The version that the original peers speak.
pub const VERSION: u32 = 1;

/// A command of version 1; the number is its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Command {
    /// Hello, and the answer to a probe.
    Reply = 0,
    /// Invitation by UDP; "are you there?" by TCP.
    Probe = 1,
    /// The conf file.
    Conf = 2,
    /// The slave accepts the conf.
    ConfOk = 3,
    /// The slave declines the conf.
    ConfNo = 4,
    /// Order to start the task.
    Exec = 5,
    /// The slave has started the task.
    ExecOk = 6,
    /// The slave has not started the task.
    ExecNo = 7,
    /// Defined in version 1, but never sent by the original.
    Running = 8,
    /// Defined in version 1, but never sent by the original.
    Stopped = 9,
    /// The task has ended.
    Finishd = 10,
}

impl From<Command> for u8 {
    fn from(command: Command) -> Self {
        command as Self
    }
}

/// A header with any version and any length, valid or not.
pub fn header(version: u32, session: u32, command: impl Into<u8>, datalen: u16) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&version.to_be_bytes());
    bytes[4..8].copy_from_slice(&session.to_be_bytes());
    bytes[8] = command.into();
    bytes[9..].copy_from_slice(&datalen.to_be_bytes());
    bytes
}

/// The bytes of a whole message of version 1.
///
/// # Errors
///
/// If the data are too long for one message.
pub fn frame(session: u32, command: impl Into<u8>, data: &[u8]) -> Result<Vec<u8>> {
    let datalen = u16::try_from(data.len()).context("data too long for a message of version 1")?;
    let mut bytes = header(VERSION, session, command, datalen).to_vec();
    bytes.extend_from_slice(data);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::hex;

    #[test]
    fn a_frame_is_the_recorded_one() -> Result<()> {
        let conf = frame(1, Command::Conf, b"/bin/sleep 1")?;
        assert_eq!(hex(&conf), "000000010000000102000c2f62696e2f736c6565702031");
        assert!(frame(1, Command::Conf, &vec![0; 65_536]).is_err());
        Ok(())
    }
}
