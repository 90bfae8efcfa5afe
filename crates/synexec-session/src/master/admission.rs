//! Who may join: a slave that asks for a rank that cannot be its own is turned away.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use super::SlaveLabel;

/// The reason for which a slave may not join. Its text is for the users of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAdmitted {
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

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RankTaken { rank, by } => {
                write!(f, "the slave asks for rank {rank}, and {} ({}) has it already", by.name, by.address.ip())
            }
            Self::NoSuchRank { rank, slaves } => {
                write!(f, "the slave asks for rank {rank}, and the last rank of this session is {}", slaves.get() - 1)
            }
        }
    }
}

/// What the slaves that have joined occupy.
#[derive(Debug)]
pub(super) struct Admission {
    slaves: NonZeroU32,
    /// The slaves that have asked for a rank.
    ranks: BTreeMap<u32, SlaveLabel>,
}

impl Admission {
    pub(super) fn new(slaves: NonZeroU32) -> Self {
        Self { slaves, ranks: BTreeMap::new() }
    }

    /// Admits a slave, and remembers what it occupies, or says why it may not join.
    pub(super) fn admit(&mut self, slave: &SlaveLabel, rank: Option<u32>) -> Result<(), NotAdmitted> {
        if let Some(rank) = rank {
            self.check_rank(rank)?;
            self.ranks.insert(rank, slave.clone());
        }
        Ok(())
    }

    /// Forgets a slave that was admitted.
    pub(super) fn release(&mut self, rank: Option<u32>) {
        if let Some(rank) = rank {
            self.ranks.remove(&rank);
        }
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
