//! The results that are printed on stdout when the session is over: the outputs, if the user wants them, and the table
//! of slaves.

mod endings;
mod fold;
mod gather;
mod layout;
mod row;
mod table;

use std::io::{self, ErrorKind, IsTerminal, Write};

use crate::options::{ColorWhen, Options};
use crate::outputs::Kept;
use crate::report::Document;
use table::Style;

/// A terminal with fewer columns is too narrow for any table. Its lines wrap.
const WIDTH_MIN: usize = 20;

/// Prints the results. It is no error if the reader of stdout has gone away.
///
/// # Errors
/// Stdout cannot be written, or the file of an output cannot be read.
pub fn print(document: &Document, kept: &Kept, options: &Options) -> io::Result<()> {
    match try_print(document, kept, options, &mut io::stdout().lock()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

fn try_print(document: &Document, kept: &Kept, options: &Options, to: &mut impl Write) -> io::Result<()> {
    let mut gathered = Ok(());
    if options.gathers() {
        gathered =
            gather::Gather { document, kept, diff: options.diff, on_terminal: io::stdout().is_terminal() }.print(to);
    }
    if options.gathers() || options.live {
        writeln!(to)?;
    }
    let style = Style { colored: is_colored(options.color), width: width(), all: options.all };
    // The table is printed even if an output could not be.
    to.write_all(text(document, style).as_bytes())?;
    to.flush()?;
    gathered
}

/// The sentence about the session, and a table for each round.
fn text(document: &Document, style: Style) -> String {
    let rounds: Vec<_> = document.rounds.iter().filter(|round| !round.slaves.is_empty()).collect();
    let mut text = format!("{}\n", style.strong(&document.sentence));
    for round in &rounds {
        text.push('\n');
        if document.asked.rounds > 1 {
            let heading = style.strong(&format!("Round {}:", round.round));
            text.extend([&heading, " ", &round.sentence, "\n"]);
        }
        text += &table::show(round, style);
        text.push('\n');
        text += &endings::show(round, style.all);
    }
    text
}

/// Number of columns of the terminal, if stdout is one that is wide enough for a table.
fn width() -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked().filter(|_| io::stdout().is_terminal())?;
    Some(usize::from(columns)).filter(|columns| *columns >= WIDTH_MIN)
}

/// By default, a terminal gets colours unless it has none (`TERM`) or `NO_COLOR` is set: <https://no-color.org>.
fn is_colored(when: ColorWhen) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            io::stdout().is_terminal() && !console::is_dumb() && !unwanted
        }
    }
}
