//! What is in the repository is what the programs' command lines say.

use std::fs;

#[test]
fn man_pages_and_completions_are_current() {
    for made in synexec_manual::files().unwrap() {
        let there = fs::read(synexec_manual::root().join(&made.path)).unwrap_or_default();
        let is_current = String::from_utf8_lossy(&there) == String::from_utf8_lossy(&made.content);
        assert!(is_current, "{} is not current: cargo run -p synexec-manual", made.path.display());
    }
}
