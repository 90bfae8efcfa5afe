//! The names of files and directories with outputs: `RANK-NAME.out`, `RANK-NAME.err`, and `round-K` for each of several
//! rounds. A file that is unfinished or has only the beginning of an output has a further suffix.

/// Most bytes of a slave's name in the name of a file. Linux allows 255 bytes for the whole; the rank makes it unique.
const NAME_MAX: usize = 180;

/// Suffix of an unfinished file.
pub const UNFINISHED: &str = ".part";

/// Suffix of a file with the first bytes of an output that was cut.
pub const CUT: &str = ".cut";

/// A slave's name as part of a file's name. Characters that mean a directory, or something to a shell, become `_`.
pub fn file_name(name: &str) -> String {
    let fitting = name.char_indices().take_while(|(at, c)| at + c.len_utf8() <= NAME_MAX);
    fitting.map(|(_, c)| if is_safe(c) { c } else { '_' }).collect()
}

/// Whether this is the name of a file with an output, whole or not.
pub fn is_output(file: &str) -> bool {
    let file = [UNFINISHED, CUT].iter().find_map(|suffix| file.strip_suffix(suffix)).unwrap_or(file);
    let stem = file.strip_suffix(".out").or_else(|| file.strip_suffix(".err"));
    let parts = stem.and_then(|stem| stem.split_once('-'));
    parts.is_some_and(|(rank, name)| is_number(rank) && name.len() <= NAME_MAX && name.chars().all(is_safe))
}

/// Whether this is the name of a directory with the outputs of a round.
pub fn is_round(directory: &str) -> bool {
    directory.strip_prefix("round-").is_some_and(|round| is_number(round) && round != "0")
}

/// Whether the text is a number as the program writes it.
fn is_number(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|number| number.to_string() == text)
}

fn is_safe(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_any_slave_is_recognised() {
        let long = "漢".repeat(500);
        for name in ["web1", "", "a/b c", "..", "-", "web1@10.0.0.7:40000", "é\u{301}", "x.out", "\0\u{1b}[2J", &long]
        {
            for suffix in ["out", "err", "out.part", "err.part", "out.cut", "err.cut"] {
                for rank in [0, 7, u32::MAX] {
                    let file = format!("{rank}-{}.{suffix}", file_name(name));
                    assert!(is_output(&file), "{file}");
                }
            }
        }
        assert!(is_round("round-1") && is_round(&format!("round-{}", u32::MAX)));
    }

    #[test]
    fn no_other_file_is_taken_for_an_output() {
        for file in [
            "notes.out",
            "0.out",
            "-web1.out",
            "00-web1.out",
            "+1-web1.out",
            "4294967296-web1.out",
            "1-web 1.out",
            "1-web1.out.old",
            "1-web1.outx",
            "1-web1",
            "1-web1.txt",
            "1-web1.part",
            "1-web1.cut",
            "1-web1.out.part.cut",
            "x1-web1.out",
            "1-a/b.out",
            "",
        ] {
            assert!(!is_output(file), "{file}");
        }
        assert!(!is_output(&format!("1-{}.out", "x".repeat(NAME_MAX + 1))));
        for directory in ["round", "round-", "round-0", "round-01", "round-x", "rounds-1", "round-1.old", "Round-1"] {
            assert!(!is_round(directory), "{directory}");
        }
    }
}
