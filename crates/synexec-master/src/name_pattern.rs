//! Patterns for sets of names, as people write them: `web[1-12,14],db1`.

use std::collections::BTreeMap;

use thiserror::Error;

/// Most names of one pattern.
const NAMES_MAX: usize = 100_000;

/// A pattern that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// A bracket has no other half, or there is a second pair of brackets.
    #[error(
        "`{0}` has an unmatched bracket or a second pair of brackets; write a set of names like `web[1-12,14],db1`"
    )]
    Bracket(String),
    /// The text between the brackets is not a list of numbers and ranges.
    #[error("`{0}` is not a range of numbers; write ranges like `web[1-12,14]`")]
    Range(String),
    /// The set is too large.
    #[error("a pattern may stand for at most {NAMES_MAX} names")]
    TooMany,
}

/// Names that differ only in one number. Names with leading zeros are a family of their own: `a01` is not in `a[1-2]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Family {
    before: String,
    after: String,
    /// Number of digits, if the number has leading zeros; otherwise zero.
    padded_to: usize,
}

/// Folds names into a pattern, in the order of families and numbers. Equal names occur once.
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

/// Moves numbers that have as many digits as a padded family into this family: `n08,n09,n10` is `n[08-10]`.
fn join_padded(families: &mut BTreeMap<Family, Vec<u64>>) {
    let padded: Vec<Family> = families.keys().filter(|family| family.padded_to > 0).cloned().collect();
    for family in padded {
        let Some(unpadded) = families.get_mut(&Family { padded_to: 0, ..family.clone() }) else { continue };
        let fills = |number: &mut u64| number.to_string().len() == family.padded_to;
        let joined: Vec<u64> = unpadded.extract_if(.., fills).collect();
        families.entry(family).or_default().extend(joined);
    }
}

/// All names of a pattern.
///
/// # Errors
/// [`PatternError`]: the pattern is wrong or stands for too many names.
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

/// First and last number of each run of consecutive numbers.
fn runs(numbers: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    numbers.chunk_by(|one, next| *next == one + 1).filter_map(|run| Some((*run.first()?, *run.last()?)))
}

/// Splits a name at the number that distinguishes the host from its neighbours: the last number of an address, or the
/// last number in the first label of a name.
fn split(name: &str) -> Option<(Family, u64)> {
    let is_address = name.parse::<std::net::Ipv4Addr>().is_ok();
    let label = if is_address { name.len() } else { name.find('.').unwrap_or(name.len()) };
    let end = name.get(..label)?.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = name.get(..end)?.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + char_length(name, at));
    let digits = name.get(start..end)?;
    let padded_to = if digits.len() > 1 && digits.starts_with('0') { digits.len() } else { 0 };
    let family = Family { before: name.get(..start)?.to_owned(), after: name.get(end..)?.to_owned(), padded_to };
    // A number that is too large counts as text.
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
    fn a_folded_set_unfolds_to_itself() {
        let names = ["db1", "n08", "n09", "n10", "web1", "web2", "web14"];
        let mut unfolded = unfold(&fold(names)).unwrap();
        unfolded.sort();
        assert_eq!(unfolded, ["db1", "n08", "n09", "n10", "web1", "web14", "web2"]);
    }

    #[test]
    fn a_wrong_pattern_is_an_error() {
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
