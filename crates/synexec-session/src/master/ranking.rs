//! Which slave gets which rank.
//!
//! Ranks must not depend on which slave is faster to join: the same guests get the same ranks in each session.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::IpAddr;

use super::natural_order;

/// What decides the place of a slave in the order of all slaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim<'a> {
    /// The place of the slave's name in the user's list of expected slaves.
    pub(super) expected: Option<usize>,
    /// The slave's own name; none for an original slave.
    pub(super) name: Option<&'a str>,
    /// The address from which the slave is connected. The port differs from connection to connection.
    pub(super) address: IpAddr,
}

/// Orders the slaves: expected ones first, as the user lists them; then by name in natural order, and slaves without a
/// name last; then by address.
pub(super) fn compare(one: &Claim<'_>, other: &Claim<'_>) -> Ordering {
    let nones_last = |claim: &Claim<'_>| claim.expected.unwrap_or(usize::MAX);
    let by_name = || match (one.name, other.name) {
        (Some(one), Some(other)) => natural_order::compare(one, other),
        (one, other) => one.is_none().cmp(&other.is_none()),
    };
    nones_last(one).cmp(&nones_last(other)).then_with(by_name).then_with(|| one.address.cmp(&other.address))
}

/// The ranks of slaves, from the ranks that they ask for. The slaves are given in their order. A slave gets the rank that it
/// asks for, if this rank exists and no slave before it in the order asks for it. The other slaves fill the free ranks in
/// their order.
pub(super) fn ranks(asked: &[Option<u32>]) -> Vec<u32> {
    let mut free: BTreeSet<u32> = (0..).take(asked.len()).collect();
    let granted: Vec<_> = asked.iter().map(|asked| asked.filter(|rank| free.remove(rank))).collect();
    let mut free = free.into_iter();
    granted.into_iter().filter_map(|granted| granted.or_else(|| free.next())).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn claim(expected: Option<usize>, name: Option<&str>, last: u8) -> Claim<'_> {
        Claim { expected, name, address: Ipv4Addr::new(10, 0, 0, last).into() }
    }

    #[test]
    fn expected_ones_come_first_then_names_then_addresses() {
        let ordered = [
            claim(Some(0), Some("web9"), 9),
            claim(Some(1), Some("web1"), 1),
            claim(None, Some("db2"), 7),
            claim(None, Some("db2"), 10),
            claim(None, Some("db10"), 2),
            claim(None, None, 9),
            claim(None, None, 30),
        ];
        assert!(ordered.is_sorted_by(|one, other| compare(one, other) == Ordering::Less));
    }

    #[test]
    fn those_that_ask_get_their_ranks_and_the_others_fill_the_gaps() {
        for (asked, given) in [
            (vec![None, None, None], vec![0, 1, 2]),
            (vec![Some(2), None, Some(0), None], vec![2, 1, 0, 3]),
            (vec![None, Some(9), Some(0)], vec![1, 2, 0]),
            (vec![Some(1), Some(1), None], vec![1, 0, 2]),
            (vec![], vec![]),
        ] {
            assert_eq!(ranks(&asked), given, "{asked:?}");
        }
    }

    proptest! {
        #[test]
        fn every_rank_is_given_once(asked in vec(prop::option::of(0..20_u32), 0..15)) {
            let given = ranks(&asked);
            let mut sorted = given.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..).take(asked.len()).collect::<Vec<u32>>());
            let others: Vec<_> = given.iter().zip(&asked).filter(|(_, asked)| asked.is_none()).collect();
            prop_assert!(others.is_sorted());
        }

        #[test]
        fn the_order_does_not_depend_on_who_joins_first(
            slaves in vec((prop::option::of("[ab][0-2]{1,2}"), 0..4_u8), 0..12), by in 0..12_usize,
        ) {
            let claims = || slaves.iter().map(|(name, last)| claim(None, name.as_deref(), *last)).collect::<Vec<_>>();
            let (mut one, mut other) = (claims(), claims());
            other.rotate_left(by.checked_rem(slaves.len()).unwrap_or_default());
            one.sort_by(compare);
            other.sort_by(compare);
            prop_assert_eq!(one, other);
        }
    }
}
