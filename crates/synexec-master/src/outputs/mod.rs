//! Outputs as they arrive: into files, onto stdout, or their ends into memory. One thread does all of it, so that neither
//! a slow disk nor a reader that pauses holds up the session.

mod live;
mod store;
mod tails;

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread::JoinHandle;

use synexec_host::events::tell;
use synexec_session::master::{self, OutputId, OutputStep};
use thiserror::Error;

use crate::dispatcher::Event;
use crate::display::Screen;
pub use store::{OutputDirError, Store};
use tails::Tails;

/// Where outputs go.
#[derive(Debug)]
pub enum Destination {
    /// Nowhere, but for their ends.
    Nowhere,
    /// Into files.
    Files(Store),
    /// Onto stdout, line by line.
    Stdout(Screen),
}

/// What is left of the outputs when the session is over.
#[derive(Debug, Default)]
pub struct Kept {
    store: Option<Store>,
    tails: Tails,
}

/// What is to be done, and for whose output.
struct Job {
    id: OutputId,
    /// What the slave is called.
    name: String,
    step: OutputStep,
}

/// The thread has ended before it was told to, so that nothing is kept any more.
#[derive(Debug, Error)]
#[error("the thread that keeps outputs has ended; this is a bug")]
pub struct ThreadGone;

/// The dispatcher's side. What waits here is bounded by what the session asks slaves for before all is stored.
pub struct Outputs {
    jobs: Sender<Job>,
    thread: JoinHandle<Kept>,
}

impl Outputs {
    /// Starts the thread. Of each output, that many bytes of the end are kept.
    ///
    /// # Errors
    /// When no thread is to be had.
    pub fn start(destination: Destination, tail: usize, events: SyncSender<Event>) -> io::Result<Self> {
        let (jobs, inbox) = channel();
        let worker =
            Worker { destination, tails: Tails::new(tail), events, has_failed: false, lines: live::Lines::default() };
        let thread = std::thread::Builder::new().name("outputs".into()).spawn(move || worker.run(&inbox))?;
        Ok(Self { jobs, thread })
    }

    /// Has something done.
    ///
    /// # Errors
    /// [`ThreadGone`].
    pub fn take(&self, id: OutputId, name: String, step: OutputStep) -> Result<(), ThreadGone> {
        self.jobs.send(Job { id, name, step }).map_err(|_| ThreadGone)
    }

    /// Waits until all is done.
    pub fn finish(self) -> Kept {
        drop(self.jobs);
        self.thread.join().unwrap_or_else(|_| {
            log::error!("the thread that keeps outputs has panicked");
            Kept::default()
        })
    }
}

impl Kept {
    /// The file that an output is in, whole.
    pub fn file(&self, id: OutputId) -> Option<&Path> {
        self.store.as_ref()?.file(id)
    }

    /// The same, where the file stays when the program has ended.
    pub fn lasting_file(&self, id: OutputId) -> Option<&Path> {
        self.store.as_ref().filter(|store| !store.is_temporary())?.file(id)
    }

    /// The end of an output, made text.
    pub fn tail(&self, id: OutputId) -> Option<String> {
        self.tails.text(id)
    }
}

struct Worker {
    destination: Destination,
    tails: Tails,
    lines: live::Lines,
    events: SyncSender<Event>,
    /// Whether nothing more is stored.
    has_failed: bool,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Job>) -> Kept {
        while let Ok(Job { id, name, step }) = inbox.recv() {
            let wants_answer = matches!(step, OutputStep::Sync | OutputStep::End);
            if self.has_failed {
                continue;
            }
            match self.take(id, &name, step) {
                Ok(()) if wants_answer => self.tell(master::Event::OutputStored { id }),
                Ok(()) => {}
                Err(error) if is_of_all(&error) => {
                    self.has_failed = true;
                    self.tell(master::Event::OutputsFailed { why: error.to_string() });
                }
                Err(error) => self.tell(master::Event::OutputFailed { id, why: error.to_string() }),
            }
        }
        let store = if let Destination::Files(store) = self.destination { Some(store) } else { None };
        Kept { store, tails: self.tails }
    }

    fn take(&mut self, id: OutputId, name: &str, step: OutputStep) -> io::Result<()> {
        match &step {
            OutputStep::Bytes(bytes) => self.tails.add(id, bytes),
            OutputStep::End => self.tails.add(id, &[]),
            OutputStep::Sync | OutputStep::Abandon => {}
        }
        match &mut self.destination {
            Destination::Nowhere => Ok(()),
            Destination::Files(store) => store.take(id, name, step),
            Destination::Stdout(screen) => self.lines.take(id, name, &step, screen),
        }
    }

    fn tell(&self, event: master::Event) {
        tell(&self.events, Event::Session(event));
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
