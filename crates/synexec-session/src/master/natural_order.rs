//! The natural order of names: numbers in names count as numbers, so that `web2` comes before `web10`.

use std::cmp::Ordering;

/// Compares two names in natural order. A number comes before any other character. Names that differ only in leading
/// zeros are ordered as texts, so that only equal names compare as equal.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    Parts(one).cmp(Parts(other)).then_with(|| one.cmp(other))
}

/// A part of a name. The variants are in their order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    /// A number of any size: the count of its digits without leading zeros, and these digits.
    Number(usize, &'a str),
    Character(char),
}

/// The parts of the rest of a name.
struct Parts<'a>(&'a str);

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let first = self.0.chars().next()?;
        if !first.is_ascii_digit() {
            self.0 = self.0.get(first.len_utf8()..)?;
            return Some(Part::Character(first));
        }
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (number, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        let digits = number.trim_start_matches('0');
        Some(Part::Number(digits.len(), digits))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let ordered = [
            "",
            "7",
            "007up",
            "10",
            "99999999999999999999998",
            "99999999999999999999999",
            "a",
            "a1b2",
            "a1b10",
            "a2",
            "web",
            "web1",
            "web01",
            "web2",
            "web10",
            "web10.dc1",
            "web10.dc2",
            "web-1",
            "web-x",
            "é1",
        ];
        for pair in ordered.windows(2) {
            let expected = if pair == ["web1", "web01"] { Ordering::Greater } else { Ordering::Less };
            assert_eq!(compare(pair[0], pair[1]), expected, "{pair:?}");
        }
    }

    /// Names with many digits and zeros, so that some differ only in those.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![3 => "[a0-2é]{0,6}", 1 => any::<String>()]
    }

    proptest! {
        #[test]
        fn it_is_a_total_order(one in name(), two in name(), three in name()) {
            prop_assert_eq!(compare(&one, &two), compare(&two, &one).reverse());
            prop_assert_eq!(compare(&one, &two) == Ordering::Equal, one == two);
            let mut names = [one, two, three];
            names.sort_by(|one, other| compare(one, other));
            prop_assert!(compare(&names[0], &names[2]).is_le(), "not transitive: {:?}", names);
        }

        #[test]
        fn smaller_numbers_come_first(before in "[a-z]{0,3}", one: u64, two: u64, zeros in "0{0,3}") {
            let (first, second) = (format!("{before}{zeros}{one}"), format!("{before}{two}"));
            if one != two {
                prop_assert_eq!(compare(&first, &second), one.cmp(&two));
            }
        }
    }
}
