//! The project's target figures: `cargo bench -p synexec-tests --bench figures`, as root (it makes network and time
//! namespaces).
//! Prints a table and writes it as JSON. It reports and asserts nothing; names as arguments choose parts: `skew`,
//! `quick`, `conf`, `outputs`, `page` (which needs Chromium).

mod conf_copy;
mod copies;
mod floor;
mod guests;
mod naive;
mod one_host;
mod ours;
mod outputs;
mod page;
mod quick;
mod results;
mod skew;
mod stamp;

use std::env;

use anyhow::Result;

use results::Results;

fn main() -> Result<()> {
    let parts: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    synexec_host::limits::raise_open_files();
    let dir = tempfile::tempdir()?;
    let program = stamp::build(dir.path())?;
    let mut results = Results::default();
    if is_wanted("skew") {
        skew::run(&program, &mut results)?;
    }
    if is_wanted("quick") {
        quick::run(&program, &mut results)?;
    }
    if is_wanted("conf") {
        conf_copy::run(&mut results)?;
    }
    if is_wanted("outputs") {
        outputs::run(&mut results)?;
    }
    if is_wanted("page") {
        page::run(&mut results)?;
    }
    results.write()
}
