//! Sets of names, folded as people write them: `web[1-12,14],db1`.

use std::collections::BTreeMap;

use thiserror::Error;

/// Most names that one pattern may stand for.
const NAMES_MAX: usize = 100_000;

/// Why a pattern is no set of names.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// A bracket without its other half.
    #[error("`{0}` has a bracket too many or without its other half; write sets of names as in `web[1-12,14],db1`")]
    Bracket(String),
    /// What is between brackets is no list of numbers.
    #[error("`{0}` is no range of numbers; write them as in `web[1-12,14]`")]
    Range(String),
    /// It is too large a set.
    #[error("a pattern stands for at most {NAMES_MAX} names")]
    TooMany,
}

/// A name as text, a number, and text. Leading zeros make another family: `a01` is none of `a[1-2]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Family {
    before: String,
    after: String,
    /// Digits that the number is padded to; zero where it is not.
    padded_to: usize,
}

/// Folds names, each told once, in the order of their families and numbers.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut families: BTreeMap<Family, Vec<u64>> = BTreeMap::new();
    let mut plain: Vec<&str> = Vec::new();
    for name in names {
        match split(name) {
            Some((family, number)) => families.entry(family).or_default().push(number),
            None => plain.push(name),
        }
    }
    plain.sort_unstable();
    plain.dedup();
    join_padded(&mut families);
    families.retain(|_, numbers| !numbers.is_empty());
    let folded = families.into_iter().map(|(family, numbers)| family.show(numbers));
    plain.into_iter().map(str::to_owned).chain(folded).collect::<Vec<_>>().join(",")
}

/// Numbers that fill the digits of a padded family belong to it: `n08,n09,n10` is `n[08-10]`.
fn join_padded(families: &mut BTreeMap<Family, Vec<u64>>) {
    let padded: Vec<Family> = families.keys().filter(|family| family.padded_to > 0).cloned().collect();
    for family in padded {
        let Some(unpadded) = families.get_mut(&Family { padded_to: 0, ..family.clone() }) else { continue };
        let fills = |number: &mut u64| number.to_string().len() == family.padded_to;
        let joined: Vec<u64> = unpadded.extract_if(.., fills).collect();
        families.entry(family).or_default().extend(joined);
    }
}

/// The names that a pattern stands for.
///
/// # Errors
/// [`PatternError`].
pub fn unfold(pattern: &str) -> Result<Vec<String>, PatternError> {
    let mut names = Vec::new();
    for part in split_at_commas(pattern)? {
        unfold_one(part, &mut names)?;
    }
    Ok(names)
}

impl Family {
    fn show(&self, mut numbers: Vec<u64>) -> String {
        numbers.sort_unstable();
        numbers.dedup();
        let write = |number: u64| format!("{number:0width$}", width = self.padded_to);
        let runs: Vec<String> = runs(&numbers)
            .map(|(first, last)| if first == last { write(first) } else { format!("{}-{}", write(first), write(last)) })
            .collect();
        let Self { before, after, .. } = self;
        match &numbers[..] {
            [one] => format!("{before}{}{after}", write(*one)),
            _ => format!("{before}[{}]{after}", runs.join(",")),
        }
    }
}

/// First and last of each run of numbers that follow one another.
fn runs(numbers: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    numbers.chunk_by(|one, next| *next == one + 1).filter_map(|run| Some((*run.first()?, *run.last()?)))
}

/// The number that tells a host from its neighbours: the last one of an address, and of a name the last one of its first
/// label.
fn split(name: &str) -> Option<(Family, u64)> {
    let is_address = name.parse::<std::net::Ipv4Addr>().is_ok();
    let label = if is_address { name.len() } else { name.find('.').unwrap_or(name.len()) };
    let end = name.get(..label)?.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = name.get(..end)?.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + char_length(name, at));
    let digits = name.get(start..end)?;
    let padded_to = if digits.len() > 1 && digits.starts_with('0') { digits.len() } else { 0 };
    let family = Family { before: name.get(..start)?.to_owned(), after: name.get(end..)?.to_owned(), padded_to };
    // One that is too large to be a number is a plain name.
    Some((family, digits.parse().ok().filter(|number| *number < u64::MAX)?))
}

fn char_length(name: &str, at: usize) -> usize {
    name.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

fn split_at_commas(pattern: &str) -> Result<Vec<&str>, PatternError> {
    let mut is_inside = false;
    let parts: Vec<_> = pattern
        .split(|c| {
            is_inside = (is_inside || c == '[') && c != ']';
            c == ',' && !is_inside
        })
        .filter(|part| !part.is_empty())
        .collect();
    if is_inside { Err(PatternError::Bracket(pattern.to_owned())) } else { Ok(parts) }
}

fn unfold_one(part: &str, names: &mut Vec<String>) -> Result<(), PatternError> {
    let Some((before, rest)) = part.split_once('[') else {
        if part.contains(']') {
            return Err(PatternError::Bracket(part.to_owned()));
        }
        return push(names, part.to_owned());
    };
    let wrong = || PatternError::Bracket(part.to_owned());
    let (ranges, after) = rest.split_once(']').ok_or_else(wrong)?;
    if after.contains(['[', ']']) {
        return Err(wrong());
    }
    for range in ranges.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let wrong = || PatternError::Range(range.to_owned());
        let numbers = number(first).ok_or_else(wrong)?..=number(last).ok_or_else(wrong)?;
        if numbers.is_empty() {
            return Err(wrong());
        }
        let width = if first.starts_with('0') { first.len() } else { 0 };
        for number in numbers {
            push(names, format!("{before}{number:0width$}{after}"))?;
        }
    }
    Ok(())
}

fn number(digits: &str) -> Option<u64> {
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn push(names: &mut Vec<String>, name: String) -> Result<(), PatternError> {
    if names.len() >= NAMES_MAX {
        return Err(PatternError::TooMany);
    }
    names.push(name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_folded() {
        for (names, folded) in [
            (&["web2", "web1", "web3", "web14", "web12"][..], "web[1-3,12,14]"),
            (&["web1"], "web1"),
            (&["web1", "db1", "vm"], "vm,db1,web1"),
            (&["n08", "n09", "n10", "n9"], "n9,n[08-10]"),
            (&["10.0.0.7", "10.0.0.8"], "10.0.0.[7-8]"),
            (&["web1.dc2.example", "web2.dc2.example"], "web[1-2].dc2.example"),
            (&["vm1", "vm1", "vm"], "vm,vm1"),
            (&["9999999999999999999999"], "9999999999999999999999"),
            (&["é1", "é2"], "é[1-2]"),
            (&[], ""),
        ] {
            assert_eq!(fold(names.iter().copied()), folded);
        }
    }

    #[test]
    fn what_was_folded_unfolds_to_the_same() {
        let names = ["db1", "n08", "n09", "n10", "web1", "web2", "web14"];
        let mut unfolded = unfold(&fold(names)).unwrap();
        unfolded.sort();
        assert_eq!(unfolded, ["db1", "n08", "n09", "n10", "web1", "web14", "web2"]);
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        assert_eq!(unfold("web[1-2").unwrap_err(), PatternError::Bracket("web[1-2".into()));
        for pattern in ["web]1", "a[1-2]b[3-4]", "a[1]]"] {
            assert!(matches!(unfold(pattern), Err(PatternError::Bracket(_))), "{pattern}");
        }
        for range in ["web[]", "web[2-1]", "web[a]", "web[+1]", "web[1-]"] {
            assert!(matches!(unfold(range), Err(PatternError::Range(_))), "{range}");
        }
        assert_eq!(unfold("web[1-99999999999]"), Err(PatternError::TooMany));
    }
}
