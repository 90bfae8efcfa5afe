//! What is printed on stdout when the session is over: outputs where they are wanted, and what became of every slave.

mod fold;
mod gather;
mod row;
mod table;

use std::io::{self, ErrorKind, IsTerminal, Write};

use crate::options::{ColorWhen, Options};
use crate::outputs::Kept;
use crate::report::Document;
use table::Style;

/// Prints all of it. A reader that has gone away wants no more.
///
/// # Errors
/// That of stdout, or of the files that outputs are in.
pub fn print(document: &Document, kept: &Kept, options: &Options) -> io::Result<()> {
    match try_print(document, kept, options, &mut io::stdout().lock()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

fn try_print(document: &Document, kept: &Kept, options: &Options, to: &mut impl Write) -> io::Result<()> {
    if options.gathers() {
        gather::Gather { document, kept, diff: options.diff, on_terminal: io::stdout().is_terminal() }.print(to)?;
    }
    let style = Style { colored: is_colored(options.color), fitted: io::stdout().is_terminal(), all: options.all };
    to.write_all(text(document, style).as_bytes())?;
    to.flush()
}

/// The sentence, and for each round a table.
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
    }
    text
}

/// Where the user does not say, stdout and <https://no-color.org> do.
fn is_colored(when: ColorWhen) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            io::stdout().is_terminal() && !unwanted
        }
    }
}
