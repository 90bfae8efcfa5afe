//! `--check`: the command that a conf would run, and its likely mistakes.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use synexec_proto::conf::{CommandLine, ShellSign};
use synexec_proto::text::plain_line;
use synexec_proto::variables::Variables;

use crate::conf_file::ConfFile;
use crate::units::count;

/// The path of the payload on a slave, as an example.
const PAYLOAD: &str = "/tmp/synexec_slave_conf.PID";

/// The command that the conf would run with these variables, as text for a terminal.
pub fn show(path: &Path, conf: &ConfFile, variables: &Variables) -> String {
    let payload = Path::new(PAYLOAD);
    let command_line = conf.command_line();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "conf     {}: {}", plain_line(&path.display().to_string()), count(conf.length(), "byte"));
    let _ = writeln!(text, "program  {}", readable(command_line.program(payload).as_os_str()));
    for (number, argument) in command_line.arguments(payload).iter().enumerate() {
        let _ = writeln!(text, "argv[{number}]  {}", readable(argument));
    }
    let _ = writeln!(text, "payload  {}", payload_text(conf));
    for variable in variables.iter() {
        let _ = writeln!(text, "env      {}", readable(OsStr::new(&variable.to_text())));
    }
    text
}

/// The likely mistakes, each in one line.
pub fn warnings(conf: &ConfFile) -> Vec<String> {
    let command_line = conf.command_line();
    let (has_payload, names_payload) = (conf.payload_length() > 0, command_line.names_payload());
    let findings = [
        (
            command_line.is_relative(),
            "the path of the program is relative: it starts at the directory in which each slave was started (`/` for \
             a daemon); use an absolute path",
        ),
        (
            names_payload && !has_payload,
            "`:CONF:` stands for the path of the payload, but nothing follows the first line: slaves decline this conf",
        ),
        (
            has_payload && !names_payload,
            "the conf has a payload, but the first line has no word `:CONF:`; the program finds the payload only \
             through the environment variable SYNEXEC_CONF",
        ),
        (
            conf.has_carriage_returns(),
            "the lines of the payload end with a carriage return (`\\r`, a Windows line end), which a shell takes for a \
             part of the last word of each line; remove the carriage returns, as with `sed -i 's/\\r$//'`",
        ),
        (
            conf.payload_has_mark(),
            "the payload begins with a byte order mark (BOM), which a shell takes for a part of the first word; save \
             the file as UTF-8 without a byte order mark",
        ),
    ];
    let findings = findings.into_iter().filter(|(is_so, _)| *is_so).map(|(_, warning)| warning.to_owned());
    shell_signs(command_line).into_iter().chain(findings).collect()
}

/// A warning of characters that the user probably meant for a shell.
fn shell_signs(command_line: &CommandLine) -> Option<String> {
    let shown = |sign| match sign {
        ShellSign::Quote => "quotes".to_owned(),
        ShellSign::Character(sign) => format!("`{sign}`"),
    };
    let mut signs: Vec<_> = command_line.shell_signs().into_iter().map(shown).collect();
    let last = signs.pop()?;
    let signs = if signs.is_empty() { last } else { format!("{} and {last}", signs.join(", ")) };
    Some(format!(
        "the command line has {signs}, but no shell reads it: the program gets these characters as they are; write the \
         command into the payload, and make `/bin/sh :CONF:` the first line"
    ))
}

/// A word as plain text, since a conf must not control the terminal.
fn readable(word: &OsStr) -> String {
    plain_line(&word.to_string_lossy()).into_owned()
}

fn payload_text(conf: &ConfFile) -> String {
    let bytes = conf.payload_length();
    if bytes == 0 {
        return "none".to_owned();
    }
    format!("{}, in a file like {PAYLOAD} on each slave; SYNEXEC_CONF has its path", count(bytes, "byte"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn open(content: &[u8]) -> ConfFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        ConfFile::open(file.path()).unwrap()
    }

    #[test]
    fn arguments_are_shown_one_by_one() {
        let variables = Variables::new(["A=b c".parse().unwrap(), "E=\x1b[2J".parse().unwrap()]).unwrap();
        let shown = show(Path::new("job.conf"), &open(b"/bin/sh :CONF: a\necho\n"), &variables);
        for line in [
            "conf     job.conf: 22 bytes",
            "program  /bin/sh",
            "argv[0]  sh",
            "argv[1]  /tmp/synexec_slave_conf.PID",
            "argv[2]  a",
            "payload  5 bytes, in a file",
            "env      A=b c\n",
            "env      E=\u{fffd}[2J\n",
        ] {
            assert!(shown.contains(line), "{line} in\n{shown}");
        }
        assert!(show(Path::new("x"), &open(b"/bin/true\n"), &Variables::default()).ends_with("payload  none\n"));
    }

    #[test]
    fn only_likely_mistakes_get_warnings() {
        for (conf, words) in [
            (&b"/bin/sh -c 'a b'\n"[..], &["quotes"][..]),
            (b"./job\n", &["relative"]),
            (b"/bin/sh :CONF:\n", &["nothing follows"]),
            (b"/bin/sh\necho\n", &["no word"]),
            (b"bin/sh \"x\n", &["quotes", "relative"]),
            (b"/bin/sh :CONF:\necho\n", &[]),
            (b":CONF:\n#!/bin/sh\n", &[]),
            (b"/bin/echo $HOME \"a b\" *\n", &["has quotes, `$` and `*`, but no shell"]),
            (b"/bin/ls ~ | /bin/wc\n", &["has `|` and `~`, but"]),
            (b"/bin/sh :CONF:\r\necho\r\n", &["carriage return (`\\r`"]),
            (b"/bin/echo a\r\n", &[]),
            (b"/bin/sh :CONF:\r\necho\n", &[]),
            (b"/bin/sh :CONF:\n\xef\xbb\xbfecho\n", &["byte order mark"]),
            (b"/bin/true", &[]),
        ] {
            let warnings = warnings(&open(conf));
            assert_eq!(warnings.len(), words.len(), "{warnings:?}");
            assert!(warnings.iter().zip(words).all(|(warning, word)| warning.contains(word)), "{warnings:?}");
        }
    }
}
