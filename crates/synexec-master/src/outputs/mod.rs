//! Outputs as they arrive: into files, onto stdout, or their ends into memory. One thread keeps them and checks their
//! digests, so that neither a slow disk nor a reader that pauses nor the arithmetic holds up the session.

mod live;
mod store;
mod tails;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use synexec_proto::digest::Hasher;
use synexec_session::master::{self, OutputId, OutputStep};
use thiserror::Error;

use crate::display::Screen;
pub use store::{OutputDirError, Store};
use tails::Tails;

/// Where outputs go.
#[derive(Debug)]
pub enum Destination {
    /// Nowhere, except for their ends.
    Nowhere,
    /// Into files.
    Files(Store),
    /// Onto stdout, line by line.
    Stdout(Screen),
}

/// The kept outputs when the session is over.
#[derive(Debug, Default)]
pub struct Kept {
    store: Option<Store>,
    tails: Tails,
}

/// The next step with an output.
struct Job {
    id: OutputId,
    step: OutputStep,
}

/// The thread has ended too early, so no more output is kept.
#[derive(Debug, Error)]
#[error("the thread that keeps outputs has ended; this is a bug")]
pub struct ThreadGone;

/// The dispatcher's side. The queue is bounded by how much the session asks of the slaves before all of it is stored.
pub struct Outputs {
    jobs: Sender<Job>,
    thread: JoinHandle<Kept>,
}

impl Outputs {
    /// Starts the thread. It keeps the last `tail` bytes of each output in memory, and answers with events of the session.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        destination: Destination,
        tail: usize,
        tell: impl Fn(master::Event) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, inbox) = channel();
        let worker = Worker {
            destination,
            tails: Tails::new(tail),
            open: HashMap::new(),
            tell,
            has_failed: false,
            lines: live::Lines::default(),
        };
        let thread = std::thread::Builder::new().name("outputs".into()).spawn(move || worker.run(&inbox))?;
        Ok(Self { jobs, thread })
    }

    /// Takes the next step with an output.
    ///
    /// # Errors
    /// [`ThreadGone`].
    pub fn take(&self, id: OutputId, step: OutputStep) -> Result<(), ThreadGone> {
        self.jobs.send(Job { id, step }).map_err(|_| ThreadGone)
    }

    /// Waits until all steps are done.
    pub fn finish(self) -> Kept {
        drop(self.jobs);
        self.thread.join().unwrap_or_else(|_| {
            log::error!("the thread that keeps outputs has panicked");
            Kept::default()
        })
    }
}

impl Kept {
    /// The file that contains a whole output.
    pub fn file(&self, id: OutputId) -> Option<&Path> {
        self.store.as_ref()?.file(id)
    }

    /// The file that contains a whole output, if the file remains when the program has ended.
    pub fn lasting_file(&self, id: OutputId) -> Option<&Path> {
        self.store.as_ref().filter(|store| !store.is_temporary())?.file(id)
    }

    /// The end of an output as text.
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
    tell: F,
    /// Whether no output can be stored any more.
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

impl<F: Fn(master::Event)> Worker<F> {
    fn run(mut self, inbox: &Receiver<Job>) -> Kept {
        while let Ok(Job { id, step }) = inbox.recv() {
            if self.has_failed {
                continue;
            }
            match self.take(id, step) {
                Ok(None) => {}
                Ok(Some(event)) => (self.tell)(event),
                Err(error) if is_of_all(&error) => {
                    self.has_failed = true;
                    (self.tell)(master::Event::OutputsFailed { why: error.to_string() });
                }
                Err(error) => (self.tell)(master::Event::OutputFailed { id, why: error.to_string() }),
            }
        }
        let store = if let Destination::Files(store) = self.destination { Some(store) } else { None };
        Kept { store, tails: self.tails }
    }

    /// Takes a step, and returns the event that answers it.
    fn take(&mut self, id: OutputId, step: OutputStep) -> io::Result<Option<master::Event>> {
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
            OutputStep::Sync => Ok(Some(master::Event::OutputStored { id })),
            OutputStep::End { digest } => {
                let is_right = |open: &Open| digest.is_none_or(|digest| digest == open.hasher.digest());
                if !self.open.get(&id).is_some_and(is_right) {
                    return Ok(Some(master::Event::OutputDiffers { id }));
                }
                self.tails.add(id, &[]);
                let kept = self.keep(id, &step);
                self.open.remove(&id);
                kept.map(|()| Some(master::Event::OutputStored { id }))
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
            Destination::Stdout(screen) => self.lines.take(id, name, step, screen),
        }
    }
}

/// Whether no other output can be stored either, where this one cannot.
fn is_of_all(error: &io::Error) -> bool {
    let of_one = [
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::IsADirectory,
        ErrorKind::NotADirectory,
        ErrorKind::InvalidFilename,
    ];
    !of_one.contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use synexec_proto::digest::Digest;

    use super::*;

    const ID: OutputId = OutputId { round: 1, rank: 0 };

    fn answer_to(bytes: &[u8], digest: Option<Digest>) -> Vec<String> {
        let (events, told) = channel();
        let outputs = Outputs::start(Destination::Nowhere, 4, move |event| events.send(format!("{event:?}")).unwrap());
        let outputs = outputs.unwrap();
        outputs.take(ID, OutputStep::Begin { name: "vm".into() }).unwrap();
        outputs.take(ID, OutputStep::Bytes(bytes.to_vec())).unwrap();
        outputs.take(ID, OutputStep::End { digest }).unwrap();
        outputs.finish();
        told.iter().collect()
    }

    #[test]
    fn an_output_is_stored_only_if_its_bytes_have_the_digest() {
        for digest in [None, Some(Digest::of(b"right"))] {
            let told = answer_to(b"right", digest);
            assert!(told.len() == 1 && told[0].starts_with("OutputStored"), "{told:?}");
        }
        let told = answer_to(b"wrong", Some(Digest::of(b"right")));
        assert!(told.len() == 1 && told[0].starts_with("OutputDiffers"), "{told:?}");
    }
}
