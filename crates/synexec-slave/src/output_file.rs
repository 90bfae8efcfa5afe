//! The file of a stream of a held task. Every task has files of its own, so that stragglers of an earlier task cannot
//! write to them. A file takes its final name when its task starts.
//!
//! Other users may be able to write to the directory. Nothing that they put there is followed, replaced or waited for:
//! the file gets another name.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use log::Level;
use nix::libc::{O_NOFOLLOW, O_PATH};
use synexec_host::files::{self, FileError, Obstacle};
use synexec_host::identity::Identity;
use synexec_host::log_limit::{self, Kind};
use synexec_proto::message::TaskStream;

use crate::output::WrittenOutput;
use crate::reserve::Reserve;
use crate::shortage::{NoRoom, ROOM};

/// Beginning of the file's name before the start of the task. The pid of the slave and a number follow.
pub const HELD_PREFIX: &str = "synexec_slave_out.";

/// Most names that a file may get if something is in the way: the wanted name, and the same with `.1`, `.2` and so on.
const NAMES_MAX: u32 = 100;

/// A master can cause such a line with each conf and each round.
const OTHER_NAMES: Kind = Kind::of_strangers("outputs with another name");

/// Number in the next name.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The file of a stream of a task that has not started. Dropping this removes the file.
#[derive(Debug)]
pub struct OutputFile {
    stream: TaskStream,
    held: HeldName,
    /// The wanted name, without a number.
    wanted: PathBuf,
    /// The name that the file takes at the start. It is the present name if there is no other.
    path: PathBuf,
    /// The user that tasks run as, if not this one.
    tasks: Option<Identity>,
    file: File,
    to_read: File,
    /// The file that is at the path now.
    named: Option<File>,
}

/// The files that a stream has replaced. Closing the last descriptor of a large file frees its room on the disk, which
/// takes tenths of a second. So the descriptors are kept while the task starts and runs.
#[derive(Debug)]
#[expect(dead_code, reason = "the descriptors are kept open, and not read")]
pub struct ReplacedOutput {
    named: Option<File>,
    last: Option<WrittenOutput>,
}

impl OutputFile {
    /// A new file for a stream, which takes this path later, and belongs to the user that tasks run as. If something else is at the
    /// path then, the file takes another name, which the log tells.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(stream: TaskStream, wanted: PathBuf, tasks: Option<&Identity>) -> Result<Self, FileError> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let held = wanted.with_file_name(format!("{HELD_PREFIX}{}.{number}", std::process::id()));
        let (held, file) = files::create_anew(&held, 0o600, tasks)?;
        let held = HeldName(held);
        let path = usable_names(&wanted, tasks).next().unwrap_or_else(|| held.0.clone());
        if let Some(obstacle) = Obstacle::at(&wanted, tasks)? {
            let line = format!("{obstacle}; the task's {stream} goes to {}", path.display());
            log_limit::tell(OTHER_NAMES, Level::Warn, &line, &line);
        }
        let named = OpenOptions::new().read(true).custom_flags(O_PATH | O_NOFOLLOW).open(&path).ok();
        // The name may come to mean another file, so this opens the descriptor.
        let to_read = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
            .map_err(|why| FileError { path: held.0.clone(), why })?;
        Ok(Self { stream, held, wanted, path, tasks: tasks.cloned(), file, to_read, named })
    }

    /// The file, for the task to write to.
    ///
    /// # Errors
    /// The system gives no other descriptor.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Reserves room for what the task writes.
    ///
    /// # Errors
    /// The disk has no room, or the system gives no other descriptor.
    pub fn reserve(&self) -> Result<Reserve, NoRoom> {
        self.file().and_then(Reserve::take).map_err(|why| NoRoom { stream: self.stream, why, last: self.last_file() })
    }

    /// The file of the last task, if its removal would make room.
    fn last_file(&self) -> Option<PathBuf> {
        let length = self.named.as_ref()?.metadata().ok()?.len();
        (length >= ROOM).then(|| self.path.clone())
    }

    /// The task starts: renames the file to its path, where it replaces that of the last task. If something has
    /// come in the way meanwhile, the file takes another name, and without one it keeps the name that it has.
    pub fn begin(self, last: Option<WrittenOutput>) -> (WrittenOutput, ReplacedOutput) {
        let Self { stream, held, wanted, path, tasks, to_read, named, .. } = self;
        let held = held.keep();
        let path = match files::rename(&held, &path, tasks.as_ref()) {
            Ok(()) => path,
            Err(why) => {
                let mut others = usable_names(&wanted, tasks.as_ref());
                let other = others.find(|other| files::rename(&held, other, tasks.as_ref()).is_ok());
                tell_other_name(stream, &path, &why, other.as_deref(), &held);
                other.unwrap_or(held)
            }
        };
        (WrittenOutput::new(stream, path, to_read), ReplacedOutput { named, last })
    }
}

/// The names that a file may take: those that are free, or that an earlier output has.
fn usable_names<'a>(wanted: &'a Path, tasks: Option<&'a Identity>) -> impl Iterator<Item = PathBuf> + 'a {
    let names = (0..NAMES_MAX).map(|number| match number {
        0 => wanted.to_owned(),
        number => files::with_suffix(wanted, number),
    });
    names.filter(move |name| matches!(Obstacle::at(name, tasks), Ok(None)))
}

fn tell_other_name(stream: TaskStream, path: &Path, why: &io::Error, other: Option<&Path>, held: &Path) {
    let path = path.display();
    match other {
        Some(other) => {
            log::warn!("cannot rename the {stream} to {path}: {why}; the {stream} is in {}", other.display());
        }
        None => log::error!(
            "cannot rename the {stream} to {path}: {why}; the {stream} stays in {} until the next slave starts here",
            held.display()
        ),
    }
}

impl ReplacedOutput {
    /// Closes the files in a thread of their own.
    pub fn free(self) {
        // If the system starts no thread, the closure is dropped here, and the files with it.
        let _ = thread::Builder::new().name("free".into()).spawn(move || drop(self));
    }
}

/// The name of a file. Dropping this removes the file, unless the name was kept.
#[derive(Debug)]
struct HeldName(PathBuf);

impl HeldName {
    fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for HeldName {
    fn drop(&mut self) {
        // If this fails, the file stays. A name that was kept is empty here, and names no file.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn begin(path: &Path, tasks: Option<&Identity>) -> (WrittenOutput, ReplacedOutput) {
        OutputFile::create(TaskStream::Output, path.to_owned(), tasks).unwrap().begin(None)
    }

    #[test]
    fn no_file_is_freed_while_a_task_starts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("synexec.out");
        fs::write(&path, "large").unwrap();
        let (_, earlier) = begin(&path, None);
        let kept = earlier.named.as_ref().unwrap().metadata().unwrap();
        assert_eq!((kept.nlink(), kept.len()), (0, 5));
        earlier.free();
    }

    #[test]
    fn an_output_with_something_in_the_way_takes_the_same_other_name_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let (path, victim) = (dir.path().join("synexec.out"), dir.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        fs::create_dir(dir.path().join("synexec.out.1")).unwrap();
        for _ in 0..2 {
            let (written, _) = begin(&path, None);
            assert_eq!(written.end().path, dir.path().join("synexec.out.2").display().to_string());
        }
        assert_eq!(names(dir.path()).len(), 4);
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn what_comes_in_the_way_later_gives_the_output_another_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("synexec.out");
        let output = OutputFile::create(TaskStream::Output, path.clone(), None).unwrap();
        output.file().unwrap().write_all(b"kept").unwrap();
        fs::create_dir(&path).unwrap();
        let (written, _) = output.begin(None);
        assert_eq!(written.end().path, dir.path().join("synexec.out.1").display().to_string());
        assert_eq!(fs::read_to_string(written.end().path).unwrap(), "kept");
    }

    #[test]
    fn an_output_that_finds_no_name_keeps_the_one_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("synexec.out");
        for number in 1..NAMES_MAX {
            fs::create_dir(files::with_suffix(&path, number)).unwrap();
        }
        fs::create_dir(&path).unwrap();
        let output = OutputFile::create(TaskStream::Output, path, None).unwrap();
        output.file().unwrap().write_all(b"kept").unwrap();
        let (written, _) = output.begin(None);
        let kept = written.end().path;
        assert!(kept.contains(HELD_PREFIX) && fs::read_to_string(&kept).unwrap() == "kept", "{kept}");
    }

    #[test]
    fn a_task_that_never_starts_leaves_the_last_output_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("synexec.out");
        drop(OutputFile::create(TaskStream::Output, path.clone(), None).unwrap());
        assert!(names(dir.path()).is_empty());
        begin(&path, None);
        fs::write(&path, "of the last task").unwrap();
        let next = OutputFile::create(TaskStream::Output, path.clone(), None).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "of the last task");
        drop(next);
        begin(&path, None);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(dir.path()).len()), ("", 1));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn stragglers_of_the_last_task_do_not_write_to_the_next_output() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("synexec.out");
        let first = OutputFile::create(TaskStream::Output, path.clone(), None).unwrap();
        let mut left_behind = first.file().unwrap();
        let (first, _) = first.begin(None);
        let next = OutputFile::create(TaskStream::Output, path.clone(), None).unwrap();
        let mut task = next.file().unwrap();
        let (next, _) = next.begin(None);
        left_behind.write_all(b"late").unwrap();
        task.write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!((first.length().unwrap(), next.length().unwrap()), (4, 3));
    }

    #[test]
    fn a_file_of_root_is_not_given_to_the_user_of_the_tasks() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        fs::write(&path, "secret").unwrap();
        let secret = File::open(&path).unwrap();
        let owner = secret.metadata().unwrap().uid();
        begin(&path, Some(&nobody));
        assert_eq!(secret.metadata().unwrap().uid(), owner);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        assert_eq!(fs::metadata(&path).unwrap().uid(), nobody.uid().as_raw());
    }
}
