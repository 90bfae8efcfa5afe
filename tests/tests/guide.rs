//! What the README says of the command lines is what the programs say of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use synexec_tests::programs;

const README: &str = include_str!("../../README.md");

/// `-x` or `--word`, wherever a word of the text begins with one.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| c.is_whitespace() || ",[]()".contains(c));
    let flag = |word: &str| word.trim_end_matches(['.', ';', ':', '\'']).to_owned();
    words.filter(|word| word.starts_with('-') && word.len() > 1).map(flag).collect()
}

fn help(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--help").output()?;
    assert!(output.status.success());
    Ok(String::from_utf8(output.stdout)?)
}

/// The lines of a help text or a usage block that name an option.
fn options(text: &str) -> BTreeSet<String> {
    let named = text.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    named
        .flat_map(|line| flags(line.split("  ").next().unwrap_or_default()).into_iter().chain(trailing(line)))
        .collect()
}

/// The README has `-h, --help    -V, --version` in one line.
fn trailing(line: &str) -> BTreeSet<String> {
    if line.contains("-V, --version") { flags(line) } else { BTreeSet::new() }
}

fn section(program: &str) -> Result<&'static str> {
    let (_, rest) = README.split_once(&format!("\n## `{program}`\n")).context("a section for the program")?;
    Ok(rest.split("\n## ").next().unwrap_or(rest))
}

fn usage_block(program: &str) -> Result<&'static str> {
    section(program)?.split("```").nth(1).context("a usage block")
}

#[test]
fn every_flag_of_the_help_is_in_the_readme_and_the_other_way_round() -> Result<()> {
    for (name, program) in [("synexec_master", programs::master()), ("synexec_slave", programs::slave())] {
        let dashes = |flags: BTreeSet<String>| -> BTreeSet<String> {
            flags.into_iter().map(|flag| flag.trim_end_matches("...").to_owned()).collect()
        };
        let told = dashes(options(&help(program)?));
        assert!(told.len() > 15, "{told:?}");
        assert_eq!(told, dashes(options(usage_block(name)?)), "{name}");
        for flag in flags(section(name)?.split("```").nth(2).unwrap_or_default()) {
            assert!(told.contains(&flag), "the README speaks of {flag}, which {name} does not have");
        }
    }
    Ok(())
}

#[test]
fn every_exit_status_of_the_help_is_in_the_readme() -> Result<()> {
    let help = help(programs::master())?;
    let (_, statuses) = help.split_once("Exit status:").context("exit statuses")?;
    let statuses = statuses.split("Usage").next().unwrap_or_default().replace('\n', " ");
    let in_help = |number: &str| statuses.split([' ', ';', ',']).any(|word| word == number);
    let table = section("synexec_master")?.split("| exit status").nth(1).context("a table")?;
    let in_table: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .flat_map(|cell| cell.split(", "))
        .filter(|cell| cell.parse::<u8>().is_ok())
        .collect();
    assert!(in_table.len() >= 9, "{in_table:?}");
    assert!(in_table.iter().all(|number| in_help(number)), "{in_table:?} are not all in: {statuses}");
    Ok(())
}
