//! The interfaces that a program may use, and what is missing before it can use them.

use std::mem::discriminant;

use thiserror::Error;

use super::{Interface, list};

/// The interfaces that a program may use: the one of `--interface`, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All interfaces.
    All,
    /// The interface of this name.
    One(String),
}

/// What a program waits for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Missing {
    /// No interface has this name.
    #[error("waiting for the interface `{name}`, which does not exist; the interfaces of this host are: {known}")]
    Interface {
        /// The name.
        name: String,
        /// The names of all interfaces, separated by commas.
        known: String,
    },
    /// The interface is down.
    #[error("waiting for the interface `{0}`, which is down")]
    Up(String),
    /// The interface has no IPv4 address.
    #[error("waiting for an IPv4 address on the interface `{0}`, which has none; only IPv4 is supported")]
    Address(String),
    /// No interface has an IPv4 address, apart from loopback.
    #[error(
        "waiting for an IPv4 address: no interface that is up has one, except loopback; only IPv4 is supported; the \
         interfaces of this host are: {known}"
    )]
    AnyAddress {
        /// The names of all interfaces, separated by commas.
        known: String,
    },
    /// The kernel does not list the interfaces.
    #[error("cannot list the network interfaces: {0}; trying again")]
    List(nix::Error),
}

impl Missing {
    /// Whether the same is missing. The names of other interfaces may differ, because they come and go.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        discriminant(self) == discriminant(other)
    }
}

impl Scope {
    /// The only interface that the program may use, if there is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::One(name) => Some(name),
        }
    }

    /// The interfaces in this scope that are up and have an IPv4 address. Loopback counts only if the user has named
    /// it. None of all interfaces if the kernel does not list them: a program that uses all also works without a list.
    ///
    /// # Errors
    /// [`Missing`]: there is no such interface.
    pub fn look(&self) -> Result<Vec<Interface>, Missing> {
        match (self, list()) {
            (_, Ok(all)) => self.choose(all),
            (Self::All, Err(error)) => {
                log::debug!("cannot list the network interfaces: {error}");
                Ok(Vec::new())
            }
            (Self::One(_), Err(error)) => Err(Missing::List(error)),
        }
    }

    /// Tells the user what is missing now, if anything is.
    pub fn tell_missing(&self) {
        if let Err(missing) = self.look() {
            log::warn!("{missing}");
        }
    }

    /// Whether the program may use nothing but loopback.
    pub fn is_loopback(&self) -> bool {
        *self != Self::All && self.look().is_ok_and(|found| found.iter().all(|interface| interface.is_loopback))
    }

    fn choose(&self, mut all: Vec<Interface>) -> Result<Vec<Interface>, Missing> {
        let known = || all.iter().map(|interface| interface.name.as_str()).collect::<Vec<_>>().join(", ");
        match self {
            Self::One(name) => match all.iter().find(|interface| interface.name == *name) {
                None => Err(Missing::Interface { name: name.clone(), known: known() }),
                Some(interface) if !interface.is_up => Err(Missing::Up(name.clone())),
                Some(interface) if interface.addresses.is_empty() => Err(Missing::Address(name.clone())),
                Some(interface) => Ok(vec![interface.clone()]),
            },
            Self::All => {
                let known = known();
                all.retain(|interface| interface.is_usable() && !interface.is_loopback);
                if all.is_empty() { Err(Missing::AnyAddress { known }) } else { Ok(all) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Address;
    use super::*;

    fn interface(name: &str, is_up: bool, addresses: &[&str]) -> Interface {
        let addresses = addresses.iter().map(|address| Address::new(address.parse().unwrap())).collect();
        let is_loopback = name == "lo";
        Interface { name: name.into(), index: 1, is_up, is_loopback, can_broadcast: !is_loopback, addresses }
    }

    fn host() -> Vec<Interface> {
        vec![
            interface("lo", true, &["127.0.0.1/8"]),
            interface("eth0", true, &["169.254.1.1/16", "10.0.0.1/24"]),
            interface("eth1", true, &[]),
            interface("eth2", false, &["10.2.0.1/24"]),
        ]
    }

    fn missing(name: &str) -> String {
        Scope::One(name.into()).choose(host()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_missing_is_told_with_the_names_that_exist() {
        assert_eq!(
            missing("eth9"),
            "waiting for the interface `eth9`, which does not exist; the interfaces of this host are: lo, eth0, eth1, \
             eth2"
        );
        assert_eq!(missing("eth2"), "waiting for the interface `eth2`, which is down");
        assert_eq!(
            missing("eth1"),
            "waiting for an IPv4 address on the interface `eth1`, which has none; only IPv4 is supported"
        );
    }

    #[test]
    fn the_named_interface_is_used_with_all_its_addresses() {
        let found = Scope::One("eth0".into()).choose(host()).unwrap();
        assert_eq!(found, [host()[1].clone()]);
        assert_eq!(Scope::One("lo".into()).choose(host()).unwrap(), [host()[0].clone()]);
    }

    #[test]
    fn without_a_name_all_that_can_be_used_are_used_except_loopback() {
        assert_eq!(Scope::All.choose(host()).unwrap(), [host()[1].clone()]);
        let only_ipv6 = vec![interface("lo", true, &["127.0.0.1/8"]), interface("eth0", true, &[])];
        let error = Scope::All.choose(only_ipv6).unwrap_err().to_string();
        assert!(error.contains("only IPv4 is supported") && error.ends_with("lo, eth0"), "{error}");
    }

    #[test]
    fn only_the_named_loopback_is_loopback_alone() {
        assert!(Scope::One("lo".into()).is_loopback());
        assert!(!Scope::All.is_loopback() && !Scope::One("nowhere0".into()).is_loopback());
    }
}
