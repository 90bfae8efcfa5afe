//! The guide describes the same command lines as the programs' help.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use synexec_tests::programs;

const GUIDE: &str = include_str!("../../docs/guide.md");

/// `-x` or `--word`, wherever a word of the text begins with one.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| c.is_whitespace() || ",[]()`".contains(c));
    let flag = |word: &str| word.trim_end_matches(['.', ';', ':', '\'']).to_owned();
    words.filter(|word| word.starts_with('-') && word.len() > 1).map(flag).collect()
}

fn both() -> [(&'static str, &'static Path); 2] {
    [("synexec_master", programs::master()), ("synexec_slave", programs::slave())]
}

fn help(program: &Path, flag: &str) -> Result<String> {
    let output = Command::new(program).arg(flag).output()?;
    assert!(output.status.success());
    Ok(String::from_utf8(output.stdout)?)
}

/// The flags in lines of a help text or a usage block that name an option.
fn options(text: &str) -> BTreeSet<String> {
    let named = text.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    named.flat_map(|line| flags(line.split("  ").next().unwrap_or_default())).collect()
}

fn section(program: &str) -> Result<&'static str> {
    let (_, rest) =
        GUIDE.split_once(&format!("\n## `{program}`\n")).context("the guide has no section for the program")?;
    Ok(rest.split("\n## ").next().unwrap_or(rest))
}

fn usage_block(program: &str) -> Result<&'static str> {
    section(program)?.split("```").nth(1).context("a usage block")
}

/// The text without its line breaks, which depend on the width of the terminal.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn every_flag_of_the_help_is_in_the_guide_and_the_other_way_round() -> Result<()> {
    for (name, program) in both() {
        let dashes = |flags: BTreeSet<String>| -> BTreeSet<String> {
            flags.into_iter().map(|flag| flag.trim_end_matches("...").to_owned()).collect()
        };
        let told = dashes(options(&help(program, "--help")?));
        assert!(told.len() > 15, "{told:?}");
        assert_eq!(told, dashes(options(usage_block(name)?)), "{name}");
        for flag in flags(section(name)?.split("```").nth(2).unwrap_or_default()) {
            assert!(told.contains(&flag), "the guide names {flag}, which {name} does not have");
        }
    }
    Ok(())
}

#[test]
fn the_usage_block_is_the_short_help() -> Result<()> {
    for (name, program) in both() {
        let help = help(program, "-h")?;
        let from_usage = help.find("Usage:").and_then(|at| help.get(at..)).context("a usage line")?;
        assert_eq!(words(from_usage), words(usage_block(name)?), "put the output of `{name} -h` into docs/guide.md");
    }
    Ok(())
}

#[test]
fn every_exit_status_of_the_guide_is_in_the_help() -> Result<()> {
    for ((name, program), at_least) in both().into_iter().zip([9, 6]) {
        let help = help(program, "--help")?;
        let (_, statuses) = help.split_once("Exit status:").context("exit statuses")?;
        let statuses = statuses.split("Usage").next().unwrap_or_default().replace('\n', " ");
        let in_help = |number: &str| statuses.split([' ', ';', ',']).any(|word| word == number);
        let table = section(name)?.split("| exit status").nth(1).context("a table")?;
        let in_table: Vec<&str> = table
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
            .flat_map(|cell| cell.split(", "))
            .filter(|cell| cell.parse::<u8>().is_ok())
            .collect();
        assert!(in_table.len() >= at_least, "{in_table:?}");
        assert!(in_table.iter().all(|number| in_help(number)), "{in_table:?} are not all in: {statuses}");
    }
    Ok(())
}
