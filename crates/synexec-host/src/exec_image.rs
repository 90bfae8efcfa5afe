//! The arguments of `execve`, allocated before the fork.
//!
//! The exec of std is `execvp`, which runs a file of unknown format with a shell. Here a file of unknown format is an
//! error.

use std::ffi::{CStr, CString, OsString, c_char};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::libc;

use crate::environment::Environment;

/// A program with its arguments and environment, in the form that the kernel expects.
#[derive(Debug)]
pub struct ExecImage {
    program: CString,
    arguments: CStringArray,
    environment: CStringArray,
}

/// Strings, and a null-terminated array of pointers to the strings.
#[derive(Debug)]
struct CStringArray {
    _strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers point to the strings of the same value, which are on the heap, never change, and live as long as
// it.
unsafe impl Send for CStringArray {}
// SAFETY: as above; nobody writes through the pointers.
unsafe impl Sync for CStringArray {}

impl ExecImage {
    /// A program with its arguments and its environment.
    ///
    /// # Errors
    /// `InvalidInput` when a string contains a NUL byte.
    pub fn new(program: &Path, arguments: Vec<OsString>, environment: Environment) -> io::Result<Self> {
        Ok(Self {
            program: CString::new(program.as_os_str().as_bytes())?,
            environment: CStringArray::new(environment.into_entries())?,
            arguments: CStringArray::new(arguments.into_iter())?,
        })
    }

    /// The path of the file to execute.
    pub fn program(&self) -> &CStr {
        &self.program
    }

    /// Replaces this process by the program. Returns only if that fails, with the error. Allocates no memory.
    pub fn execute(&self) -> io::Error {
        let (arguments, environment) = (self.arguments.pointers.as_ptr(), self.environment.pointers.as_ptr());
        // SAFETY: the string and both arrays are null-terminated, and live until the call returns.
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
