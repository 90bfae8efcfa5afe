//! The conf as a file: checked before anything is sent, and read while it is sent.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use synexec_proto::conf::{CommandLine, ConfError, ConfSplitter};
use synexec_proto::message::{CONF_MAX, ConfBegin, Message};
use synexec_proto::transport::Source;
use synexec_proto::wire::{Command, DATA_MAX, Frame, FrameTooLong, Header, SessionId};
use thiserror::Error;

/// A file that cannot be used as a conf.
#[derive(Debug, Error)]
#[error("cannot use the conf {path}: {problem}", path = .path.display())]
pub struct ConfFileError {
    path: PathBuf,
    problem: ConfProblem,
}

/// What is wrong with a conf.
#[derive(Debug, Error)]
pub enum ConfProblem {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The path is that of a directory.
    #[error("it is a directory")]
    Directory,
    /// The file has no bytes.
    #[error("it is empty")]
    Empty,
    /// The file is too large to be sent.
    #[error("it has more than {CONF_MAX} bytes; a larger conf cannot be sent")]
    TooLong,
    /// The command line is wrong.
    #[error(transparent)]
    Grammar(#[from] ConfError),
}

impl ConfFileError {
    /// What is wrong with the file.
    pub fn problem(&self) -> &ConfProblem {
        &self.problem
    }
}

/// A conf whose command line is correct.
#[derive(Debug)]
pub struct ConfFile {
    content: Content,
    command_line: CommandLine,
    payload_length: u64,
    /// Whether lines of the payload end with CR LF, as far as its beginning tells.
    has_carriage_returns: bool,
    payload_has_mark: bool,
    /// Bytes that the network took, for all slaves together.
    sent: Arc<AtomicU64>,
}

/// A small conf is kept in memory. A large conf is read while it is sent, so that it needs little memory.
#[derive(Debug)]
enum Content {
    Small(Vec<u8>),
    Large { file: Arc<File>, length: u64 },
}

/// An encoded conf.
pub enum Outgoing {
    /// All frames.
    Bytes(Vec<u8>),
    /// A source that gives one frame after the other.
    Stream(Source),
}

impl ConfFile {
    /// Opens and checks a conf. A file that is not regular, such as a pipe, is copied first.
    ///
    /// # Errors
    /// [`ConfFileError`]: no slave could run this conf.
    pub fn open(path: &Path) -> Result<Self, ConfFileError> {
        Self::try_open(path).map_err(|problem| ConfFileError { path: path.to_owned(), problem })
    }

    /// Size of the conf in bytes.
    pub fn length(&self) -> u64 {
        match &self.content {
            Content::Small(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Content::Large { length, .. } => *length,
        }
    }

    /// The command line: the first line of the conf.
    pub fn command_line(&self) -> &CommandLine {
        &self.command_line
    }

    /// Size of the payload in bytes: all that follows the first line.
    pub fn payload_length(&self) -> u64 {
        self.payload_length
    }

    /// Whether lines of the payload end with a carriage return, as far as its beginning tells.
    pub fn has_carriage_returns(&self) -> bool {
        self.has_carriage_returns
    }

    /// Whether the payload begins with a byte order mark.
    pub fn payload_has_mark(&self) -> bool {
        self.payload_has_mark
    }

    /// The counter of bytes that the network took, for all slaves together.
    pub fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    /// Whether the payload itself is the program.
    pub fn runs_payload(&self) -> bool {
        self.command_line.runs_payload()
    }

    /// Encodes the conf for a slave: in parts headed by `begin`, or without `begin` as one message for an original
    /// slave.
    ///
    /// # Errors
    /// [`FrameTooLong`]: the conf is too large for one message.
    pub fn outgoing(&self, session: SessionId, begin: Option<ConfBegin>) -> Result<Outgoing, FrameTooLong> {
        match (&self.content, begin) {
            (Content::Small(bytes), Some(begin)) => {
                self.sent.fetch_add(self.length(), Ordering::Relaxed);
                let mut out = Message::ConfBegin(begin).encode()?.encode(session);
                Message::ConfPart(bytes.clone()).encode()?.encode_into(session, &mut out);
                Ok(Outgoing::Bytes(out))
            }
            (Content::Small(bytes), None) => {
                self.sent.fetch_add(self.length(), Ordering::Relaxed);
                Ok(Outgoing::Bytes(Message::Conf(bytes.clone()).encode()?.encode(session)))
            }
            (Content::Large { file, length }, Some(begin)) => {
                let begin = Message::ConfBegin(begin).encode()?;
                Ok(Outgoing::Stream(self.parts(Arc::clone(file), *length, session, begin)))
            }
            (Content::Large { length, .. }, None) => Err(FrameTooLong(usize::try_from(*length).unwrap_or(usize::MAX))),
        }
    }

    fn parts(&self, file: Arc<File>, length: u64, session: SessionId, begin: Frame) -> Source {
        let (mut offset, sent) = (None, self.sent());
        Box::new(move |buffer| {
            let Some(from) = offset else {
                offset = Some(0);
                begin.encode_into(session, buffer);
                return Ok(());
            };
            let next = read_part(&file, session, from, length, buffer)?;
            sent.fetch_add(next - from, Ordering::Relaxed);
            offset = Some(next);
            Ok(())
        })
    }

    fn try_open(path: &Path) -> Result<Self, ConfProblem> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(ConfProblem::Directory);
        }
        if !metadata.is_file() {
            file = copy_of(&file)?;
        }
        let length = file.metadata()?.len();
        if length == 0 {
            return Err(ConfProblem::Empty);
        }
        if length > CONF_MAX {
            return Err(ConfProblem::TooLong);
        }
        let splitter = read_beginning(&file)?;
        Ok(Self {
            content: Content::of(file, length)?,
            command_line: splitter.finish()?,
            payload_length: length.saturating_sub(splitter.line_length()),
            has_carriage_returns: splitter.has_carriage_returns(),
            payload_has_mark: splitter.payload_has_mark(),
            sent: Arc::default(),
        })
    }
}

impl Content {
    fn of(file: File, length: u64) -> io::Result<Self> {
        let Some(small) = usize::try_from(length).ok().filter(|length| *length <= DATA_MAX) else {
            return Ok(Self::Large { file: Arc::new(file), length });
        };
        let mut bytes = vec![0; small];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Self::Small(bytes))
    }
}

fn copy_of(file: &File) -> io::Result<File> {
    let mut copy = tempfile::tempfile()?;
    io::copy(&mut file.take(CONF_MAX + 1), &mut copy)?;
    Ok(copy)
}

/// Reads the command line and the beginning of the payload.
fn read_beginning(file: &File) -> Result<ConfSplitter, ConfProblem> {
    let mut splitter = ConfSplitter::default();
    let mut chunk = vec![0; 64 * 1024];
    let mut offset = 0;
    while !splitter.knows_head() {
        let length = file.read_at(&mut chunk, offset)?;
        if length == 0 {
            break;
        }
        splitter.feed(chunk.get(..length).unwrap_or_default())?;
        offset += u64::try_from(length).unwrap_or(0);
    }
    Ok(splitter)
}

/// Appends the part that begins at `from` and returns where the next part begins. Appends nothing at the end.
fn read_part(file: &File, session: SessionId, from: u64, length: u64, buffer: &mut Vec<u8>) -> io::Result<u64> {
    let part = usize::try_from(length.saturating_sub(from)).unwrap_or(DATA_MAX).min(DATA_MAX);
    let data_length = u16::try_from(part).map_err(io::Error::other)?;
    if data_length == 0 {
        return Ok(from);
    }
    buffer.extend_from_slice(&Header::new(session, Command::ConfPart, data_length).encode());
    let start = buffer.len();
    buffer.resize(start + part, 0);
    let data = buffer.get_mut(start..).unwrap_or_default();
    file.read_exact_at(data, from).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::other("the file became shorter while it was sent"),
        _ => error,
    })?;
    Ok(from + u64::from(data_length))
}

#[cfg(test)]
mod tests;
