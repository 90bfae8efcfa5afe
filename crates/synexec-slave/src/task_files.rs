//! The output files of the task that is held and of the task that was released last.

use std::time::Duration;

use synexec_host::clock::monotonic_now;
use synexec_proto::message::{Fetch, LAST_LINES_MAX, OutputPlace, Reason};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::transport::Source;
use synexec_proto::wire::SessionId;

use crate::output::WrittenOutput;
use crate::output_file::{OutputFile, ReplacedOutput};

/// Output files; none at first.
#[derive(Debug, Default)]
pub struct TaskFiles {
    /// The file of a task that is held and not yet released.
    held: Option<OutputFile>,
    /// The output of the task that was released last.
    written: Option<Written>,
    /// The files that this output has replaced, until its task has ended.
    replaced: Option<ReplacedOutput>,
}

#[derive(Debug)]
struct Written {
    output: WrittenOutput,
    /// When its task was released.
    since: MonotonicInstant,
}

impl TaskFiles {
    /// A task is held that will write to this file.
    pub fn hold(&mut self, file: OutputFile) {
        self.held = Some(file);
    }

    /// The held task is dropped, and its file with it.
    pub fn drop_held(&mut self) {
        self.held = None;
        self.free_replaced();
    }

    /// The held task is released at this instant, and its file takes the place of the last output.
    pub fn release(&mut self, at: MonotonicInstant) {
        let last = self.written.take().map(|written| written.output);
        if let Some(file) = self.held.take() {
            let (output, replaced) = file.begin(last);
            self.written = Some(Written { output, since: at });
            self.replaced = Some(replaced);
        }
    }

    /// The task is over; gives the place of its output, and the last bytes of the output.
    pub fn end(&mut self) -> (Option<OutputPlace>, Vec<u8>) {
        let output = self.written.as_ref().map(|written| &written.output);
        let place = output.map(WrittenOutput::end);
        let last = output.map(|output| output.last_bytes(LAST_LINES_MAX)).unwrap_or_default();
        self.free_replaced();
        (place, last)
    }

    /// Gives the room of the replaced files back.
    pub fn free_replaced(&mut self) {
        self.replaced.take().into_iter().for_each(ReplacedOutput::free);
    }

    /// The conf is discarded, and the last output is not fetched any more.
    pub fn forget_output(&mut self) {
        self.written = None;
    }

    /// Time since the release of the last task, and the length of its output in bytes.
    pub fn progress(&self) -> (Duration, u64) {
        self.written.as_ref().map_or((Duration::ZERO, 0), |Written { output, since }| {
            (monotonic_now().since(*since), output.length().unwrap_or(0))
        })
    }

    /// The answer to a fetch, as frames; none if the master waits for new output and there is none.
    ///
    /// # Errors
    /// There is no output file, or it cannot be read. The reason is for the master.
    pub fn answer(&self, fetch: Fetch, is_over: bool, session: SessionId) -> Result<Option<Source>, Reason> {
        let no_output = || Reason::new("the output could not be opened");
        self.written.as_ref().ok_or_else(no_output)?.output.answer(fetch, is_over, session)
    }
}
