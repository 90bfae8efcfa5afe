//! The grammar of a conf, as the original programs define it, with one extension.
//!
//! The first line is the command line. White space separates its words, and there is no quoting. All bytes after the
//! first line break are the payload. A word `:CONF:` stands for the payload's path. The extension: if the first word is
//! `:CONF:`, the payload itself is the program. The original declines such a conf.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The word that stands for the payload's path.
const PAYLOAD_WORD: &[u8] = b":CONF:";

/// Longest command line, in bytes. Linux accepts far more for all arguments together.
pub const COMMAND_LINE_MAX: usize = 128 * 1024;

/// Bytes at the beginning of a payload in which mistakes are looked for. Linux reads as many of a script's first line.
const HEAD_MAX: usize = 256;

/// The byte order marks of UTF-8 and UTF-16.
const BYTE_ORDER_MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];

/// Why no slave can run a conf.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfError {
    /// The first line has no word.
    #[error("the first line is empty; write the command line there, as in `/bin/sh :CONF:`")]
    NoCommand,
    /// The first word has no slash.
    #[error("the program `{0}` is given without a path; write it with one, as in `/bin/{0}`")]
    NoPath(String),
    /// The first word ends in a slash.
    #[error("the program `{0}` is a directory's name; add the name of the program")]
    NoName(String),
    /// The first line is too long.
    #[error("the first line is longer than {COMMAND_LINE_MAX} bytes; move the data behind the first line break")]
    LongLine,
    /// The conf begins with a byte order mark.
    #[error(
        "the conf begins with a byte order mark (BOM), which would be a part of the program's path; save the file as \
         UTF-8 without a byte order mark"
    )]
    ByteOrderMark,
    /// The conf is a script, and not a command line with a payload.
    #[error("the conf is a script; write a line `:CONF:` before it, so that the script is the payload and the program")]
    Script,
    /// The first line holds a NUL byte, which no argument can hold.
    #[error("the first line holds a NUL byte, which no argument can hold; is this file a program and not a conf?")]
    Nul,
    /// The program is the payload, and the conf has no payload.
    #[error("the program is the payload (`:CONF:`), but nothing follows the first line")]
    NoPayload,
    /// The program is the payload, and the payload begins with a byte order mark.
    #[error(
        "the payload is the program (`:CONF:`), but it cannot be executed, since it begins with a byte order mark \
         (BOM); save the file as UTF-8 without a byte order mark"
    )]
    PayloadByteOrderMark,
    /// The program is the payload, and its interpreter line has a Windows line end.
    #[error(
        "the payload is the program (`:CONF:`), but its interpreter line (`#!`) ends with a carriage return (`\\r`, a \
         Windows line end), which would be a part of the interpreter's name; remove the carriage returns, as with \
         `sed -i 's/\\r$//'`"
    )]
    InterpreterLineEnd,
}

/// Characters that a shell would interpret, but that the command line gives to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShellSign {
    /// `'` or `"`, which would group words.
    Quote,
    /// This character.
    Character(char),
}

/// The command line of a conf. `:CONF:` is not replaced yet, because the payload has no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    words: Vec<OsString>,
}

impl CommandLine {
    /// Parses the first line of a conf, given without its line break.
    ///
    /// # Errors
    /// [`ConfError`] when no slave could run the command.
    pub fn parse(line: &[u8]) -> Result<Self, ConfError> {
        if begins_with_mark(line) {
            return Err(ConfError::ByteOrderMark);
        }
        if line.contains(&0) {
            return Err(ConfError::Nul);
        }
        let words: Vec<&[u8]> = line.split(|byte| is_space(*byte)).filter(|word| !word.is_empty()).collect();
        check_program(words.first().ok_or(ConfError::NoCommand)?)?;
        Ok(Self { words: words.into_iter().map(|word| OsStr::from_bytes(word).to_owned()).collect() })
    }

    /// The words of the line, as the conf has them.
    pub fn words(&self) -> &[OsString] {
        &self.words
    }

    /// Whether a word stands for the payload's path.
    pub fn names_payload(&self) -> bool {
        self.words.iter().any(|word| is_payload(word))
    }

    /// Whether the program's path starts at the working directory. Each slave has its own working directory.
    pub fn is_relative(&self) -> bool {
        !self.runs_payload() && self.words.first().is_some_and(|word| !word.as_bytes().starts_with(b"/"))
    }

    /// Whether the payload itself is the program.
    pub fn runs_payload(&self) -> bool {
        self.words.first().is_some_and(|word| is_payload(word))
    }

    /// The characters of the words that a shell would probably interpret, each once. They are ordinary characters here.
    pub fn shell_signs(&self) -> BTreeSet<ShellSign> {
        self.words.iter().flat_map(|word| shell_signs(word.as_bytes())).collect()
    }

    /// The file to execute.
    pub fn program(&self, payload: &Path) -> PathBuf {
        self.words.first().map(|word| substitute(word, payload).into()).unwrap_or_default()
    }

    /// The arguments. The first one is the program's own name: the part of its path after the last `/`.
    pub fn arguments(&self, payload: &Path) -> Vec<OsString> {
        let program = self.program(payload);
        let name = program.as_os_str().as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let name = OsStr::from_bytes(name).to_owned();
        let rest = self.words.iter().skip(1).map(|word| substitute(word, payload));
        std::iter::once(name).chain(rest).collect()
    }
}

fn check_program(word: &[u8]) -> Result<(), ConfError> {
    let shown = || String::from_utf8_lossy(word).into_owned();
    match word {
        PAYLOAD_WORD => Ok(()),
        [.., b'/'] => Err(ConfError::NoName(shown())),
        [b'#', b'!', ..] => Err(ConfError::Script),
        _ if word.contains(&b'/') => Ok(()),
        _ => Err(ConfError::NoPath(shown())),
    }
}

/// White space as in C's `isspace`, without the line break, which ends the line.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0c | 0x0b)
}

fn is_payload(word: &OsStr) -> bool {
    word.as_bytes() == PAYLOAD_WORD
}

fn substitute(word: &OsStr, payload: &Path) -> OsString {
    if is_payload(word) { payload.as_os_str().to_owned() } else { word.to_owned() }
}

/// Signs inside a word, such as those of an address `http://host/?a=1&b=2`, are most often meant for the program.
fn shell_signs(word: &[u8]) -> impl Iterator<Item = ShellSign> {
    let has = |sign: u8| word.contains(&sign);
    let expands = word
        .windows(2)
        .any(|pair| matches!(pair, [b'$', next] if next.is_ascii_alphanumeric() || matches!(next, b'_' | b'{' | b'(')));
    // A number before `>` would be that of a descriptor.
    let first = word.iter().copied().find(|byte| !byte.is_ascii_digit());
    let ends = [first, word.last().copied()];
    let found = [
        (has(b'\'') || has(b'"'), ShellSign::Quote),
        (expands, ShellSign::Character('$')),
        (has(b'`'), ShellSign::Character('`')),
        (has(b'*'), ShellSign::Character('*')),
        (word.first() == Some(&b'~'), ShellSign::Character('~')),
    ];
    let operators =
        b"|<>;&()".iter().map(move |sign| (ends.contains(&Some(*sign)), ShellSign::Character(char::from(*sign))));
    found.into_iter().chain(operators).filter_map(|(is_there, sign)| is_there.then_some(sign))
}

fn begins_with_mark(bytes: &[u8]) -> bool {
    BYTE_ORDER_MARKS.iter().any(|mark| bytes.starts_with(mark))
}

fn ends_with_carriage_return(line: &[u8]) -> bool {
    line.last() == Some(&b'\r')
}

/// Splits a conf at the first line break. The conf comes in parts of any size. The splitter keeps the command line, and
/// not the payload.
#[derive(Debug, Default)]
pub struct ConfSplitter {
    line: Vec<u8>,
    /// Whether the first line break has come.
    line_ended: bool,
    /// The beginning of the payload.
    head: Vec<u8>,
    payload_length: u64,
}

impl ConfSplitter {
    /// Takes the next bytes of the conf. Returns the bytes of the payload among them.
    ///
    /// # Errors
    /// [`ConfError::LongLine`] when the first line is longer than [`COMMAND_LINE_MAX`].
    pub fn feed<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], ConfError> {
        let payload = if self.line_ended { bytes } else { self.feed_line(bytes)? };
        self.head.extend(payload.iter().take(HEAD_MAX.saturating_sub(self.head.len())));
        self.payload_length = self.payload_length.saturating_add(u64::try_from(payload.len()).unwrap_or(u64::MAX));
        Ok(payload)
    }

    /// The command line. Call this after the last byte of the conf.
    ///
    /// # Errors
    /// [`ConfError`] when no slave could run the conf.
    pub fn finish(&self) -> Result<CommandLine, ConfError> {
        let command_line = CommandLine::parse(&self.line)?;
        if command_line.runs_payload() {
            self.check_program_of_payload()?;
        }
        Ok(command_line)
    }

    /// Whether enough of the payload has come for [`Self::finish`] and the methods below, which look only at its
    /// beginning.
    pub fn knows_head(&self) -> bool {
        self.head.len() == HEAD_MAX
    }

    /// Whether the payload begins with a byte order mark.
    pub fn payload_has_mark(&self) -> bool {
        begins_with_mark(&self.head)
    }

    /// Whether lines of the payload end with a carriage return, as far as its first line tells. If this line is too long,
    /// the command line tells. One at the end of the command line alone is white space.
    pub fn has_carriage_returns(&self) -> bool {
        match self.head_line() {
            Some(line) => ends_with_carriage_return(line),
            None => self.knows_head() && ends_with_carriage_return(&self.line),
        }
    }

    /// Length of the first line with its line break, in bytes. The payload begins there.
    pub fn line_length(&self) -> u64 {
        u64::try_from(self.line.len() + usize::from(self.line_ended)).unwrap_or(u64::MAX)
    }

    /// Length of the payload so far, in bytes.
    pub fn payload_length(&self) -> u64 {
        self.payload_length
    }

    /// The first line of the payload, if it is not too long.
    fn head_line(&self) -> Option<&[u8]> {
        let end = self.head.iter().position(|byte| *byte == b'\n')?;
        self.head.get(..end)
    }

    fn check_program_of_payload(&self) -> Result<(), ConfError> {
        if self.payload_length == 0 {
            return Err(ConfError::NoPayload);
        }
        if self.payload_has_mark() {
            return Err(ConfError::PayloadByteOrderMark);
        }
        let is_wrong = |line: &[u8]| line.starts_with(b"#!") && ends_with_carriage_return(line);
        if self.head_line().is_some_and(is_wrong) { Err(ConfError::InterpreterLineEnd) } else { Ok(()) }
    }

    fn feed_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], ConfError> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if self.line.len() + line.len() > COMMAND_LINE_MAX {
            return Err(ConfError::LongLine);
        }
        self.line.extend_from_slice(line);
        self.line_ended = end.is_some();
        Ok(rest.get(1..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arguments(line: &str) -> Vec<OsString> {
        CommandLine::parse(line.as_bytes()).unwrap().arguments(Path::new("/w/conf"))
    }

    fn split(conf: &[u8], chunk: usize) -> (Result<CommandLine, ConfError>, Vec<u8>) {
        let mut splitter = ConfSplitter::default();
        let mut payload = Vec::new();
        for bytes in conf.chunks(chunk) {
            payload.extend_from_slice(splitter.feed(bytes).unwrap());
        }
        (splitter.finish(), payload)
    }

    #[test]
    fn words_are_split_at_white_space_and_nothing_is_quoted() {
        assert_eq!(arguments("/bin/echo \ta\r b\x0b\x0c'c d'  "), ["echo", "a", "b", "'c", "d'"]);
        assert_eq!(arguments("/bin/echo a\r"), ["echo", "a"]);
    }

    #[test]
    fn signs_of_a_shell_are_found_where_a_shell_would_interpret_them() {
        for (words, signs) in [
            ("'x y'", "'"),
            ("\"x\" ~/x $HOME ${x} $(x) *.log", "'$)*~"),
            ("a | b || c; d & e && f", "&;|"),
            (">out 2>err 2>&1 <in >> x", "<>"),
            ("`date` (cd /x)", "()`"),
            ("http://host/?a=1&b=2;c a|b x~ a>b s/x$// 100% #x", ""),
        ] {
            let line = CommandLine::parse(format!("/bin/x {words}").as_bytes()).unwrap();
            let sign = |sign| if let ShellSign::Character(sign) = sign { sign } else { '\'' };
            let mut found: Vec<_> = line.shell_signs().into_iter().map(sign).collect();
            found.sort_unstable();
            let mut expected: Vec<_> = signs.chars().collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{words}");
        }
    }

    #[test]
    fn windows_line_ends_and_byte_order_marks_are_found() {
        for (conf, expected) in [
            ("\u{feff}/bin/sh :CONF:\necho\n", ConfError::ByteOrderMark),
            ("#!/bin/sh\necho\n", ConfError::Script),
            (":CONF:\r\n#!/bin/sh\r\necho\r\n", ConfError::InterpreterLineEnd),
            (":CONF:\n#!/usr/bin/env python3\r\n", ConfError::InterpreterLineEnd),
            (":CONF:\n\u{feff}#!/bin/sh\n", ConfError::PayloadByteOrderMark),
        ] {
            for chunk in [1, 4, 1000] {
                assert_eq!(split(conf.as_bytes(), chunk).0, Err(expected.clone()), "{conf:?}");
            }
        }
        assert_eq!(CommandLine::parse(b"\xff\xfe/\0b\0"), Err(ConfError::ByteOrderMark));
        for (conf, has_returns, has_mark) in [
            ("/bin/sh :CONF:\r\necho\r\n", true, false),
            ("/bin/sh :CONF:\necho\r\n", true, false),
            ("/bin/sh :CONF:\r\necho\n", false, false),
            ("/bin/sh :CONF:\r\necho", false, false),
            (&format!("/bin/sh :CONF:\r\n#{}\r\n", "x".repeat(HEAD_MAX)), true, false),
            ("/bin/sh :CONF:\n\u{feff}echo\n", false, true),
            ("/bin/sh :CONF:\necho\rx\n#!x\r\n", false, false),
            (":CONF:\n#!/bin/sh\n\r\n", false, false),
        ] {
            let mut splitter = ConfSplitter::default();
            splitter.feed(conf.as_bytes()).unwrap();
            splitter.finish().unwrap();
            assert_eq!(
                (splitter.has_carriage_returns(), splitter.payload_has_mark()),
                (has_returns, has_mark),
                "{conf:?}"
            );
        }
    }

    #[test]
    fn a_program_is_named_by_the_part_after_its_last_slash() {
        assert_eq!(arguments("/usr/bin/env x"), ["env", "x"]);
        assert_eq!(arguments("./..")[0], "..");
    }

    #[test]
    fn only_the_exact_word_becomes_the_payload_path() {
        assert_eq!(arguments("/bin/sh :CONF: :CONF:x x:CONF:"), ["sh", "/w/conf", ":CONF:x", "x:CONF:"]);
    }

    #[test]
    fn a_first_word_of_conf_runs_the_payload() {
        let line = CommandLine::parse(b":CONF: --fast").unwrap();
        assert!(line.runs_payload());
        assert_eq!(line.program(Path::new("/w/conf")), Path::new("/w/conf"));
        assert_eq!(line.arguments(Path::new("/w/conf")), ["conf", "--fast"]);
        assert_eq!(split(b":CONF:\n", 3).0, Err(ConfError::NoPayload));
    }

    #[test]
    fn a_conf_that_no_slave_could_run_is_an_error() {
        assert_eq!(CommandLine::parse(b""), Err(ConfError::NoCommand));
        assert_eq!(CommandLine::parse(b" \t\r"), Err(ConfError::NoCommand));
        assert_eq!(CommandLine::parse(b"echo a/b"), Err(ConfError::NoPath("echo".into())));
        assert_eq!(CommandLine::parse(b"/bin/ a"), Err(ConfError::NoName("/bin/".into())));
        assert_eq!(CommandLine::parse(b"/bin/a\0b"), Err(ConfError::Nul));
        assert_eq!(ConfSplitter::default().feed(&vec![b'x'; COMMAND_LINE_MAX + 1]), Err(ConfError::LongLine));
    }

    #[test]
    fn one_line_has_no_payload_with_or_without_its_break() {
        for conf in [&b"/bin/sleep 1"[..], b"/bin/sleep 1\n"] {
            let (line, payload) = split(conf, 100);
            assert_eq!(line.unwrap().arguments(Path::new("/w")), ["sleep", "1"]);
            assert!(payload.is_empty());
        }
        assert_eq!(split(b"/bin/sleep 1\n\n", 100).1, b"\n");
    }

    proptest! {
        #[test]
        fn any_chunks_give_the_same_conf(
            words in prop::collection::vec("[!-~]{1,8}", 0..5),
            payload in prop::collection::vec(any::<u8>(), 0..200),
            chunk in 1..50usize,
        ) {
            let line = format!("/bin/x {}", words.join(" "));
            let conf = [line.as_bytes(), b"\n", &payload].concat();
            let (command_line, rest) = split(&conf, chunk);
            prop_assert_eq!(command_line, CommandLine::parse(line.as_bytes()));
            prop_assert_eq!(rest, payload);
        }

        #[test]
        fn any_line_is_parsed_or_refused(line in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(parsed) = CommandLine::parse(&line) {
                prop_assert!(!parsed.arguments(Path::new("/w/conf"))[0].is_empty());
            }
        }
    }
}
