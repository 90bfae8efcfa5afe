//! Directories in which another user could replace what leads to a path.

use std::ffi::CStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::identity::Identity;
use crate::xattr::has_attribute;

/// The extended attribute that holds a file's access control list.
const ACL: &CStr = c"system.posix_acl_access";

/// The lowest directory above `path` in which `user` could replace the entry that leads to `path`; none if there is no
/// such directory. A process with more rights that wrote below a replaceable path would write wherever that user wants.
///
/// # Errors
/// A directory above `path` cannot be examined.
pub fn replaceable_in<'a>(path: &'a Path, user: &Identity) -> io::Result<Option<&'a Path>> {
    for (child, parent) in path.ancestors().zip(path.ancestors().skip(1)) {
        let (child, within) = (fs::metadata(child)?, fs::metadata(parent)?);
        if !user.uid().is_root() && may_replace(&child, &within, has_attribute(parent, ACL).unwrap_or(true), user) {
            return Ok(Some(parent));
        }
    }
    Ok(None)
}

/// Whether `user` could replace `child` in `parent`. If `parent` has an access control list, its group bits are the
/// most that any entry of the list allows, acl(5); the user may be in the list.
fn may_replace(child: &Metadata, parent: &Metadata, has_acl: bool, user: &Identity) -> bool {
    let owner = user.uid().as_raw();
    let is_member = has_acl || user.groups().iter().any(|group| group.as_raw() == parent.gid());
    let may_write = parent.mode() & 0o002 != 0 || (parent.mode() & 0o020 != 0 && is_member);
    let is_sticky = parent.mode() & 0o1000 != 0;
    parent.uid() == owner || (may_write && (!is_sticky || child.uid() == owner))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_is_replaceable_in_a_directory_that_the_user_may_write_to() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let top = tempfile::tempdir().unwrap();
        let (above, dir) = (top.path().join("above"), top.path().join("above/dir"));
        fs::create_dir_all(&dir).unwrap();
        let (nobodys, roots) = (Some(nobody.uid().as_raw()), Some(0));
        for (owner, mode, owner_of_dir, is_replaceable) in [
            (roots, 0o755, nobodys, false),
            (roots, 0o1777, roots, false),
            (roots, 0o1777, nobodys, true),
            (roots, 0o777, roots, true),
            (nobodys, 0o700, roots, true),
        ] {
            std::os::unix::fs::chown(&above, owner, None).unwrap();
            std::os::unix::fs::chown(&dir, owner_of_dir, None).unwrap();
            fs::set_permissions(&above, Permissions::from_mode(mode)).unwrap();
            let found = replaceable_in(&dir, &nobody).unwrap();
            assert_eq!(found, is_replaceable.then_some(&*above), "{owner:?} {mode:o} {owner_of_dir:?}");
        }
    }

    #[test]
    fn an_access_control_list_may_let_the_user_write() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("dir");
        fs::create_dir(&dir).unwrap();
        assert_eq!(replaceable_in(&dir, &nobody).unwrap(), None);
        let entry =
            |tag: u16, may: u16, id: u32| [&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat();
        // A version, then entries for owner, user, group, mask and others: linux/posix_acl_xattr.h.
        let list = [
            2_u32.to_le_bytes().to_vec(),
            entry(1, 7, u32::MAX),
            entry(2, 7, nobody.uid().as_raw()),
            entry(4, 5, u32::MAX),
            entry(16, 7, u32::MAX),
            entry(32, 5, u32::MAX),
        ]
        .concat();
        let path = std::ffi::CString::new(top.path().as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: both strings are null-terminated, and the buffer has the length that is given.
        let set = unsafe { nix::libc::setxattr(path.as_ptr(), ACL.as_ptr(), list.as_ptr().cast(), list.len(), 0) };
        match nix::errno::Errno::result(set) {
            Ok(_) => assert_eq!(replaceable_in(&dir, &nobody).unwrap(), Some(top.path())),
            Err(why) => assert_eq!(
                why,
                nix::errno::Errno::EOPNOTSUPP,
                "only a filesystem without access control lists may refuse"
            ),
        }
    }
}
