//! Programs that exec gives more rights than the caller has.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::geteuid;

use super::interpreter;

/// Where the kernel keeps a file's capabilities, capabilities(7).
const CAPABILITIES: &std::ffi::CStr = c"security.capability";

/// Whether exec gives the program, or the interpreter of a script, rights that it does not get while one without them
/// traces it. A tracer that is root has them all, whoever
/// the task runs as.
pub(super) fn gains_privileges(program: &Path) -> bool {
    let is_special = |file: &PathBuf| is_set_id(file) || has_capabilities(file);
    !geteuid().is_root() && interpreter::executed_files(program).any(|file| is_special(&file))
}

fn is_set_id(program: &Path) -> bool {
    let set_id = libc::S_ISUID | libc::S_ISGID;
    std::fs::metadata(program).is_ok_and(|metadata| metadata.mode() & set_id != 0)
}

fn has_capabilities(program: &Path) -> bool {
    let Ok(program) = CString::new(program.as_os_str().as_bytes()) else { return false };
    // SAFETY: both strings are null-terminated; with no room for the value, only its length is given.
    unsafe { libc::getxattr(program.as_ptr(), CAPABILITIES.as_ptr(), std::ptr::null_mut(), 0) > 0 }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn set_id_bits_are_seen_and_plain_files_pass() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, special) in [(0o755, false), (0o4755, true), (0o2755, true)] {
            std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_set_id(file.path()), special, "{mode:o}");
        }
        assert!(!has_capabilities(file.path()));
        assert!(!is_set_id(Path::new("/no/such/program")));
    }
}
