//! Stores outputs in files, prints them, or keeps only their ends in memory. One thread does this and checks
//! the digests, so that neither a slow disk, nor a reader that pauses, nor the computation delays the session.

mod earlier;
mod file_names;
mod live;
mod path_error;
mod store;
mod tails;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use synexec_proto::digest::Hasher;
use synexec_session::master::{OutputId, OutputStep};
use thiserror::Error;

use crate::display::Screen;
pub use store::{OutputDirError, Store};
use tails::Tails;

/// The place where outputs are stored.
#[derive(Debug)]
pub enum Destination {
    /// Nowhere; only their ends are kept in memory.
    Nowhere,
    /// In files.
    Files(Store),
    /// On stdout and stderr, line by line.
    Terminal(Screen),
}

/// The outputs that remain after the session.
#[derive(Debug, Default)]
pub struct Kept {
    store: Option<Store>,
    tails: Tails,
}

/// The next step of storing an output.
struct Job {
    id: OutputId,
    step: OutputStep,
}

/// What the thread reports about outputs.
#[derive(Debug)]
pub enum OutputEvent {
    /// All bytes of this output that the thread took are stored.
    Stored { id: OutputId },
    /// The bytes of this output do not have the digest that its slave announced.
    Differs { id: OutputId },
    /// This output cannot be stored.
    Failed { id: OutputId, why: String },
    /// No output can be stored any more.
    AllFailed { why: String },
}

/// The thread has ended too early, so no more output is stored.
#[derive(Debug, Error)]
#[error("the thread that keeps outputs has ended; this is a bug")]
pub struct ThreadGone;

/// The dispatcher's handle to the thread. Its queue needs no limit: the session asks the slaves for only a limited
/// number of bytes before all of them are stored.
pub struct Outputs {
    jobs: Sender<Job>,
    thread: JoinHandle<Kept>,
}

impl Outputs {
    /// Starts the thread. It keeps the last `tail` bytes of each output in memory, and delivers an event for each
    /// step that asks for an answer or fails.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        destination: Destination,
        tail: usize,
        deliver: impl Fn(OutputEvent) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, inbox) = channel();
        let worker = Worker {
            destination,
            tails: Tails::new(tail),
            open: HashMap::new(),
            deliver,
            has_failed: false,
            lines: live::Lines::default(),
        };
        let thread = std::thread::Builder::new().name("outputs".into()).spawn(move || worker.run(&inbox))?;
        Ok(Self { jobs, thread })
    }

    /// Hands the next step of storing an output to the thread.
    ///
    /// # Errors
    /// The thread has panicked.
    pub fn take(&self, id: OutputId, step: OutputStep) -> Result<(), ThreadGone> {
        self.jobs.send(Job { id, step }).map_err(|_| ThreadGone)
    }

    /// Waits until the thread has carried out all steps.
    pub fn finish(self) -> Kept {
        drop(self.jobs);
        self.thread.join().unwrap_or_else(|_| {
            log::error!("the thread that keeps outputs has panicked");
            Kept::default()
        })
    }
}

impl Kept {
    /// The file that contains a complete output, or the first bytes of an output that was cut.
    pub fn file(&self, id: OutputId) -> Option<&Path> {
        self.store.as_ref()?.file(id)
    }

    /// The same file, if the file remains after the program.
    pub fn lasting_file(&self, id: OutputId) -> Option<&Path> {
        self.store.as_ref().filter(|store| !store.is_temporary())?.file(id)
    }

    /// The end of an output as text, if one is kept.
    pub fn tail(&self, id: OutputId) -> Option<String> {
        self.tails.text(id)
    }
}

struct Worker<F> {
    destination: Destination,
    tails: Tails,
    lines: live::Lines,
    /// Outputs that have begun and not ended.
    open: HashMap<OutputId, Open>,
    deliver: F,
    /// Whether storing has failed for all outputs.
    has_failed: bool,
}

/// An output that has begun and not ended.
#[derive(Default)]
struct Open {
    /// The slave's name.
    name: String,
    /// The digest of all bytes so far.
    hasher: Hasher,
}

impl<F: Fn(OutputEvent)> Worker<F> {
    fn run(mut self, inbox: &Receiver<Job>) -> Kept {
        while let Ok(Job { id, step }) = inbox.recv() {
            if self.has_failed {
                continue;
            }
            match self.take(id, step) {
                Ok(None) => {}
                Ok(Some(event)) => (self.deliver)(event),
                Err(error) if affects_all(&error) => {
                    self.has_failed = true;
                    (self.deliver)(OutputEvent::AllFailed { why: error.to_string() });
                }
                Err(error) => (self.deliver)(OutputEvent::Failed { id, why: error.to_string() }),
            }
        }
        let store = if let Destination::Files(store) = self.destination { Some(store) } else { None };
        Kept { store, tails: self.tails }
    }

    /// Carries out a step; returns the event that answers the step, if any.
    fn take(&mut self, id: OutputId, step: OutputStep) -> io::Result<Option<OutputEvent>> {
        match step {
            OutputStep::Begin { name } => {
                self.open.insert(id, Open { name, ..Open::default() });
                Ok(None)
            }
            OutputStep::Bytes(bytes) => {
                self.tails.add(id, &bytes);
                self.open.entry(id).or_default().hasher.update(&bytes);
                self.keep(id, &OutputStep::Bytes(bytes)).map(|()| None)
            }
            OutputStep::Sync => Ok(Some(OutputEvent::Stored { id })),
            OutputStep::End { digest } => {
                let is_right = |open: &Open| digest.is_none_or(|digest| digest == open.hasher.digest());
                if !self.open.get(&id).is_some_and(is_right) {
                    return Ok(Some(OutputEvent::Differs { id }));
                }
                self.tails.add(id, &[]);
                let kept = self.keep(id, &step);
                self.open.remove(&id);
                kept.map(|()| Some(OutputEvent::Stored { id }))
            }
            OutputStep::Cut => {
                self.tails.add(id, &[]);
                let kept = self.keep(id, &step);
                self.open.remove(&id);
                kept.map(|()| Some(OutputEvent::Stored { id }))
            }
            OutputStep::Abandon => {
                let kept = self.keep(id, &step);
                self.open.remove(&id);
                kept.map(|()| None)
            }
        }
    }

    fn keep(&mut self, id: OutputId, step: &OutputStep) -> io::Result<()> {
        let name = self.open.get(&id).map_or("", |open| &open.name);
        match &mut self.destination {
            Destination::Nowhere => Ok(()),
            Destination::Files(store) => store.take(id, name, step),
            Destination::Terminal(screen) => self.lines.take(id, name, step, screen),
        }
    }
}

/// Whether this error affects all outputs.
fn affects_all(error: &io::Error) -> bool {
    let one_output = [
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::IsADirectory,
        ErrorKind::NotADirectory,
        ErrorKind::InvalidFilename,
    ];
    !one_output.contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use synexec_proto::digest::Digest;
    use synexec_proto::message::TaskStream;

    use super::*;

    const ID: OutputId = OutputId { round: 1, rank: 0, stream: TaskStream::Output };

    fn answer_to(bytes: &[u8], digest: Option<Digest>) -> Vec<String> {
        let (events, delivered) = channel();
        let deliver = move |event| events.send(format!("{event:?}")).unwrap();
        let outputs = Outputs::start(Destination::Nowhere, 4, deliver).unwrap();
        outputs.take(ID, OutputStep::Begin { name: "vm".into() }).unwrap();
        outputs.take(ID, OutputStep::Bytes(bytes.to_vec())).unwrap();
        outputs.take(ID, OutputStep::End { digest }).unwrap();
        outputs.finish();
        delivered.iter().collect()
    }

    #[test]
    fn an_output_is_stored_only_if_its_bytes_have_the_digest() {
        for digest in [None, Some(Digest::of(b"right"))] {
            let delivered = answer_to(b"right", digest);
            assert!(delivered.len() == 1 && delivered[0].starts_with("Stored"), "{delivered:?}");
        }
        let delivered = answer_to(b"wrong", Some(Digest::of(b"right")));
        assert!(delivered.len() == 1 && delivered[0].starts_with("Differs"), "{delivered:?}");
    }
}
