//! Makes the man pages, and the completions for bash, zsh and fish, from the command lines of both programs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

/// Shells that get completions.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// A file that this crate makes.
#[derive(Debug, PartialEq, Eq)]
pub struct Made {
    /// Path of the file, relative to the root of the repository.
    pub path: PathBuf,
    /// Content of the file.
    pub content: Vec<u8>,
}

/// Path of the root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Makes all files.
///
/// # Errors
/// Writing to memory fails, which does not happen.
pub fn files() -> io::Result<Vec<Made>> {
    let programs = [synexec_master::options::Options::command(), synexec_slave::options::Options::command()];
    let mut files = Vec::new();
    for mut program in programs {
        program = program.disable_help_subcommand(true);
        files.push(man_page(&program)?);
        files.extend(SHELLS.map(|shell| completion(&mut program, shell)));
    }
    Ok(files)
}

/// Writes all files into the repository.
///
/// # Errors
/// A directory or file cannot be written.
pub fn write(root: &Path) -> Result<()> {
    for Made { path, content } in files()? {
        let path = root.join(path);
        let directory = path.parent().context("a path without a directory")?;
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        fs::write(&path, content).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn man_page(program: &Command) -> io::Result<Made> {
    let mut content = Vec::new();
    Man::new(program.clone()).render(&mut content)?;
    Ok(Made { path: format!("dist/manual/{}.1", program.get_name()).into(), content })
}

fn completion(program: &mut Command, shell: Shell) -> Made {
    let name = program.get_name().to_owned();
    let mut content = Vec::new();
    clap_complete::generate(shell, program, &name, &mut content);
    let file = match shell {
        Shell::Zsh => format!("_{name}"),
        Shell::Fish => format!("{name}.fish"),
        _ => name,
    };
    Made { path: format!("dist/completions/{shell}/{file}").into(), content }
}
