//! The output files of the task that is held and of the task that was released last.

use std::time::Duration;

use synexec_host::clock::monotonic_now;
use synexec_proto::message::{Fetch, LAST_LINES_MAX, OutputPlace, Reason, TaskStream};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::transport::Source;
use synexec_proto::wire::SessionId;

use crate::output::WrittenOutput;
use crate::output_file::{OutputFile, ReplacedOutput};
use crate::streams::Streams;

/// Output files; none at first.
#[derive(Debug, Default)]
pub struct TaskFiles {
    /// The files of a task that is held and not yet released.
    held: Option<Streams<OutputFile>>,
    /// The streams of the task that was released last.
    written: Option<Written>,
    /// The files that these streams have replaced, until their task has ended.
    replaced: Vec<ReplacedOutput>,
}

/// What is known of the streams of a task after its end.
#[derive(Debug, Default)]
pub struct WrittenStreams {
    /// Where the output is.
    pub output: Option<OutputPlace>,
    /// Where standard error is, if it is apart.
    pub errors: Option<OutputPlace>,
    /// The last bytes of standard error if it is apart and not empty, otherwise those of the output.
    pub last_bytes: Vec<u8>,
}

#[derive(Debug)]
struct Written {
    streams: Streams<WrittenOutput>,
    /// When their task was released.
    since: MonotonicInstant,
}

impl TaskFiles {
    /// A task is held that will write to these files.
    pub fn hold(&mut self, files: Streams<OutputFile>) {
        self.held = Some(files);
    }

    /// The held task is dropped, and its files with it.
    pub fn drop_held(&mut self) {
        self.held = None;
        self.free_replaced();
    }

    /// The held task is released at this instant, and its files take the places of the last ones.
    pub fn release(&mut self, at: MonotonicInstant) {
        let (last_output, last_errors) =
            self.written.take().map(|Written { streams, .. }| (streams.output, streams.errors)).unzip();
        let Some(files) = self.held.take() else { return };
        let mut begin = |file: OutputFile, last| {
            let (written, replaced) = file.begin(last);
            self.replaced.push(replaced);
            written
        };
        let output = begin(files.output, last_output);
        let errors = files.errors.map(|file| begin(file, last_errors.flatten()));
        self.written = Some(Written { streams: Streams { output, errors }, since: at });
    }

    /// The task is over, and its streams are complete.
    pub fn end(&mut self) -> WrittenStreams {
        self.free_replaced();
        let Some(Written { streams, .. }) = &self.written else { return WrittenStreams::default() };
        let (output, errors) = (Some(streams.output.end()), streams.errors.as_ref().map(WrittenOutput::end));
        let told = streams.errors.as_ref().map(|errors| errors.last_bytes(LAST_LINES_MAX));
        let last_bytes = told.filter(|bytes| !bytes.is_empty());
        let last_bytes = last_bytes.unwrap_or_else(|| streams.output.last_bytes(LAST_LINES_MAX));
        WrittenStreams { output, errors, last_bytes }
    }

    /// Gives the room of the replaced files back.
    pub fn free_replaced(&mut self) {
        self.replaced.drain(..).for_each(ReplacedOutput::free);
    }

    /// The conf is discarded, and the last output is not fetched any more.
    pub fn forget_output(&mut self) {
        self.written = None;
    }

    /// Time since the release of the last task, and the length of its streams together in bytes.
    pub fn progress(&self) -> (Duration, u64) {
        self.written.as_ref().map_or((Duration::ZERO, 0), |Written { streams, since }| {
            let lengths = streams.iter().map(|stream| stream.length().unwrap_or(0));
            (monotonic_now().since(*since), lengths.fold(0, u64::saturating_add))
        })
    }

    /// The answer to a fetch, as frames; none if the master waits for new output and there is none.
    ///
    /// # Errors
    /// There is no output file, or it cannot be read. The reason is for the master.
    pub fn answer(&self, fetch: Fetch, is_over: bool, session: SessionId) -> Result<Option<Source>, Reason> {
        let no_output = || Reason::new(&format!("the {} could not be opened", fetch.stream));
        let streams = &self.written.as_ref().ok_or_else(no_output)?.streams;
        let no_stream = || Reason::new("standard error of this task is in its output");
        let stream = streams.get(fetch.stream).ok_or_else(no_stream)?;
        let waits = fetch.follow && !is_over && stream.ends_by(fetch.offset)?;
        if waits && !has_more(streams, fetch)? {
            return Ok(None);
        }
        Ok(Some(stream.answer(fetch, is_over, session)))
    }
}

/// Whether the stream that was not asked for is longer than the master says.
fn has_more(streams: &Streams<WrittenOutput>, fetch: Fetch) -> Result<bool, Reason> {
    let other = match fetch.stream {
        TaskStream::Output => TaskStream::Errors,
        TaskStream::Errors => TaskStream::Output,
    };
    let Some((stream, length)) = streams.get(other).zip(fetch.other) else { return Ok(false) };
    Ok(!stream.ends_by(length)?)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::path::Path;

    use synexec_proto::message::{Features, Message, OutputMark};
    use synexec_proto::wire::{DATA_MAX, FrameDecoder};

    use super::*;

    const SESSION: SessionId = SessionId(3);

    /// The files of a task that has been released, and its ends of these files.
    fn released(dir: &Path) -> (TaskFiles, Streams<File>) {
        let create = |stream, name| OutputFile::create(stream, dir.join(name), None).unwrap();
        let output = create(TaskStream::Output, "out");
        let files = Streams { output, errors: Some(create(TaskStream::Errors, "err")) };
        let task = files.try_map(OutputFile::file).unwrap();
        let mut all = TaskFiles::default();
        all.hold(files);
        all.release(monotonic_now());
        (all, task)
    }

    /// A fetch of new bytes of a stream, from a master that has so many bytes of this stream and of the other.
    fn following(stream: TaskStream, offset: u64, other: Option<u64>) -> Fetch {
        Fetch { offset, length: 100, follow: true, stream, other }
    }

    /// The messages of an answer; none while the master has to wait.
    fn messages(files: &TaskFiles, fetch: Fetch) -> Option<Vec<Message>> {
        let mut source = files.answer(fetch, false, SESSION).unwrap()?;
        let (mut all, mut decoder) = (Vec::new(), FrameDecoder::new(SESSION, DATA_MAX));
        loop {
            let mut piece = Vec::new();
            source(&mut piece).unwrap();
            if piece.is_empty() {
                return Some(all);
            }
            decoder.feed(&piece);
            all.push(Message::decode(decoder.next_frame().unwrap().unwrap(), Features::ours()).unwrap());
        }
    }

    fn mark(position: u64) -> Message {
        Message::OutputMark(OutputMark { position, is_end: false, digest: None })
    }

    #[test]
    fn new_bytes_of_either_stream_end_the_wait_for_both() {
        use TaskStream::{Errors, Output};
        let dir = tempfile::tempdir().unwrap();
        let (files, mut task) = released(dir.path());
        assert_eq!(messages(&files, following(Output, 0, Some(0))), None);
        task.errors.as_mut().unwrap().write_all(b"oops").unwrap();
        assert_eq!(messages(&files, following(Output, 0, Some(0))), Some(vec![mark(0)]), "standard error has more");
        assert_eq!(messages(&files, following(Output, 0, Some(4))), None, "the master has it already");
        assert_eq!(messages(&files, following(Output, 0, None)), None, "the master does not ask for it");
        assert_eq!(messages(&files, following(Errors, 4, Some(0))), None);
        task.output.write_all(b"one").unwrap();
        assert_eq!(messages(&files, following(Errors, 4, Some(0))), Some(vec![mark(4)]), "the output has more");
        assert_eq!(messages(&files, following(Errors, 4, Some(3))), None);
        let part = Message::OutputPart(b"one".to_vec());
        assert_eq!(messages(&files, following(Output, 0, Some(4))), Some(vec![part, mark(3)]));
    }

    #[test]
    fn a_stream_that_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let write_only = |stream, name| {
            let path = dir.path().join(name);
            let file = OpenOptions::new().write(true).create_new(true).open(&path).unwrap();
            file.set_len(5).unwrap();
            WrittenOutput::new(stream, path, file)
        };
        let output = write_only(TaskStream::Output, "out");
        let streams = Streams { output, errors: Some(write_only(TaskStream::Errors, "err")) };
        let written = Some(Written { streams, since: monotonic_now() });
        let files = TaskFiles { written, ..TaskFiles::default() };
        for (stream, expected) in
            [(TaskStream::Output, "cannot read the output: "), (TaskStream::Errors, "cannot read the standard error: ")]
        {
            let told = messages(&files, following(stream, 0, None)).unwrap();
            assert!(
                matches!(&told[..], [Message::OutputNo(Some(why))] if why.to_string().starts_with(expected)),
                "{told:?}"
            );
        }
    }
}
