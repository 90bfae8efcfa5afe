//! What a user may install beside the programs: man pages, and completions for bash, zsh and fish, all made from the
//! programs' command lines.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

/// Shells that completions are made for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// A file that is made.
#[derive(Debug, PartialEq, Eq)]
pub struct Made {
    /// Where it belongs, from the root of the repository.
    pub path: PathBuf,
    /// What is in it.
    pub content: Vec<u8>,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files, as they should be.
///
/// # Errors
/// None that happens: it is memory that they are written to.
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

/// Writes all files to where they belong.
///
/// # Errors
/// Those of the files.
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
