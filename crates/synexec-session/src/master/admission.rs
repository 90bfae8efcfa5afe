//! Which slaves may join. A slave may not join if the user excludes its name, if the places that are left are for slaves
//! that the user expects, or if it asks for a rank that does not exist or that another slave has asked for.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use super::{SlaveLabel, SlaveNames};

/// The reason for which a slave may not join. Its text is for the users of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The user excludes slaves of this name.
    Excluded {
        /// The name.
        name: String,
    },
    /// The user expects other slaves, and all places are for them.
    NotExpected,
    /// The user expects other slaves, and the places that are not for them are taken.
    PlacesKept,
    /// As many slaves of this name as the user expects have joined.
    NameTaken {
        /// The number of slaves of this name that the user expects.
        expected: usize,
        /// The address of one of these slaves.
        by: SocketAddr,
    },
    /// Another slave that has joined asks for the same rank.
    RankTaken {
        /// The rank.
        rank: u32,
        /// The other slave.
        by: SlaveLabel,
    },
    /// The slave asks for a rank that the session does not have.
    NoSuchRank {
        /// The rank.
        rank: u32,
        /// The number of slaves of the session.
        slaves: NonZeroU32,
    },
}

impl NotAdmitted {
    /// Whether the reason is what the user of the master has asked for. Otherwise the names or ranks of two slaves are in
    /// conflict, or a slave does not fit the session, and the user should know.
    pub fn is_wanted(&self) -> bool {
        match self {
            Self::Excluded { .. } | Self::NotExpected | Self::PlacesKept => true,
            Self::NameTaken { .. } | Self::RankTaken { .. } | Self::NoSuchRank { .. } => false,
        }
    }
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Excluded { name } => write!(f, "the user of the master excludes the name `{name}` (--exclude)"),
            Self::NotExpected => f.write_str("the user of the master expects other slaves (--expect)"),
            Self::PlacesKept => {
                f.write_str("the master keeps its other places for slaves that its user expects (--expect)")
            }
            Self::NameTaken { expected: 1, by } => {
                write!(f, "the user of the master expects one slave of this name, and it has joined from {}", by.ip())
            }
            Self::NameTaken { expected, by } => write!(
                f,
                "the user of the master expects {expected} slaves of this name, and they have joined, one of them from {}",
                by.ip()
            ),
            Self::RankTaken { rank, by } => {
                write!(f, "the slave asks for rank {rank}, and {} ({}) has it already", by.name, by.address.ip())
            }
            Self::NoSuchRank { rank, slaves } => {
                write!(f, "the slave asks for rank {rank}, and the last rank of this session is {}", slaves.get() - 1)
            }
        }
    }
}

/// The places of a session, and which of them are taken by slaves that have joined.
#[derive(Debug)]
pub(super) struct Admission {
    slaves: NonZeroU32,
    names: SlaveNames,
    /// The slaves that have joined, by name. Of each name, as many slaves as the user expects take the places of expected
    /// slaves. Which of them joined first does not matter.
    joined: HashMap<String, Vec<SocketAddr>>,
    /// The number of slaves that have joined and take no place of an expected slave.
    others: usize,
    /// The slaves that have joined and asked for a rank.
    ranks: BTreeMap<u32, SlaveLabel>,
}

/// The place of a slave that has joined.
#[derive(Debug)]
pub(super) struct Place {
    /// The rank that the slave asks for.
    pub(super) rank: Option<u32>,
}

impl Admission {
    pub(super) fn new(slaves: NonZeroU32, names: SlaveNames) -> Self {
        Self { slaves, names, joined: HashMap::new(), others: 0, ranks: BTreeMap::new() }
    }

    /// Gives a slave a place, or says why the slave may not join.
    pub(super) fn admit(&mut self, slave: &SlaveLabel, rank: Option<u32>) -> Result<Place, NotAdmitted> {
        if self.names.excludes(&slave.name) {
            return Err(NotAdmitted::Excluded { name: slave.name.clone() });
        }
        let is_expected = self.joined_as(&slave.name) < self.names.times(&slave.name);
        if !is_expected {
            self.check_other(slave)?;
        }
        if let Some(rank) = rank {
            self.check_rank(rank)?;
            self.ranks.insert(rank, slave.clone());
        }
        self.joined.entry(slave.name.clone()).or_default().push(slave.address);
        self.others += usize::from(!is_expected);
        Ok(Place { rank })
    }

    /// Frees the place of a slave. If more slaves of this name have joined than the user expects, one of the others takes the
    /// place of the expected slave.
    pub(super) fn release(&mut self, slave: &SlaveLabel, place: &Place) {
        if let Some(rank) = place.rank {
            self.ranks.remove(&rank);
        }
        let is_spare = self.joined_as(&slave.name) > self.names.times(&slave.name);
        let Some(addresses) = self.joined.get_mut(&slave.name) else { return };
        let Some(at) = addresses.iter().position(|address| *address == slave.address) else { return };
        addresses.remove(at);
        if addresses.is_empty() {
            self.joined.remove(&slave.name);
        }
        self.others = self.others.saturating_sub(is_spare.into());
    }

    /// The number of slaves of a name that have joined.
    fn joined_as(&self, name: &str) -> usize {
        self.joined.get(name).map_or(0, Vec::len)
    }

    /// Checks whether there is a place for a slave that is not expected. Where the user expects no slave in particular, any
    /// number of slaves may join, and those that are not needed are spare ones.
    fn check_other(&self, slave: &SlaveLabel) -> Result<(), NotAdmitted> {
        let slaves = usize::try_from(self.slaves.get()).unwrap_or(usize::MAX);
        let open = slaves.saturating_sub(self.names.count());
        if self.names.count() == 0 || self.others < open {
            return Ok(());
        }
        let expected = self.names.times(&slave.name);
        let same_name = self.joined.get(&slave.name).filter(|_| expected > 0);
        Err(match same_name.and_then(|addresses| addresses.first()) {
            Some(by) => NotAdmitted::NameTaken { expected, by: *by },
            None if open == 0 => NotAdmitted::NotExpected,
            None => NotAdmitted::PlacesKept,
        })
    }

    fn check_rank(&self, rank: u32) -> Result<(), NotAdmitted> {
        if rank >= self.slaves.get() {
            return Err(NotAdmitted::NoSuchRank { rank, slaves: self.slaves });
        }
        match self.ranks.get(&rank) {
            Some(by) => Err(NotAdmitted::RankTaken { rank, by: by.clone() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(slaves: u32, expected: &[&str], excluded: &[&str]) -> Admission {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Admission::new(NonZeroU32::new(slaves).unwrap(), SlaveNames::new(owned(expected), owned(excluded)))
    }

    fn slave(name: &str, last: u8) -> SlaveLabel {
        SlaveLabel::new(name.to_owned(), SocketAddr::from(([10, 0, 0, last], 40_000)))
    }

    #[test]
    fn with_enough_names_these_slaves_join_and_no_other() {
        for slaves in [1, 2] {
            let mut admission = admission(slaves, &["web1", "web3"], &[]);
            assert_eq!(admission.admit(&slave("web2", 2), None).unwrap_err(), NotAdmitted::NotExpected);
            assert!(
                admission.admit(&slave("web3", 3), None).is_ok() && admission.admit(&slave("web1", 1), None).is_ok()
            );
        }
    }

    #[test]
    fn with_fewer_names_their_places_are_kept() {
        let mut admission = admission(3, &["web1"], &[]);
        let first = admission.admit(&slave("a", 2), None).unwrap();
        admission.admit(&slave("b", 3), None).unwrap();
        assert_eq!(admission.admit(&slave("c", 4), None).unwrap_err(), NotAdmitted::PlacesKept);
        admission.admit(&slave("web1", 1), None).unwrap();
        admission.release(&slave("a", 2), &first);
        admission.admit(&slave("c", 4), None).unwrap();
    }

    #[test]
    fn an_expected_name_is_one_place_unless_it_is_expected_twice() {
        let mut once = admission(2, &["web1", "web2"], &[]);
        let (first, second) = (slave("web1", 1), slave("web1", 2));
        let place = once.admit(&first, None).unwrap();
        assert_eq!(once.admit(&second, None).unwrap_err(), NotAdmitted::NameTaken { expected: 1, by: first.address });
        once.release(&first, &place);
        assert!(once.admit(&second, None).is_ok());
        let mut twice = admission(2, &["web1", "web1"], &[]);
        assert!(twice.admit(&first, None).is_ok() && twice.admit(&second, None).is_ok());
        let why = twice.admit(&slave("web1", 3), None).unwrap_err();
        assert_eq!(why, NotAdmitted::NameTaken { expected: 2, by: first.address });
        assert!(why.to_string().contains("expects 2 slaves of this name"), "{why}");
        let mut open = admission(2, &["web1"], &[]);
        assert!(open.admit(&first, None).is_ok() && open.admit(&second, None).is_ok(), "the other place is open");
    }

    #[test]
    fn when_an_expected_slave_is_lost_another_one_of_its_name_takes_its_place() {
        for (expected, slaves) in [(&["web1"][..], 3), (&["web1", "web1"], 4), (&["web1", "db"], 4)] {
            let mut admission = admission(slaves, expected, &[]);
            let labels: Vec<_> = (1..=3).map(|last| slave("web1", last)).collect();
            let places: Vec<_> = labels.iter().map(|label| admission.admit(label, None).unwrap()).collect();
            admission.release(&labels[0], &places[0]);
            admission.release(&labels[2], &places[2]);
            let others = (10..).map(|last| slave("other", last));
            let joined = others.take_while(|label| admission.admit(label, None).is_ok()).count();
            assert_eq!(joined, 2, "{expected:?}");
        }
    }

    #[test]
    fn an_excluded_name_does_not_join_even_if_it_is_expected() {
        let mut admission = admission(2, &["web1", "web2"], &["web2", "10.0.0.9"]);
        for name in ["web2", "10.0.0.9"] {
            let why = NotAdmitted::Excluded { name: name.to_owned() };
            assert_eq!(admission.admit(&slave(name, 2), None).unwrap_err(), why);
        }
        assert!(admission.admit(&slave("db", 3), None).is_ok(), "one place is open, because one slave is expected");
    }

    #[test]
    fn a_slave_that_is_not_admitted_takes_no_rank() {
        let mut admission = admission(2, &["web1", "web2"], &[]);
        assert!(admission.admit(&slave("db", 3), Some(0)).is_err());
        assert!(admission.admit(&slave("web1", 1), Some(2)).is_err());
        let place = admission.admit(&slave("web1", 1), Some(0)).unwrap();
        let why = NotAdmitted::RankTaken { rank: 0, by: slave("web1", 1) };
        assert_eq!(admission.admit(&slave("web2", 2), Some(0)).unwrap_err(), why);
        admission.release(&slave("web1", 1), &place);
        assert!(admission.admit(&slave("web2", 2), Some(0)).is_ok());
    }
}
