//! A slave as the user knows it.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

/// A slave as the user knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlaveLabel {
    /// The slave's own name; of an original slave, which tells no name, its address.
    pub name: String,
    /// The address from which the slave is connected.
    pub address: SocketAddr,
    /// The name by which the user sees the slave: its own name; once the slaveset is complete, with its address if another
    /// slave has the same name.
    pub shown: String,
}

impl SlaveLabel {
    /// A slave whose name no other slave has.
    pub fn new(name: String, address: SocketAddr) -> Self {
        Self { shown: name.clone(), name, address }
    }

    /// Adds the address to what the user sees, and then the port. Returns whether there was something to add.
    fn lengthen(&mut self) -> bool {
        let (with_ip, with_port) =
            (format!("{}@{}", self.name, self.address.ip()), format!("{}@{}", self.name, self.address));
        let longer = if self.shown == self.name { with_ip } else { with_port };
        let is_longer = longer != self.shown;
        self.shown = longer;
        is_longer
    }
}

/// Makes all slaves differ in what the user sees. Returns the slaves whose names are equal, for each of these names.
///
/// A slave gets a longer label while another slave has the same label. Two of the longest labels are never equal, because
/// no address contains an `@`, and no two slaves have one address.
pub(super) fn tell_apart(labels: &mut [&mut SlaveLabel]) -> Vec<Vec<SlaveLabel>> {
    let mut is_changed = true;
    while is_changed {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for label in labels.iter() {
            *counts.entry(label.shown.clone()).or_default() += 1;
        }
        let equal = labels.iter_mut().filter(|label| counts.get(&label.shown).is_some_and(|count| *count > 1));
        is_changed = equal.filter_map(|label| label.lengthen().then_some(())).count() > 0;
    }
    let mut equal: BTreeMap<&str, Vec<SlaveLabel>> = BTreeMap::new();
    for label in labels.iter() {
        equal.entry(&label.name).or_default().push((**label).clone());
    }
    equal.into_values().filter(|slaves| slaves.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What the user sees of slaves with these names and addresses, and how many are told to have an equal name.
    fn shown(slaves: &[(&str, &str)]) -> (Vec<String>, usize) {
        let label = |(name, address): &(&str, &str)| SlaveLabel::new((*name).to_owned(), address.parse().unwrap());
        let mut labels: Vec<_> = slaves.iter().map(label).collect();
        let equal = tell_apart(&mut labels.iter_mut().collect::<Vec<_>>());
        (labels.into_iter().map(|label| label.shown).collect(), equal.concat().len())
    }

    #[test]
    fn only_equal_names_get_addresses_and_only_equal_addresses_get_ports() {
        let (all, equal) = shown(&[("web1", "10.0.0.1:1"), ("web2", "10.0.0.2:1"), ("web1", "10.0.0.3:1")]);
        assert_eq!((all, equal), (vec!["web1@10.0.0.1".into(), "web2".into(), "web1@10.0.0.3".into()], 2));
        let (all, equal) = shown(&[("vm", "10.0.0.1:1"), ("vm", "10.0.0.1:2"), ("vm", "10.0.0.2:1")]);
        assert_eq!((all, equal), (vec!["vm@10.0.0.1:1".into(), "vm@10.0.0.1:2".into(), "vm@10.0.0.2".into()], 3));
    }

    #[test]
    fn a_name_that_looks_like_the_longest_label_of_another_slave_is_told_apart_too() {
        let (all, equal) = shown(&[("vm", "10.0.0.1:1"), ("vm", "10.0.0.1:2"), ("vm@10.0.0.1:1", "10.0.0.3:1")]);
        assert_eq!(all, ["vm@10.0.0.1:1", "vm@10.0.0.1:2", "vm@10.0.0.1:1@10.0.0.3"]);
        assert_eq!(equal, 2);
    }

    proptest! {
        #[test]
        fn any_slaves_are_told_apart(slaves in vec(("vm(@10\\.0\\.0\\.[12](:[12])?){0,3}", 1..3_u8), 1..12)) {
            let mut labels: Vec<_> = (1..).zip(&slaves).map(|(port, (name, last))| {
                SlaveLabel::new(name.clone(), SocketAddr::from(([10, 0, 0, *last], port)))
            }).collect();
            tell_apart(&mut labels.iter_mut().collect::<Vec<_>>());
            let different: BTreeSet<_> = labels.iter().map(|label| &label.shown).collect();
            prop_assert_eq!(different.len(), labels.len());
        }
    }

    #[test]
    fn a_name_that_looks_like_another_slave_is_told_apart_too() {
        let (all, equal) = shown(&[("vm", "10.0.0.1:1"), ("vm", "10.0.0.2:1"), ("vm@10.0.0.1", "10.0.0.3:1")]);
        assert_eq!(all, ["vm@10.0.0.1:1", "vm@10.0.0.2", "vm@10.0.0.1@10.0.0.3"]);
        assert_eq!(equal, 2);
    }
}
