//! Extended attributes of files, xattr(7).

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use nix::libc;

/// Whether a file has a non-empty extended attribute of this name. An attribute that cannot be read counts as absent.
///
/// # Errors
/// `InvalidInput` when the path holds a NUL byte.
pub(crate) fn has_attribute(path: &Path, name: &CStr) -> io::Result<bool> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: both strings are null-terminated, and the kernel writes no value into a buffer of length 0.
    Ok(unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), ptr::null_mut(), 0) } > 0)
}
