//! Writes man pages and completions into the repository: `cargo run -p synexec-manual`.

fn main() -> anyhow::Result<()> {
    synexec_manual::write(&synexec_manual::root())
}
