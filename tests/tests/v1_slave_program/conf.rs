//! The conf, as its sender sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result};
use synexec_tests::v1::{Command, Master};

use crate::pair;

/// A task that prints its arguments, each in brackets on a line.
const SHOW: &str = "for word; do printf '[%s]\\n' \"$word\"; done\n";

/// The longest conf that one message of version 1 can hold.
const LONGEST: usize = 65_535;

fn output_of(conf: &[u8]) -> Result<Vec<u8>> {
    let (master, slave) = pair()?;
    master.run(conf)?;
    slave.output()
}

fn words_of(line: &str) -> Result<String> {
    Ok(String::from_utf8(output_of(format!("/bin/sh :CONF: {line}\n{SHOW}").as_bytes())?)?)
}

fn ensure_declined(master: &Master, conf: &[u8]) -> Result<()> {
    let mut peer = master.accept_slave()?;
    peer.send(Command::Conf, conf)?;
    peer.expect(Command::ConfNo).with_context(|| format!("the conf {:?}", conf.escape_ascii().to_string()))?;
    peer.probe()?;
    peer.send(Command::Exec, &[])?;
    peer.expect(Command::ExecNo).context("EXEC of a declined conf")
}

#[test]
fn words_are_split_at_white_space() -> Result<()> {
    let words = words_of("a  b\tc\rd\x0ce\x0bf \t\r g\t")?;
    assert_eq!(words, "[a]\n[b]\n[c]\n[d]\n[e]\n[f]\n[g]\n");
    Ok(())
}

#[test]
fn nothing_quotes() -> Result<()> {
    let words = words_of(r#""a b" 'c d' e\ f $HOME * #g"#)?;
    assert_eq!(words, "[\"a]\n[b\"]\n['c]\n[d']\n[e\\]\n[f]\n[$HOME]\n[*]\n[#g]\n");
    Ok(())
}

#[test]
fn a_carriage_return_at_the_end_of_the_line_is_white_space() -> Result<()> {
    assert_eq!(output_of(b"/bin/echo one two\r\n")?, b"one two\n");
    Ok(())
}

#[test]
fn white_space_may_come_first() -> Result<()> {
    assert_eq!(output_of(b" \t/bin/echo one\n")?, b"one\n");
    Ok(())
}

#[test]
fn only_the_exact_word_becomes_the_payload_path() -> Result<()> {
    let words = words_of(":CONF:x x:CONF: :conf: :CONF :CONF: :CONF::CONF: :CONF:")?;
    let (before, rest) = words.split_once("[/").with_context(|| words.clone())?;
    let (path, rest) = rest.split_once("]\n").with_context(|| words.clone())?;
    assert_eq!(before, "[:CONF:x]\n[x:CONF:]\n[:conf:]\n[:CONF]\n");
    assert_eq!(rest, format!("[:CONF::CONF:]\n[/{path}]\n"));
    Ok(())
}

#[test]
fn the_program_is_called_by_its_name_alone() -> Result<()> {
    assert_eq!(output_of(b"/bin/cat /proc/self/cmdline\n")?, b"cat\0/proc/self/cmdline\0");
    assert_eq!(output_of(b"/bin/..//bin/cat /proc/self/cmdline\n")?, b"cat\0/proc/self/cmdline\0");
    Ok(())
}

#[test]
fn the_payload_is_written_as_it_is() -> Result<()> {
    let payload: Vec<u8> = (0..=255).chain(*b"\n\n\r\n:CONF:\n").collect();
    let conf = [b"/bin/cat :CONF:\n", &payload[..]].concat();
    assert_eq!(output_of(&conf)?, payload);
    Ok(())
}

#[test]
fn the_longest_conf_is_whole() -> Result<()> {
    let line = b"/usr/bin/wc -c :CONF:\n";
    let conf = [&line[..], &vec![b'x'; LONGEST - line.len()]].concat();
    let output = String::from_utf8(output_of(&conf)?)?;
    let count = output.split_whitespace().next().context("wc said nothing")?;
    assert_eq!(count, (LONGEST - line.len()).to_string());
    Ok(())
}

#[test]
fn one_line_has_no_payload() -> Result<()> {
    for conf in ["/usr/bin/env", "/usr/bin/env\n"] {
        let (master, slave) = pair()?;
        master.run(conf.as_bytes())?;
        let environment = String::from_utf8(slave.output()?)?;
        assert!(!environment.contains("SYNEXEC_CONF=/"), "{conf:?} has a payload:\n{environment}");
        assert!(environment.contains("SYNEXEC_SESSION="), "the output is not the environment:\n{environment}");
    }
    Ok(())
}

#[test]
fn an_empty_line_after_the_first_is_a_payload() -> Result<()> {
    assert_eq!(output_of(b"/bin/cat :CONF:\n\n")?, b"\n");
    Ok(())
}

#[test]
fn a_payload_may_be_the_program() -> Result<()> {
    assert_eq!(output_of(b":CONF:\n#!/bin/sh\necho hello\n")?, b"hello\n");
    Ok(())
}

#[test]
fn output_and_errors_go_to_one_file_and_input_is_empty() -> Result<()> {
    let output = output_of(b"/bin/sh :CONF:\necho out\necho err >&2\ncat\necho end\n")?;
    assert_eq!(output, b"out\nerr\nend\n");
    Ok(())
}

#[test]
fn confs_without_a_program_are_declined() -> Result<()> {
    let (master, slave) = pair()?;
    for conf in ["", "\n", "\n/bin/true\n", " \t\n/bin/true\n", "true\n", "sh -c /bin/true\n", ":CONF:x\necho\n"] {
        ensure_declined(&master, conf.as_bytes())?;
    }
    for conf in ["/\n", "/bin/\n", "/bin/true/\n", "/usr/bin\n", "/no/such/program\n", "/etc/passwd\n"] {
        ensure_declined(&master, conf.as_bytes())?;
    }
    assert!(!slave.output_path().exists() || slave.output()?.is_empty(), "a task ran");
    Ok(())
}

#[test]
fn a_program_that_may_not_be_executed_is_declined() -> Result<()> {
    let (master, slave) = pair()?;
    let program = slave.work_dir().join("program");
    fs::write(&program, "#!/bin/sh\necho hello\n")?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644))?;
    let conf = format!("{}\n", program.display());
    ensure_declined(&master, conf.as_bytes())?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    master.run(conf.as_bytes())?;
    slave.expect_output("hello\n")
}
