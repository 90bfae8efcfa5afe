//! The lines in which two outputs differ.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use diffy::DiffOptions;
use synexec_proto::message::TaskStream;

use crate::units;

/// Outputs of more bytes are not compared line by line.
const BYTES_MAX: u64 = 1 << 20;

/// Outputs are not compared line by line if the product of their numbers of lines is larger, since the time of a
/// comparison grows with the product. This limit takes about a second.
const LINES_MAX: usize = 100_000_000;

/// Once the comparisons of all outputs have taken this time together, no further output is compared.
pub(super) const TIME_MAX: Duration = Duration::from_secs(20);

/// The lines of a patch before its differences: the names of both outputs.
const PATCH_HEAD: usize = 2;

/// A stream that was fetched as a whole.
pub(super) struct Part<'a> {
    pub(super) stream: TaskStream,
    pub(super) file: &'a Path,
    pub(super) bytes: u64,
    pub(super) digest: &'a str,
}

impl<'a> Part<'a> {
    /// What is equal for equal streams, and for no others.
    pub(super) fn content(&self) -> (u64, &'a str) {
        (self.bytes, self.digest)
    }
}

/// What a comparison of two outputs gives.
pub(super) enum Comparison {
    /// The lines that differ.
    Lines(Vec<String>),
    /// No lines, for this reason.
    None(String),
}

/// Compares an output with another one that has other bytes, if there is time left. Takes the needed time off.
///
/// # Errors
/// One of the files cannot be read.
pub(super) fn compare(most: &Part<'_>, other: &Part<'_>, time_left: &mut Duration) -> io::Result<Comparison> {
    let too_large = || Ok(Comparison::None(format!("too large to compare ({})", units::bytes(other.bytes))));
    if most.bytes.max(other.bytes) > BYTES_MAX {
        return too_large();
    }
    let (old, new) = (read_lines(most)?, read_lines(other)?);
    if old == new {
        return Ok(Comparison::None("only in the ends of lines, or in bytes that are not UTF-8".to_owned()));
    }
    if old.lines().count().saturating_mul(new.lines().count()) > LINES_MAX {
        return too_large();
    }
    if time_left.is_zero() {
        return Ok(Comparison::None("not compared: too many outputs differ".to_owned()));
    }
    let begun = Instant::now();
    let patch = DiffOptions::new().create_patch(&old, &new).to_string();
    *time_left = time_left.saturating_sub(begun.elapsed());
    Ok(Comparison::Lines(patch.split_terminator('\n').skip(PATCH_HEAD).map(str::to_owned).collect()))
}

/// An output to compare. CR alone ends a line too; CR before LF stays, so that the difference shows it.
fn read_lines(part: &Part<'_>) -> io::Result<String> {
    let mut bytes = std::fs::read(part.file)?;
    for index in 0..bytes.len() {
        let follows = bytes.get(index + 1).copied();
        if let Some(byte) = bytes.get_mut(index).filter(|byte| **byte == b'\r' && follows != Some(b'\n')) {
            *byte = b'\n';
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {

    use super::*;

    /// What the comparison of an output with another one gives.
    fn compared(output: &[u8], mut time_left: Duration) -> Result<Vec<String>, String> {
        let directory = tempfile::tempdir().unwrap();
        let files = ["most", "other"].map(|name| directory.path().join(name));
        for (file, output) in files.iter().zip([&b"one\ntwo\n\xff"[..], output]) {
            std::fs::write(file, output).unwrap();
        }
        let [most, other] =
            files.each_ref().map(|file| Part { stream: TaskStream::Output, file, bytes: 9, digest: "" });
        match compare(&most, &other, &mut time_left).unwrap() {
            Comparison::Lines(lines) => Ok(lines),
            Comparison::None(why) => Err(why),
        }
    }

    #[test]
    fn what_differs_is_told_even_if_no_line_shows_it() {
        let long = Duration::from_secs(1000);
        assert!(compared(b"one\nthree\n", long).unwrap().contains(&"+three".to_owned()));
        for output in [&b"one\rtwo\r\xff"[..], b"one\ntwo\n\xfe"] {
            assert_eq!(
                compared(output, long).unwrap_err(),
                "only in the ends of lines, or in bytes that are not UTF-8"
            );
        }
    }

    #[test]
    fn outputs_are_not_compared_when_the_time_for_it_is_over() {
        assert_eq!(compared(b"one\nthree\n", Duration::ZERO).unwrap_err(), "not compared: too many outputs differ");
    }
}
