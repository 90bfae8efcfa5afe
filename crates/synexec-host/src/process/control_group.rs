//! The slave's own control group, cgroups(7). Every process that the slave or a task starts is in the group, whatever
//! environment, session or parent the process has. One write kills the whole group.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::getpid;

/// First part of the directory's name. The mark of the slave's tasks follows.
const PREFIX: &str = "synexec_slave.";

/// Age at which a group is old. A slave enters its new group before that.
const ENTERED_BY: Duration = Duration::from_secs(60);

/// A subgroup of the group that this process was in. The subgroup has no controllers and no limits, so that processes
/// run in it as they would outside.
#[derive(Debug)]
pub(super) struct ControlGroup(PathBuf);

impl ControlGroup {
    /// Makes an empty group.
    ///
    /// # Errors
    /// There is no cgroup version 2 that this process may write to, a subgroup would have controllers, or the kernel
    /// cannot kill a group.
    pub(super) fn create(mark: &str) -> io::Result<Self> {
        let parent = own_directory()?;
        if !fs::read_to_string(parent.join("cgroup.subtree_control"))?.trim().is_empty() {
            return Err(io::Error::other("subgroups of the own group have controllers"));
        }
        remove_stale(&parent);
        let path = parent.join(format!("{PREFIX}{mark}"));
        fs::create_dir(&path)?;
        let group = Self(path);
        if group.0.join("cgroup.kill").exists() {
            Ok(group)
        } else {
            let _ = group.try_remove();
            Err(io::Error::other("the kernel cannot kill a control group; Linux 5.14 and later can"))
        }
    }

    /// Moves this process into the group. Processes that it starts later are in the group too.
    ///
    /// # Errors
    /// The kernel does not let this process into the group.
    pub(super) fn enter(&self) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), getpid().to_string())
    }

    /// Kills every process in the group.
    ///
    /// # Errors
    /// The group is gone, or the kernel refuses to kill it.
    pub(super) fn kill(&self) -> io::Result<()> {
        fs::write(self.0.join("cgroup.kill"), "1")
    }

    /// Removes the group unless a process is in it. Returns whether the group is gone.
    pub(super) fn try_remove(&self) -> bool {
        fs::remove_dir(&self.0).is_ok() || !self.0.exists()
    }
}

/// The directory of this process's group.
fn own_directory() -> io::Result<PathBuf> {
    let (mounts, groups) = (fs::read_to_string("/proc/self/mountinfo")?, fs::read_to_string("/proc/self/cgroup")?);
    directory(&mounts, &groups).ok_or_else(|| io::Error::other("there is no cgroup version 2"))
}

/// The directory of a group, from the text of `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn directory(mounts: &str, groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (root, mount_point) = mounts.lines().find_map(version_2)?;
    let below = Path::new(path).strip_prefix(root).ok()?;
    Some(Path::new(mount_point).join(below))
}

/// The group that is mounted and its mount point, if this line of mountinfo is a mount of cgroup version 2.
fn version_2(mount: &str) -> Option<(&str, &str)> {
    let (place, file_system) = mount.split_once(" - ")?;
    let mut fields = place.split(' ').skip(3);
    file_system.starts_with("cgroup2 ").then_some(())?;
    Some((fields.next()?, fields.next()?))
}

/// Removes the groups of slaves that ended together with their keepers, for instance with their pid namespace. Keeps a
/// group that has a process, and a new group that a slave may be about to enter.
fn remove_stale(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) && is_old(&entry) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Whether the group of this directory is older than [`ENTERED_BY`].
fn is_old(entry: &DirEntry) -> bool {
    let made = entry.metadata().and_then(|metadata| metadata.modified());
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > ENTERED_BY))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "1:cpu:/x\n0::/system.slice/a.service\n";

    fn mounts(root: &str, point: &str) -> String {
        format!(
            "22 1 0:20 / /proc rw - proc proc rw\n30 22 0:26 {root} {point} rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
        )
    }

    #[test]
    fn the_own_group_is_below_its_mount_point() {
        let found = directory(&mounts("/", "/sys/fs/cgroup"), GROUPS);
        assert_eq!(found.as_deref(), Some(Path::new("/sys/fs/cgroup/system.slice/a.service")));
        let found = directory(&mounts("/system.slice", "/cg"), GROUPS);
        assert_eq!(found.as_deref(), Some(Path::new("/cg/a.service")));
    }

    #[test]
    fn without_a_mount_of_the_group_there_is_no_directory() {
        assert_eq!(directory(&mounts("/other", "/cg"), GROUPS), None);
        assert_eq!(directory("22 1 0:20 / /proc rw - proc proc rw\n", GROUPS), None);
        assert_eq!(directory(&mounts("/", "/cg"), "1:cpu:/x\n"), None);
    }
}
