//! The two programs under test, built on first use, so that plain `cargo test --workspace` is enough.

use std::collections::HashMap;
use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};
use escargot::CargoBuild;
use escargot::format::Message;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");

/// Path of `synexec_master`.
///
/// # Panics
///
/// Panics with cargo's output if the programs do not build.
pub fn master() -> &'static Path {
    program("synexec_master")
}

/// Path of `synexec_slave`.
///
/// # Panics
///
/// Panics with cargo's output if the programs do not build.
pub fn slave() -> &'static Path {
    program("synexec_slave")
}

#[expect(clippy::panic, reason = "no test can run without the programs")]
fn program(name: &str) -> &'static Path {
    static BUILT: OnceLock<Result<HashMap<String, PathBuf>>> = OnceLock::new();
    match BUILT.get_or_init(build) {
        Ok(programs) => programs.get(name).unwrap_or_else(|| panic!("cargo built no program called {name}")),
        Err(error) => panic!("the programs under test do not build: {error:?}"),
    }
}

/// Builds both in one call, beside the running test, and returns them by name.
fn build() -> Result<HashMap<String, PathBuf>> {
    let mut programs = HashMap::new();
    let mut said = String::new();
    for message in cargo()?.exec()? {
        let message = match message {
            Ok(message) => message,
            Err(error) => bail!("{error}\n{said}"),
        };
        match message.decode()? {
            Message::CompilerArtifact(artifact) => {
                programs.extend(artifact.executable.map(|path| (artifact.target.name.into_owned(), path.into_owned())));
            }
            Message::CompilerMessage(told) => {
                writeln!(said, "{}", told.message.rendered.unwrap_or_default())?;
            }
            _ => {}
        }
    }
    Ok(programs)
}

fn cargo() -> Result<CargoBuild> {
    let build = CargoBuild::new()
        .manifest_path(WORKSPACE)
        .package("synexec-master")
        .package("synexec-slave")
        .bins()
        .current_release();
    Ok(match target_dir()? {
        Some(directory) => build.target_dir(directory),
        None => build,
    })
}

/// The target directory the running test lies in, as `TARGET/PROFILE/deps/TEST`; none for a test copied elsewhere.
fn target_dir() -> Result<Option<PathBuf>> {
    let test = env::current_exe().context("where does this test lie?")?;
    let deps = test.parent().filter(|parent| parent.ends_with("deps"));
    Ok(deps.and_then(|deps| deps.ancestors().nth(2)).map(Path::to_owned))
}
