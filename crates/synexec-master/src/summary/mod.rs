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

/// Columns below which a table that fits would have words cut to pieces.
const WIDTH_MIN: u16 = 80;

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
    let mut gathered = Ok(());
    if options.gathers() {
        gathered =
            gather::Gather { document, kept, diff: options.diff, on_terminal: io::stdout().is_terminal() }.print(to);
    }
    if options.gathers() || options.live {
        writeln!(to)?;
    }
    let style = Style { colored: is_colored(options.color), fitted: has_room(), all: options.all };
    // What became of every slave is told also where an output cannot be.
    to.write_all(text(document, style).as_bytes())?;
    to.flush()?;
    gathered
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

/// Whether stdout is a terminal wide enough for lines to be made to fit it. On a narrow one they go on in the next.
fn has_room() -> bool {
    let columns = console::Term::stdout().size_checked().map_or(0, |(_, columns)| columns);
    io::stdout().is_terminal() && columns >= WIDTH_MIN
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
