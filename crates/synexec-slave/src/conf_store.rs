//! Storing a conf in the work dir, and making a command from the whole conf.

use std::fmt::Display;
use std::path::Path;
use std::rc::Rc;

use nix::unistd::{AccessFlags, access};
use synexec_host::environment::Environment;
use synexec_host::process::TaskCommand;
use synexec_proto::conf::{CommandLine, ConfSplitter};
use synexec_proto::message::{ConfBegin, Reason};

use crate::output_file::OutputFile;
use crate::streams::Streams;
use crate::work_dir::{Payload, PayloadPath, WorkDir};

/// Receives one conf. The first error is kept, and returned once the conf is whole.
pub struct ConfStore {
    work_dir: Rc<WorkDir>,
    /// The variables that every task of this slave has.
    environment: Environment,
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
    environment: Environment,
    place: Option<ConfBegin>,
    command_line: CommandLine,
    payload: Option<PayloadPath>,
}

impl ConfStore {
    /// A store for a new conf, whose task has the variables of this environment. `place` is this slave's place in the
    /// slaveset, if the master tells it.
    pub fn new(work_dir: Rc<WorkDir>, environment: Environment, place: Option<ConfBegin>) -> Self {
        Self { work_dir, environment, place, splitter: ConfSplitter::default(), payload: None, failure: None }
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
        if command_line.names_payload() && self.payload.is_none() {
            // Another user could have put a file at the path of a payload that does not exist.
            return Err(Reason::new("the first line has the word `:CONF:`, but nothing follows the first line"));
        }
        let payload = self.payload.map(Payload::close);
        let Self { work_dir, environment, place, .. } = self;
        let prepared = RunnableConf { work_dir, environment, place, command_line, payload };
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

    /// The command to hold, and the files for its streams.
    ///
    /// # Errors
    /// A file cannot be created. The reason is for the master.
    pub fn command(&self, info: SessionInfo<'_>) -> Result<(TaskCommand, Streams<OutputFile>), Reason> {
        let separate = self.place.as_ref().is_some_and(|place| place.separate);
        let files = self.work_dir.create_outputs(separate).map_err(not_written)?;
        let Streams { output, errors } = files.try_map(OutputFile::file).map_err(not_written)?;
        let payload = self.payload_path();
        let command = TaskCommand {
            program: self.command_line.program(payload),
            arguments: self.command_line.arguments(payload),
            environment: self.task_environment(info),
            output,
            errors,
            identity: self.work_dir.tasks_user().cloned(),
            payload: self.payload.as_ref().map(|payload| payload.as_ref().to_owned()),
        };
        Ok((command, files))
    }

    /// The path of the payload. Without a payload, no word of the command line needs it.
    fn payload_path(&self) -> &Path {
        self.payload.as_ref().map_or(Path::new(""), AsRef::as_ref)
    }

    /// The environment of the task: variables from the master replace those of this slave.
    fn task_environment(&self, info: SessionInfo<'_>) -> Environment {
        let SessionInfo { session, name, round } = info;
        let mut environment = self.environment.clone();
        if let Some(place) = &self.place {
            for variable in place.variables.iter() {
                environment.set(variable.name(), variable.value());
            }
            environment.set("SYNEXEC_RANK", place.rank.to_string());
            environment.set("SYNEXEC_SLAVES", place.slaves.to_string());
        }
        environment.set("SYNEXEC_SESSION", session.to_string());
        environment.set("SYNEXEC_NAME", name);
        if let Some(round) = round {
            environment.set("SYNEXEC_ROUND", round.to_string());
        }
        if let Some(payload) = &self.payload {
            environment.set("SYNEXEC_CONF", payload.as_ref());
        }
        environment
    }

    fn check_program(&self) -> Result<(), Reason> {
        let program = self.command_line.program(self.payload_path());
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
    use std::ffi::OsStr;

    use synexec_proto::variables::Variables;

    use super::*;

    const INFO: SessionInfo<'_> = SessionInfo { session: 9, name: "vm7", round: Some(3) };

    fn store(conf: &[u8], chunk: usize) -> (Result<RunnableConf, Reason>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let work_dir = Rc::new(WorkDir::open(dir.path(), None).unwrap());
        let variables = Variables::new(["A=master's", "B=2"].map(|text| text.parse().unwrap())).unwrap();
        let place = ConfBegin { rank: 2, slaves: 5, variables, ..ConfBegin::default() };
        let mut environment = Environment::default();
        for name in ["A", "C"] {
            environment.set(name, "slave's");
        }
        let mut store = ConfStore::new(work_dir, environment, Some(place));
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
            let environment = prepared.task_environment(INFO);
            for (name, value) in [("SYNEXEC_RANK", "2"), ("SYNEXEC_SLAVES", "5"), ("SYNEXEC_ROUND", "3")] {
                assert_eq!(environment.get(name), Some(OsStr::new(value)), "{name}");
            }
            assert_eq!(environment.get("SYNEXEC_CONF"), Some(payload.as_os_str()));
        }
    }

    #[test]
    fn variables_of_the_master_replace_those_of_the_slave() {
        let environment = store(b"/bin/true\n", 100).0.unwrap().task_environment(INFO);
        for (name, value) in [("A", "master's"), ("B", "2"), ("C", "slave's")] {
            assert_eq!(environment.get(name), Some(OsStr::new(value)), "{name}");
        }
    }

    #[test]
    fn one_line_has_no_payload_file() {
        let (prepared, dir) = store(b"/bin/true\n", 100);
        assert!(prepared.unwrap().task_environment(INFO).get("SYNEXEC_CONF").is_none());
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
            (b"/bin/sh :CONF:\n", "nothing follows"),
            (b":CONF:", "nothing follows"),
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
