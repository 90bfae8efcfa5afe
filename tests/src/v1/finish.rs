//! FINISHD: the start and the end of the command.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};

use super::hex;

/// Largest error of a reported time: wall clocks step and have a coarse resolution.
const SLACK: Duration = Duration::from_millis(100);

/// The times in a FINISHD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish {
    /// Start of the command, since the epoch.
    pub started: Duration,
    /// End of the command, since the epoch.
    pub finished: Duration,
}

impl Finish {
    /// Bytes of data in a FINISHD.
    pub const LEN: usize = 48;

    /// Reads the data of a FINISHD.
    ///
    /// # Errors
    ///
    /// If the data are not three pairs of seconds and microseconds in order, or the third pair is not zero.
    pub fn decode(data: &[u8]) -> Result<Self> {
        ensure!(data.len() == Self::LEN, "FINISHD has {} bytes of data, not 48: {}", data.len(), hex(data));
        ensure!(data[32..] == [0; 16], "the third time of FINISHD is not zero: {}", hex(data));
        let finish = Self { started: instant(&data[..16])?, finished: instant(&data[16..32])? };
        ensure!(finish.started <= finish.finished, "ended before it started: {finish:?}");
        Ok(finish)
    }

    /// The data of a FINISHD with these times.
    ///
    /// # Errors
    ///
    /// If the seconds do not fit into the field.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut data = Vec::with_capacity(Self::LEN);
        for time in [self.started, self.finished, Duration::ZERO] {
            data.extend_from_slice(&i64::try_from(time.as_secs())?.to_le_bytes());
            data.extend_from_slice(&i64::from(time.subsec_micros()).to_le_bytes());
        }
        Ok(data)
    }

    /// Time for which the command ran.
    pub fn elapsed(&self) -> Duration {
        self.finished.saturating_sub(self.started)
    }

    /// Compares the times with the test's own clock: the command was ordered at `ordered` and has ended by now.
    ///
    /// # Errors
    ///
    /// If a time lies outside.
    pub fn check_since(&self, ordered: SystemTime) -> Result<()> {
        let earliest = ordered.duration_since(SystemTime::UNIX_EPOCH)?.saturating_sub(SLACK);
        let latest = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)? + SLACK;
        ensure!(self.started >= earliest, "{self:?}: started before it was ordered, at {earliest:?}");
        ensure!(self.finished <= latest, "{self:?}: ended after it was reported, at {latest:?}");
        Ok(())
    }

    /// Checks that the command ended no earlier than this.
    ///
    /// # Errors
    ///
    /// If the command ended earlier.
    pub fn check_over_after(&self, time: SystemTime) -> Result<()> {
        let earliest = time.duration_since(SystemTime::UNIX_EPOCH)?.saturating_sub(SLACK);
        ensure!(self.finished >= earliest, "{self:?}: ended before it was to, at {earliest:?}");
        Ok(())
    }
}

fn instant(pair: &[u8]) -> Result<Duration> {
    let (seconds, micros) = pair.split_at_checked(8).context("half a time")?;
    let seconds = i64::from_le_bytes(seconds.try_into()?);
    let micros = i64::from_le_bytes(micros.try_into()?);
    ensure!((0..1_000_000).contains(&micros), "microseconds out of range: {micros}");
    Ok(Duration::from_secs(u64::try_from(seconds)?) + Duration::from_micros(u64::try_from(micros)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::Recording;

    #[test]
    fn recorded_times_read_back() -> Result<()> {
        let recording = Recording::accepted()?;
        let data = &recording.steps[10].bytes;
        let finish = Finish::decode(data)?;
        assert_eq!(finish.started, Duration::from_micros(1_795_459_073_165_310));
        assert_eq!(finish.finished, Duration::from_micros(1_795_459_074_369_122));
        assert_eq!(finish.encode()?, *data);
        Ok(())
    }
}
