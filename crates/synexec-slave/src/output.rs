//! A stream of a task, read piece by piece for the master.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use synexec_proto::digest::Hasher;
use synexec_proto::message::{Fetch, Message, OutputMark, OutputPlace, Reason, TaskStream};
use synexec_proto::text::TEXT_MAX;
use synexec_proto::transport::Source;
use synexec_proto::wire::{Command, HEADER_LEN, Header, SessionId};

/// Bytes of one part of an answer; whole pages.
const PART: usize = 60 * 1024;

/// A stream of a task that was started.
#[derive(Debug)]
pub struct WrittenOutput {
    stream: TaskStream,
    path: PathBuf,
    file: Arc<File>,
    /// The length of the output, set at the end of the task. Bytes that stragglers write later are not its output.
    end: Arc<OnceLock<u64>>,
    reader: Arc<Mutex<Reader>>,
}

/// Reads the file for one answer after another. Most answers begin where the answer before has ended. Only the thread
/// that sends an answer uses the reader meanwhile.
#[derive(Debug)]
struct Reader {
    file: Arc<File>,
    end: Arc<OnceLock<u64>>,
    position: u64,
    /// Hashes the first `hashed` bytes of the file.
    hasher: Hasher,
    hashed: u64,
    /// The number of the current answer. An answer before it may still be on its way to a connection that has broken.
    answer: u64,
}

impl WrittenOutput {
    /// The stream in this open file. The file may get another name later.
    pub fn new(stream: TaskStream, path: PathBuf, file: File) -> Self {
        let (file, end) = (Arc::new(file), Arc::new(OnceLock::new()));
        let (file_to_read, end_to_read) = (Arc::clone(&file), Arc::clone(&end));
        let reader = Reader {
            file: file_to_read,
            end: end_to_read,
            position: 0,
            hasher: Hasher::default(),
            hashed: 0,
            answer: 0,
        };
        Self { stream, path, file, end, reader: Arc::new(Mutex::new(reader)) }
    }

    /// The task is over, and its output is complete; gives the place of the output.
    pub fn end(&self) -> OutputPlace {
        let length = *self.end.get_or_init(|| self.length().unwrap_or(0));
        let path = self.path.display().to_string();
        // A path that is cut off would name another file.
        OutputPlace { length, path: if path.chars().count() > TEXT_MAX { String::new() } else { path } }
    }

    /// The last bytes of the output, at most this many; fewer or none if they cannot be read.
    pub fn last_bytes(&self, most: usize) -> Vec<u8> {
        let end = self.end.get().copied().or_else(|| self.length().ok()).unwrap_or(0);
        let length = most.min(usize::try_from(end).unwrap_or(usize::MAX));
        let mut bytes = vec![0; length];
        let from = end.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
        let read = self.file.read_at(&mut bytes, from).unwrap_or(0);
        bytes.truncate(read);
        bytes
    }

    /// The present length of the output in bytes.
    ///
    /// # Errors
    /// The file system cannot report the length.
    pub fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Whether the stream has no byte after this offset.
    ///
    /// # Errors
    /// The file system cannot report the length. The reason is for the master.
    pub fn ends_by(&self, offset: u64) -> Result<bool, Reason> {
        let length = self.length().map_err(|error| cannot_read(self.stream, &error))?;
        Ok(*self.end.get().unwrap_or(&length) <= offset)
    }

    /// The answer to a fetch, as frames.
    pub fn answer(&self, fetch: Fetch, is_over: bool, session: SessionId) -> Source {
        let answer = lock(&self.reader).begin_answer(fetch.offset);
        let (reader, stream) = (Arc::clone(&self.reader), self.stream);
        let mut left = Some(fetch.length);
        Box::new(move |buffer| {
            let Some(wanted) = left else { return Ok(()) };
            let mut reader = lock(&reader);
            if reader.answer != answer {
                return Ok(());
            }
            let last = match reader.next_part(wanted, session, buffer) {
                Ok(0) => Message::OutputMark(reader.mark(is_over)),
                Ok(length) => {
                    // Bytes that are written meanwhile are left to the next answer, because the parts of this one would
                    // get shorter and shorter.
                    let is_last = usize::from(length) < PART;
                    left = Some(if is_last { 0 } else { wanted.saturating_sub(u32::from(length)) });
                    return Ok(());
                }
                Err(error) => Message::OutputNo(Some(cannot_read(stream, &error))),
            };
            left = None;
            buffer.clear();
            last.encode().map_err(io::Error::other)?.encode_into(session, buffer);
            Ok(())
        })
    }
}

impl Reader {
    /// Begins the next answer at this offset, and gives the answer's number. Bytes that are read again are not hashed
    /// again.
    fn begin_answer(&mut self, offset: u64) -> u64 {
        if offset == 0 {
            (self.hasher, self.hashed) = (Hasher::default(), 0);
        }
        (self.position, self.answer) = (offset, self.answer + 1);
        self.answer
    }

    fn hash(&mut self, data: &[u8]) {
        let known = self.hashed.checked_sub(self.position).and_then(|known| usize::try_from(known).ok());
        if let Some(new) = known.and_then(|known| data.get(known..)) {
            self.hasher.update(new);
            self.hashed = self.hashed.saturating_add(u64::try_from(new.len()).unwrap_or(0));
        }
    }

    /// Fills the buffer with the next part and its header, and gives the part's length; 0 at the end of the wanted
    /// bytes.
    fn next_part(&mut self, wanted: u32, session: SessionId, buffer: &mut Vec<u8>) -> io::Result<u16> {
        let until_end = self.end.get().map_or(u64::MAX, |end| end.saturating_sub(self.position));
        let length = PART.min(usize::try_from(until_end.min(wanted.into())).unwrap_or(PART));
        buffer.resize(HEADER_LEN + length, 0);
        let Some((header, data)) = buffer.split_first_chunk_mut::<HEADER_LEN>() else { return Ok(0) };
        let read = self.file.read_at(data, self.position)?;
        let data_length = u16::try_from(read).map_err(io::Error::other)?;
        *header = Header::new(session, Command::OutputPart, data_length).encode();
        self.hash(data.get(..read).unwrap_or_default());
        self.position += u64::from(data_length);
        buffer.truncate(HEADER_LEN + read);
        Ok(data_length)
    }

    /// The mark after the last part. It tells the end of the output only if the master knows that the task is over.
    fn mark(&self, is_over: bool) -> OutputMark {
        let is_end = is_over && self.end.get().is_none_or(|end| self.position >= *end);
        let digest = (is_end && self.hashed == self.position).then(|| self.hasher.digest());
        OutputMark { position: self.position, is_end, digest }
    }
}

/// A thread that panics while it reads leaves the reader in a usable state.
fn lock(reader: &Mutex<Reader>) -> std::sync::MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cannot_read(stream: TaskStream, error: &io::Error) -> Reason {
    Reason::new(&format!("cannot read the {stream}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use synexec_proto::digest::Digest;
    use synexec_proto::message::Features;
    use synexec_proto::wire::{DATA_MAX, FrameDecoder};

    use super::*;

    const SESSION: SessionId = SessionId(3);

    fn written(content: &[u8]) -> (WrittenOutput, File) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        (WrittenOutput::new(TaskStream::Output, "/w/synexec.out".into(), file.try_clone().unwrap()), file)
    }

    fn answer(output: &WrittenOutput, offset: u64, length: u32, is_over: bool) -> (Vec<u8>, OutputMark) {
        let fetch = Fetch { offset, length, ..Fetch::default() };
        let mut source = output.answer(fetch, is_over, SESSION);
        let (mut all, mut decoder) = (Vec::new(), FrameDecoder::new(SESSION, DATA_MAX));
        loop {
            let mut piece = Vec::new();
            source(&mut piece).unwrap();
            decoder.feed(&piece);
            match Message::decode(decoder.next_frame().unwrap().unwrap(), Features::ours()).unwrap() {
                Message::OutputPart(part) => all.extend(part),
                Message::OutputMark(mark) => return (all, mark),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn windows_add_up_to_all_of_it_and_its_digest() {
        let content: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let (output, _) = written(&content);
        assert_eq!(output.end(), OutputPlace { length: 200_000, path: "/w/synexec.out".into() });
        let (first, mark) = answer(&output, 0, 150_000, true);
        assert_eq!((first.len(), mark), (150_000, OutputMark { position: 150_000, is_end: false, digest: None }));
        let (rest, mark) = answer(&output, 150_000, 150_000, true);
        assert!([first, rest].concat() == content);
        assert_eq!(mark, OutputMark { position: 200_000, is_end: true, digest: Some(Digest::of(&content)) });
        let (tail, mark) = answer(&output, 199_990, 100, true);
        assert_eq!((&tail[..], mark.digest), (&content[199_990..], Some(Digest::of(&content))));
        let (output, _) = written(&content);
        assert_eq!(answer(&output, 199_990, 100, true).1.digest, None, "the rest was not read");
    }

    #[test]
    fn a_fetch_that_is_repeated_from_an_offset_ends_with_the_digest_of_the_whole_output() {
        let content: Vec<u8> = (0..100_000u32).map(|n| n.to_le_bytes()[1]).collect();
        let (output, _) = written(&content);
        output.end();
        let fetch = Fetch { length: 150_000, ..Fetch::default() };
        let mut lost = output.answer(fetch, true, SESSION);
        let mut piece = Vec::new();
        lost(&mut piece).unwrap();
        let (rest, mark) = answer(&output, 30_000, 150_000, true);
        assert!(rest == content[30_000..]);
        assert_eq!(mark, OutputMark { position: 100_000, is_end: true, digest: Some(Digest::of(&content)) });
        piece.clear();
        lost(&mut piece).unwrap();
        assert!(piece.is_empty(), "the answer before it reads no further");
    }

    #[test]
    fn bytes_that_are_written_after_the_end_of_the_task_are_not_its_output() {
        let (output, mut file) = written(b"its own\n");
        output.end();
        assert_eq!(answer(&output, 0, 3, true).0, b"its");
        file.write_all(b"another's\n").unwrap();
        let (rest, mark) = answer(&output, 3, 100, true);
        assert_eq!((&rest[..], mark.is_end), (&b" own\n"[..], true));
    }

    #[test]
    fn the_last_bytes_are_those_before_the_end_of_the_task() {
        let (output, mut file) = written(b"first\nlast\n");
        assert_eq!(output.end().length, 11);
        file.write_all(b"another's\n").unwrap();
        assert_eq!((output.last_bytes(5), output.last_bytes(100)), (b"last\n".to_vec(), b"first\nlast\n".to_vec()));
    }

    #[test]
    fn a_path_that_is_too_long_is_not_told() {
        let path = PathBuf::from("/long".repeat(200));
        let output = WrittenOutput::new(TaskStream::Output, path, tempfile::tempfile().unwrap());
        assert_eq!(output.end(), OutputPlace { length: 0, path: String::new() });
    }

    #[test]
    fn bytes_that_are_written_while_an_answer_is_read_wait_for_the_next_answer() {
        let (output, mut file) = written(b"first\n");
        let mut source = output.answer(Fetch { length: 100, follow: true, ..Fetch::default() }, false, SESSION);
        let mut decoder = FrameDecoder::new(SESSION, DATA_MAX);
        let mut next = || {
            let mut piece = Vec::new();
            source(&mut piece).unwrap();
            decoder.feed(&piece);
            Message::decode(decoder.next_frame().unwrap().unwrap(), Features::ours()).unwrap()
        };
        assert_eq!(next(), Message::OutputPart(b"first\n".to_vec()));
        file.write_all(b"second\n").unwrap();
        assert_eq!(next(), Message::OutputMark(OutputMark { position: 6, is_end: false, digest: None }));
        assert_eq!(answer(&output, 6, 100, false).0, b"second\n");
    }

    #[test]
    fn a_stream_grows_until_its_task_has_ended() {
        let (output, mut file) = written(b"");
        assert!(output.ends_by(0).unwrap());
        file.write_all(b"line\n").unwrap();
        assert!(!output.ends_by(4).unwrap() && output.ends_by(5).unwrap());
        let (line, mark) = answer(&output, 0, 100, false);
        assert_eq!((&line[..], mark.is_end), (&b"line\n"[..], false));
        output.end();
        file.write_all(b"another's\n").unwrap();
        assert!(output.ends_by(5).unwrap());
    }
}
