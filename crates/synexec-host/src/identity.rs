//! Users: the one that this process runs as, and another one that tasks may run as.

use std::ffi::{CString, OsString};
use std::path::PathBuf;

use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist};
use thiserror::Error;

/// `PATH` in the environment of a login, login.defs(5).
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// `PATH` in the environment of a login of root.
const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why tasks cannot run as a given user.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// This host has no such user.
    #[error("there is no user `{0}` on this host")]
    Unknown(String),
    /// This process is not root, and only root may become another user.
    #[error("only root can run tasks as another user; start the slave as root, or without --user")]
    NotRoot,
    /// The user database cannot be read.
    #[error("cannot look up the user `{user}`: {why}")]
    Lookup {
        /// The name or number that was looked up.
        user: String,
        /// The error of the system call.
        why: nix::Error,
    },
}

/// A user with its groups and the facts that its environment needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    name: String,
    home: PathBuf,
    shell: PathBuf,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Identity {
    /// Looks up a user by name, or by number if no user has that name.
    ///
    /// # Errors
    /// [`IdentityError`] when there is no such user, the lookup fails, or this process is not root.
    pub fn find(user: &str) -> Result<Self, IdentityError> {
        let cannot = |why| IdentityError::Lookup { user: user.to_owned(), why };
        let found = look_up(user).map_err(cannot)?.ok_or_else(|| IdentityError::Unknown(user.to_owned()))?;
        if !geteuid().is_root() {
            return Err(IdentityError::NotRoot);
        }
        let name = CString::new(found.name.as_str()).map_err(|_| IdentityError::Unknown(user.to_owned()))?;
        let groups = getgrouplist(&name, found.gid).map_err(cannot)?;
        let User { name, dir: home, shell, uid, gid, .. } = found;
        Ok(Self { name, home, shell, uid, gid, groups })
    }

    /// The name of the user.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the user.
    pub fn uid(&self) -> Uid {
        self.uid
    }

    /// The number of the user's primary group.
    pub fn gid(&self) -> Gid {
        self.gid
    }

    /// All groups of the user, including the primary one.
    pub(crate) fn groups(&self) -> &[Gid] {
        &self.groups
    }

    /// The environment variables that a login sets.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let path = if self.uid.is_root() { ROOT_PATH } else { PATH };
        let own: [(&str, OsString); 5] = [
            ("HOME", self.home.clone().into()),
            ("USER", self.name.clone().into()),
            ("LOGNAME", self.name.clone().into()),
            ("SHELL", self.shell.clone().into()),
            ("PATH", path.into()),
        ];
        own.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }
}

/// The name of the effective user of this process; its number if it has no name.
pub fn user_name() -> String {
    let user = geteuid();
    name(user).unwrap_or_else(|| format!("user {user}"))
}

/// The user in words: "user" and the name, or the number if the user has no name.
pub(crate) fn name_of(user: Uid) -> String {
    format!("user {}", name(user).unwrap_or_else(|| user.to_string()))
}

fn name(user: Uid) -> Option<String> {
    User::from_uid(user).ok().flatten().map(|user| user.name)
}

fn look_up(user: &str) -> nix::Result<Option<User>> {
    match (User::from_name(user)?, user.parse()) {
        (None, Ok(number)) => User::from_uid(Uid::from_raw(number)),
        (found, _) => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let [by_name, by_number] = ["nobody", "65534"].map(Identity::find);
        if geteuid().is_root() {
            let identity = by_name.unwrap();
            assert_eq!((identity.name(), identity.uid().as_raw()), ("nobody", 65534));
            assert!(identity.groups().contains(&identity.gid()));
            assert_eq!(identity, by_number.unwrap());
        } else {
            assert!(matches!(by_name, Err(IdentityError::NotRoot)) && matches!(by_number, Err(IdentityError::NotRoot)));
        }
    }

    #[test]
    fn an_unknown_user_is_an_error() {
        for user in ["no such user", "4294967290", "", "nobody\0"] {
            assert!(Identity::find(user).is_err(), "{user:?}");
        }
        assert!(Identity::find("no-such-user").unwrap_err().to_string().contains("`no-such-user`"));
    }

    #[test]
    fn the_environment_is_that_of_a_login() {
        let identity = Identity {
            name: "vm".into(),
            home: "/home/vm".into(),
            shell: "/bin/sh".into(),
            uid: Uid::from_raw(7),
            gid: Gid::from_raw(7),
            groups: Vec::new(),
        };
        let environment = identity.environment();
        let value = |wanted: &str| environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        assert_eq!(value("HOME"), Some("/home/vm".into()));
        assert_eq!((value("USER"), value("LOGNAME")), (Some("vm".into()), Some("vm".into())));
        assert_eq!(value("PATH"), Some(PATH.into()));
        assert_eq!(environment.len(), 5);
    }
}
