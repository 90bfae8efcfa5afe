//! Storing a conf in the work dir, and making a command from the whole conf.

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

/// Receives one conf. The first error is kept, and returned once the conf is whole.
pub struct ConfStore {
    work_dir: Rc<WorkDir>,
    place: Option<ConfBegin>,
    splitter: ConfSplitter,
    payload: Option<Payload>,
    failure: Option<Reason>,
}

/// The facts of a session that a task finds in its environment.
#[derive(Debug, Clone, Copy)]
pub struct SessionInfo<'a> {
    /// The session's id.
    pub session: u32,
    /// The slave's name.
    pub name: &'a str,
    /// The round's number, if the master tells it.
    pub round: Option<u32>,
}

/// A conf that is whole, with a command that can be held and started again and again.
pub struct RunnableConf {
    work_dir: Rc<WorkDir>,
    place: Option<ConfBegin>,
    command_line: CommandLine,
    payload: Option<PayloadPath>,
}

impl ConfStore {
    /// A store for a new conf. `place` is this slave's place in the slaveset, if the master tells it.
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
    /// The conf is wrong, could not be stored, or names a program that cannot be run. The reason is for the master.
    pub fn finish(self) -> Result<RunnableConf, Reason> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let command_line = self.splitter.finish().map_err(reason_of)?;
        let payload = self.payload.map(Payload::close);
        let Self { work_dir, place, .. } = self;
        let prepared = RunnableConf { work_dir, place, command_line, payload };
        prepared.check_program()?;
        Ok(prepared)
    }

    fn try_store(&mut self, bytes: &[u8]) -> Result<(), Reason> {
        let payload = self.splitter.feed(bytes).map_err(reason_of)?;
        if payload.is_empty() {
            return Ok(());
        }
        if self.payload.is_none() {
            let executable = self.splitter.finish().map_err(reason_of)?.runs_payload();
            self.payload = Some(self.work_dir.create_payload(executable).map_err(not_stored)?);
        }
        self.payload.as_mut().map_or(Ok(()), |file| file.write(payload)).map_err(not_stored)
    }
}

impl RunnableConf {
    /// Whether the master has told this slave its place in the slaveset.
    pub fn has_place(&self) -> bool {
        self.place.is_some()
    }

    /// Leaves the payload file to a task that goes on without this program.
    pub fn abandon(self) {
        std::mem::forget(self.payload);
    }

    /// The command to hold, and the file for its output.
    ///
    /// # Errors
    /// The file for the output cannot be created. The reason is for the master.
    pub fn command(&self, info: SessionInfo<'_>) -> Result<(TaskCommand, OutputFile), Reason> {
        let output = self.work_dir.create_output().map_err(not_written)?;
        let payload = self.work_dir.payload_path();
        let command = TaskCommand {
            program: self.command_line.program(&payload),
            arguments: self.command_line.arguments(&payload),
            environment: self.environment(info),
            output: output.file().map_err(not_written)?,
            identity: self.work_dir.tasks_user().cloned(),
            payload: self.payload.is_some().then_some(payload),
        };
        Ok((command, output))
    }

    fn environment(&self, info: SessionInfo<'_>) -> Vec<(&'static str, OsString)> {
        let SessionInfo { session, name, round } = info;
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
        // access(2) checks the rights of this process only. A task of another user finds out when it is held.
        if self.work_dir.tasks_user().is_none() {
            access(&program, AccessFlags::X_OK).map_err(|errno| cannot(&errno.desc()))?;
        }
        if is_directory(&program) { Err(cannot(&"it is a directory")) } else { Ok(()) }
    }
}

fn is_directory(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

fn reason_of(error: impl Display) -> Reason {
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

    const INFO: SessionInfo<'_> = SessionInfo { session: 9, name: "vm7", round: Some(3) };

    fn store(conf: &[u8], chunk: usize) -> (Result<RunnableConf, Reason>, tempfile::TempDir) {
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
            let command = prepared.command(INFO).unwrap().0;
            assert_eq!(command.arguments, ["sh".into(), payload.clone().into_os_string(), "a".into()]);
            let environment = prepared.environment(INFO);
            assert!(environment.contains(&("SYNEXEC_RANK", "2".into())));
            assert!(environment.contains(&("SYNEXEC_ROUND", "3".into())));
            assert!(environment.contains(&("SYNEXEC_CONF", payload.into_os_string())));
        }
    }

    #[test]
    fn one_line_has_no_payload_file() {
        let (prepared, dir) = store(b"/bin/true\n", 100);
        assert!(prepared.unwrap().environment(INFO).iter().all(|(name, _)| *name != "SYNEXEC_CONF"));
        assert!(!dir.path().join(format!("synexec_slave_conf.{}", std::process::id())).exists());
    }

    #[test]
    fn a_command_that_cannot_be_run_is_declined_with_the_reason() {
        for (conf, expected) in [
            (&b"/no/such/program\n"[..], "No such file"),
            (b"/etc/passwd\n", "denied"),
            (b"/usr\n", "directory"),
            (b"\n", "empty"),
            (b"sh\n", "without a path"),
            (b"sh\npayload", "without a path"),
            (b"\xef\xbb\xbf/bin/true\n", "byte order mark"),
            (b":CONF:\n#!/bin/sh\r\necho\r\n", "carriage return"),
        ] {
            let Err(reason) = store(conf, 3).0 else { panic!("{expected}") };
            assert!(reason.to_string().contains(expected), "{reason}");
        }
    }

    #[test]
    fn a_payload_that_is_the_program_is_executable() {
        let (prepared, _dir) = store(b":CONF: x\n#!/bin/sh\nexit 7\n", 4);
        let prepared = prepared.unwrap();
        let (command, _output) = prepared.command(INFO).unwrap();
        let (task, _) = command.hold().unwrap().release().unwrap();
        assert_eq!(task.reap().unwrap(), synexec_proto::task_end::TaskEnd::Exited(7));
    }
}
