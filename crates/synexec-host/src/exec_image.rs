//! What `execve` needs, made before the fork.
//!
//! std's own exec is `execvp`, which hands a file that the kernel does not know to a shell. Here such a file is an error.

use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::libc;

use crate::identity::Identity;

/// A program with its arguments and environment, as the kernel takes them.
#[derive(Debug)]
pub struct ExecImage {
    program: CString,
    arguments: CStringArray,
    environment: CStringArray,
}

/// Strings, and the null-terminated array of pointers to them.
#[derive(Debug)]
struct CStringArray {
    _strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers are to the strings beside them, which are on the heap, never changed, and go with them.
unsafe impl Send for CStringArray {}
// SAFETY: as above; nothing is ever written through the pointers.
unsafe impl Sync for CStringArray {}

impl ExecImage {
    /// A program that gets the environment of a login, where it runs as another user, or else this process's; and what
    /// is added to it.
    ///
    /// # Errors
    /// `InvalidInput` when a string holds a NUL byte.
    pub fn new(
        program: &Path,
        arguments: Vec<OsString>,
        identity: Option<&Identity>,
        added: &[(&'static str, OsString)],
    ) -> io::Result<Self> {
        let is_added = |name: &OsStr| added.iter().any(|(added, _)| *added == name);
        let base = identity.map_or_else(|| std::env::vars_os().collect(), Identity::environment);
        let base = base.into_iter().filter(|(name, _)| !is_added(name));
        let added = added.iter().map(|(name, value)| (OsString::from(name), value.clone()));
        let environment = base.chain(added).map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        });
        Ok(Self {
            program: CString::new(program.as_os_str().as_bytes())?,
            environment: CStringArray::new(environment)?,
            arguments: CStringArray::new(arguments.into_iter())?,
        })
    }

    /// The file that is executed.
    pub fn program(&self) -> &CStr {
        &self.program
    }

    /// Becomes the program; returns only with the reason why that was not possible. Allocates nothing.
    pub fn execute(&self) -> io::Error {
        let (arguments, environment) = (self.arguments.pointers.as_ptr(), self.environment.pointers.as_ptr());
        // SAFETY: all three are null-terminated, and live until the call returns.
        unsafe { libc::execve(self.program.as_ptr(), arguments, environment) };
        io::Error::last_os_error()
    }
}

impl CStringArray {
    fn new(strings: impl Iterator<Item = OsString>) -> io::Result<Self> {
        let strings: Vec<CString> = strings.map(|string| CString::new(string.into_vec())).collect::<Result<_, _>>()?;
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect();
        Ok(Self { _strings: strings, pointers })
    }
}
