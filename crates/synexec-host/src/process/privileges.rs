//! Programs that get more rights at exec than their caller has.

use std::ffi::CStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::geteuid;

use super::interpreter;
use crate::xattr::has_attribute;

/// The extended attribute that holds a file's capabilities, capabilities(7).
const CAPABILITIES: &CStr = c"security.capability";

/// Whether the program, or the interpreter of a script, gains rights at exec that the kernel withholds while a tracer
/// without these rights traces it. A tracer that is root has all rights, whichever user the task runs as.
pub(super) fn gains_privileges(program: &Path) -> bool {
    let is_special = |file: &PathBuf| is_set_id(file) || has_capabilities(file);
    !geteuid().is_root() && interpreter::executed_files(program).any(|file| is_special(&file))
}

fn is_set_id(program: &Path) -> bool {
    let set_id = libc::S_ISUID | libc::S_ISGID;
    std::fs::metadata(program).is_ok_and(|metadata| metadata.mode() & set_id != 0)
}

fn has_capabilities(program: &Path) -> bool {
    has_attribute(program, CAPABILITIES).unwrap_or(false)
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
