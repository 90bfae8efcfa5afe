//! The environment of tasks. Few variables of this process pass to its tasks: a task needs neither the sockets nor the
//! secrets of the shell or the service manager that has started this process.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

use synexec_proto::variables::OWN_PREFIX;
use thiserror::Error;

use crate::identity::Identity;

/// Variables that describe the host. They pass to all tasks.
const OF_HOST: [&str; 4] = ["LANG", "LANGUAGE", "LC_*", "TZ"];

/// Variables that describe the user. They pass to tasks of the same user. Tasks of another user have the variables of that
/// user's login instead.
const OF_USER: [&str; 6] = ["HOME", "LOGNAME", "PATH", "SHELL", "TMPDIR", "USER"];

/// A name of variables, which may end in `*` for any end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    name: String,
    has_any_end: bool,
}

/// A text that no variable can match.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("give the name of a variable, or the beginning of names and `*`, as in `http_proxy,MPI_*`")]
pub struct NamePatternError;

impl FromStr for NamePattern {
    type Err = NamePatternError;

    fn from_str(text: &str) -> Result<Self, NamePatternError> {
        let (name, has_any_end) = text.strip_suffix('*').map_or((text, false), |beginning| (beginning, true));
        if text.is_empty() || name.contains(['*', '=', '\0']) {
            return Err(NamePatternError);
        }
        Ok(Self { name: name.to_owned(), has_any_end })
    }
}

impl NamePattern {
    fn matches(&self, name: &OsStr) -> bool {
        matches(&self.name, self.has_any_end, name)
    }
}

fn matches(pattern: &str, has_any_end: bool, name: &OsStr) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    if has_any_end { name.starts_with(pattern) } else { name == pattern }
}

fn is_among(patterns: &[&str], name: &OsStr) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => matches(beginning, true, name),
        None => matches(pattern, false, name),
    })
}

/// The variables of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The variables that every task of this process has: those of the host and of the user, and those of this process
    /// whose names match `passed`. Variables that match `passed` replace those of the login of another user. No variable
    /// with a name of synexec's own passes.
    pub fn of_tasks(user: Option<&Identity>, passed: &[NamePattern]) -> Self {
        Self::select(std::env::vars_os(), user, passed)
    }

    fn select(
        ours: impl Iterator<Item = (OsString, OsString)>,
        user: Option<&Identity>,
        passed: &[NamePattern],
    ) -> Self {
        let is_own = |name: &OsStr| matches(OWN_PREFIX, true, name);
        let is_wanted = |name: &OsStr| {
            is_among(&OF_HOST, name)
                || (user.is_none() && is_among(&OF_USER, name))
                || passed.iter().any(|pattern| pattern.matches(name))
        };
        let login = user.map(Identity::environment).unwrap_or_default();
        let ours = ours.filter(|(name, _)| is_wanted(name) && !is_own(name));
        Self(login.into_iter().chain(ours).collect())
    }

    /// Sets a variable. An earlier value is replaced.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// The value of a variable, if it is set.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The variables as `NAME=VALUE`.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = OsString> {
        self.0.into_iter().map(|(mut entry, value)| {
            entry.push("=");
            entry.push(value);
            entry
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The environment of a slave that a user or a service manager has started.
    const OURS: [&str; 17] = [
        "PATH=/usr/bin:/bin",
        "HOME=/root",
        "USER=root",
        "LANG=C",
        "LC_ALL=C.UTF-8",
        "TZ=Europe/Berlin",
        "TMPDIR=/var/tmp",
        "TERM=xterm",
        "SSH_AUTH_SOCK=/run/agent",
        "LD_PRELOAD=/lib/trick.so",
        "LD_LIBRARY_PATH=/opt/lib",
        "NOTIFY_SOCKET=/run/systemd/notify",
        "CREDENTIALS_DIRECTORY=/run/credentials",
        "SYNEXEC_RANK=9",
        "MPI_HOME=/opt/mpi",
        "MPI_NET=ib0",
        "TOKEN=secret",
    ];

    fn selected(user: Option<&Identity>, passed: &[&str]) -> Vec<String> {
        let split = |text: &str| text.split_once('=').map(|(name, value)| (name.into(), value.into())).unwrap();
        let passed: Vec<_> = passed.iter().map(|text| text.parse().unwrap()).collect();
        let selected = Environment::select(OURS.into_iter().map(split), user, &passed);
        selected.into_entries().map(|entry| entry.into_string().unwrap()).collect()
    }

    #[test]
    fn only_variables_of_the_host_and_the_user_pass_by_default() {
        let expected = [
            "HOME=/root",
            "LANG=C",
            "LC_ALL=C.UTF-8",
            "PATH=/usr/bin:/bin",
            "TMPDIR=/var/tmp",
            "TZ=Europe/Berlin",
            "USER=root",
        ];
        assert_eq!(selected(None, &[]), expected);
    }

    #[test]
    fn variables_pass_by_name_and_by_beginning_but_none_of_synexecs_own() {
        let passed = selected(None, &["TOKEN", "MPI_*"]);
        assert!(
            ["TOKEN=secret", "MPI_HOME=/opt/mpi", "MPI_NET=ib0"].iter().all(|entry| passed.contains(&(*entry).into()))
        );
        assert_eq!(passed.len(), 10);
        let all = selected(None, &["*"]);
        assert_eq!(all.len(), OURS.len() - 1);
        assert_eq!(selected(None, &["SYNEXEC_RANK", "TOKE", "OKEN"]), selected(None, &[]));
    }

    #[test]
    fn another_user_has_the_variables_of_its_login_unless_they_are_passed() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let login = selected(Some(&nobody), &[]);
        let names: Vec<_> = login.iter().map(|entry| entry.split('=').next().unwrap()).collect();
        assert_eq!(names, ["HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TZ", "USER"]);
        assert!(login.contains(&"USER=nobody".into()) && !login.contains(&"PATH=/usr/bin:/bin".into()));
        let passed = selected(Some(&nobody), &["PATH", "TMPDIR"]);
        assert!(passed.contains(&"PATH=/usr/bin:/bin".into()) && passed.contains(&"TMPDIR=/var/tmp".into()));
    }

    #[test]
    fn a_pattern_is_a_name_or_a_beginning() {
        for wrong in ["", "A*B", "**", "A=B", "*A"] {
            assert_eq!(wrong.parse::<NamePattern>(), Err(NamePatternError), "{wrong}");
        }
        assert!(["A", "A*", "*", "a.b"].iter().all(|right| right.parse::<NamePattern>().is_ok()));
    }

    #[test]
    fn the_last_value_counts() {
        let mut environment = Environment::default();
        environment.set("A", "1");
        environment.set("A", "2");
        assert_eq!(environment.get("A"), Some(OsStr::new("2")));
        assert_eq!(environment.into_entries().collect::<Vec<_>>(), ["A=2"]);
    }
}
