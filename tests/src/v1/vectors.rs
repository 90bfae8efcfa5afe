//! The recorded sessions.

use anyhow::{Context as _, Result, bail};

use super::{HEADER, unhex};

/// Direction of a recorded line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A datagram from the master.
    Invitation,
    /// Master to slave, by TCP.
    ToSlave,
    /// Slave to master, by TCP.
    ToMaster,
}

/// One recorded line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The sender and the transport of the line.
    pub way: Way,
    /// The bytes of the line.
    pub bytes: Vec<u8>,
}

/// A recorded session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The lines in their order.
    pub steps: Vec<Step>,
}

impl Recording {
    /// Parses the text of a recording.
    ///
    /// # Errors
    ///
    /// If a line is neither `U> hex`, `M> hex`, `S> hex`, a comment, nor empty.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let steps = lines.map(step).collect::<Result<Vec<_>>>()?;
        Ok(Self { steps })
    }

    /// A session with a payload: the conf is accepted, the task runs, the end is reported.
    ///
    /// # Errors
    ///
    /// If the file is not a recording.
    pub fn accepted() -> Result<Self> {
        Self::parse(include_str!("../../vectors/accepted.txt"))
    }

    /// A session whose conf the slave declines.
    ///
    /// # Errors
    ///
    /// If the file is not a recording.
    pub fn declined() -> Result<Self> {
        Self::parse(include_str!("../../vectors/declined.txt"))
    }

    /// A session whose conf is one line without a line break.
    ///
    /// # Errors
    ///
    /// If the file is not a recording.
    pub fn oneline() -> Result<Self> {
        Self::parse(include_str!("../../vectors/oneline.txt"))
    }

    /// The session id, read from the first line.
    ///
    /// # Errors
    ///
    /// If the first line has no header.
    pub fn session(&self) -> Result<u32> {
        let id = self.steps.first().and_then(|step| step.bytes.get(4..8));
        Ok(u32::from_be_bytes(id.context("no header in the first line")?.try_into()?))
    }

    /// The conf file that the master sent.
    ///
    /// # Errors
    ///
    /// If the master never sent data.
    pub fn conf(&self) -> Result<&[u8]> {
        let data = |step: &&Step| step.way == Way::ToSlave && step.bytes.len() != HEADER;
        let step = self.steps.iter().find(data).context("no conf in the recording")?;
        Ok(&step.bytes)
    }
}

fn step(line: &str) -> Result<Step> {
    let (way, digits) = line.split_once("> ").with_context(|| format!("not a recorded line: {line:?}"))?;
    let way = match way {
        "U" => Way::Invitation,
        "M" => Way::ToSlave,
        "S" => Way::ToMaster,
        other => bail!("unknown sender {other:?}: {line:?}"),
    };
    Ok(Step { way, bytes: unhex(digits)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_parse() -> Result<()> {
        let accepted = Recording::accepted()?;
        assert_eq!(accepted.steps.len(), 11);
        assert_eq!(accepted.session()?, 0x1234_5678);
        assert_eq!(accepted.conf()?, b"/bin/sh :CONF:\necho one\nsleep 1.2\n");
        assert_eq!(Recording::declined()?.conf()?, b"/no/such/program\n");
        assert_eq!(Recording::oneline()?.conf()?, b"/bin/sleep 1");
        Ok(())
    }

    #[test]
    fn a_file_without_a_recording_is_refused() {
        for text in ["M 00", "X> 00", "M> 0", "S> zz"] {
            assert!(Recording::parse(text).is_err(), "{text}");
        }
    }
}
