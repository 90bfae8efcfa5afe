//! A conf on its way into the work dir, and what is made of it when it is whole.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;
use std::rc::Rc;

use nix::unistd::{AccessFlags, access};
use synexec_host::process::TaskCommand;
use synexec_proto::conf::{CommandLine, ConfSplitter};
use synexec_proto::message::{ConfBegin, Reason};

use crate::output_file::OutputFile;
use crate::work_dir::{Payload, PayloadPath, WorkDir};

/// Receives one conf. What goes wrong on the way is kept until the conf is whole, and told then.
pub struct ConfStore {
    work_dir: Rc<WorkDir>,
    place: Option<ConfBegin>,
    splitter: ConfSplitter,
    payload: Option<Payload>,
    failure: Option<Reason>,
}

/// What a task is told of its session.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The session's id.
    pub session: u32,
    /// What this slave is called.
    pub name: &'a str,
    /// Which round it is, where the master tells it.
    pub round: Option<u32>,
}

/// A command that can be held and started, as often as it is wanted.
pub struct Prepared {
    work_dir: Rc<WorkDir>,
    place: Option<ConfBegin>,
    command_line: CommandLine,
    payload: Option<PayloadPath>,
}

impl ConfStore {
    /// Nothing received yet; `place` is this slave's place in the slaveset, where the master tells it.
    pub fn new(work_dir: Rc<WorkDir>, place: Option<ConfBegin>) -> Self {
        Self { work_dir, place, splitter: ConfSplitter::default(), payload: None, failure: None }
    }

    /// Stores the next bytes.
    pub fn store(&mut self, bytes: &[u8]) {
        if self.failure.is_none() {
            self.failure = self.try_store(bytes).err();
        }
    }

    /// The conf is whole.
    ///
    /// # Errors
    /// The reason for which it is declined.
    pub fn finish(self) -> Result<Prepared, Reason> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let command_line = self.splitter.finish().map_err(reason)?;
        let payload = self.payload.map(Payload::close);
        let Self { work_dir, place, .. } = self;
        let prepared = Prepared { work_dir, place, command_line, payload };
        prepared.check_program()?;
        Ok(prepared)
    }

    fn try_store(&mut self, bytes: &[u8]) -> Result<(), Reason> {
        let payload = self.splitter.feed(bytes).map_err(reason)?;
        if payload.is_empty() {
            return Ok(());
        }
        if self.payload.is_none() {
            let executable = self.splitter.finish().map_err(reason)?.runs_payload();
            self.payload = Some(self.work_dir.create_payload(executable).map_err(not_stored)?);
        }
        self.payload.as_mut().map_or(Ok(()), |file| file.write(payload)).map_err(not_stored)
    }
}

impl Prepared {
    /// Whether the master tells this slave its place in the slaveset.
    pub fn has_place(&self) -> bool {
        self.place.is_some()
    }

    /// Leaves the payload to a task that goes on.
    pub fn abandon(self) {
        std::mem::forget(self.payload);
    }

    /// The command, ready to be held, and the file that it will write to.
    ///
    /// # Errors
    /// The reason for which it cannot be started.
    pub fn command(&self, surroundings: Surroundings<'_>) -> Result<(TaskCommand, OutputFile), Reason> {
        let output = self.work_dir.create_output().map_err(not_written)?;
        let payload = self.work_dir.payload_path();
        let command = TaskCommand {
            program: self.command_line.program(&payload),
            arguments: self.command_line.arguments(&payload),
            environment: self.environment(surroundings),
            output: output.file().map_err(not_written)?,
            identity: self.work_dir.tasks_user().cloned(),
            payload: self.payload.is_some().then_some(payload),
        };
        Ok((command, output))
    }

    fn environment(&self, surroundings: Surroundings<'_>) -> Vec<(&'static str, OsString)> {
        let Surroundings { session, name, round } = surroundings;
        let mut environment = vec![("SYNEXEC_SESSION", session.to_string().into()), ("SYNEXEC_NAME", name.into())];
        if let Some(place) = self.place {
            environment.push(("SYNEXEC_RANK", place.rank.to_string().into()));
            environment.push(("SYNEXEC_SLAVES", place.slaves.to_string().into()));
        }
        environment.extend(round.map(|round| ("SYNEXEC_ROUND", round.to_string().into())));
        environment.extend(self.payload.as_ref().map(|payload| ("SYNEXEC_CONF", payload.as_ref().to_owned())));
        environment
    }

    fn check_program(&self) -> Result<(), Reason> {
        let program = self.command_line.program(&self.work_dir.payload_path());
        let cannot = |why: &dyn Display| Reason::new(&format!("cannot run {}: {why}", program.display()));
        // Another user's rights only that user can know: the task finds out when it is held.
        if self.work_dir.tasks_user().is_none() {
            access(&program, AccessFlags::X_OK).map_err(|errno| cannot(&errno.desc()))?;
        }
        if is_directory(&program) { Err(cannot(&"it is a directory")) } else { Ok(()) }
    }
}

fn is_directory(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

fn reason(error: impl Display) -> Reason {
    Reason::new(&error.to_string())
}

fn not_written(error: impl Display) -> Reason {
    Reason::new(&format!("cannot write the output: {error}"))
}

fn not_stored(error: impl Display) -> Reason {
    Reason::new(&format!("cannot store the payload: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SURROUNDINGS: Surroundings<'_> = Surroundings { session: 9, name: "vm7", round: Some(3) };

    fn store(conf: &[u8], chunk: usize) -> (Result<Prepared, Reason>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let work_dir = Rc::new(WorkDir::open(dir.path(), None).unwrap());
        let mut store =
            ConfStore::new(work_dir, Some(ConfBegin { rank: 2, slaves: 5, length: 0, progress: None, token: None }));
        conf.chunks(chunk).for_each(|bytes| store.store(bytes));
        (store.finish(), dir)
    }

    #[test]
    fn a_conf_in_chunks_becomes_a_command_with_its_payload() {
        for chunk in [1, 7, 1000] {
            let (prepared, dir) = store(b"/bin/sh :CONF: a\necho one\n", chunk);
            let prepared = prepared.unwrap();
            let payload = dir.path().join(format!("synexec_slave_conf.{}", std::process::id()));
            assert_eq!(std::fs::read(&payload).unwrap(), b"echo one\n");
            let command = prepared.command(SURROUNDINGS).unwrap().0;
            assert_eq!(command.arguments, ["sh".into(), payload.clone().into_os_string(), "a".into()]);
            let environment = prepared.environment(SURROUNDINGS);
            assert!(environment.contains(&("SYNEXEC_RANK", "2".into())));
            assert!(environment.contains(&("SYNEXEC_ROUND", "3".into())));
            assert!(environment.contains(&("SYNEXEC_CONF", payload.into_os_string())));
        }
    }

    #[test]
    fn one_line_has_no_payload_file() {
        let (prepared, dir) = store(b"/bin/true\n", 100);
        assert!(prepared.unwrap().environment(SURROUNDINGS).iter().all(|(name, _)| *name != "SYNEXEC_CONF"));
        assert!(!dir.path().join(format!("synexec_slave_conf.{}", std::process::id())).exists());
    }

    #[test]
    fn what_cannot_be_run_is_declined_with_the_reason() {
        for (conf, expected) in [
            (&b"/no/such/program\n"[..], "No such file"),
            (b"/etc/passwd\n", "denied"),
            (b"/usr\n", "directory"),
            (b"\n", "empty"),
            (b"sh\n", "without a path"),
            (b"sh\npayload", "without a path"),
        ] {
            let Err(reason) = store(conf, 3).0 else { panic!("{expected}") };
            assert!(reason.to_string().contains(expected), "{reason}");
        }
    }

    #[test]
    fn a_payload_that_is_the_program_is_executable() {
        let (prepared, _dir) = store(b":CONF: x\n#!/bin/sh\nexit 7\n", 4);
        let prepared = prepared.unwrap();
        let (command, _output) = prepared.command(SURROUNDINGS).unwrap();
        let (task, _) = command.hold().unwrap().release().unwrap();
        assert_eq!(task.reap().unwrap(), synexec_proto::task_end::TaskEnd::Exited(7));
    }
}
