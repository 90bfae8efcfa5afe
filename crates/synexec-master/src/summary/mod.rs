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

#[cfg(test)]
mod tests {
    use synexec_proto::message::OutputPlace;
    use synexec_proto::task_end::TaskEnd;
    use synexec_proto::time::{MonotonicInstant, WallClockTime};
    use synexec_session::master::{Outcome, Output, Report, Round, Row, SlaveLabel, Verdict};

    use super::*;
    use crate::report::{Asked, ConfReport, Context, build};

    const STYLE: Style = Style { colored: false, width: None, all: false };

    /// A slave with a name that others have too, whose task failed.
    fn failed(rank: u32, last_line: &str) -> Row {
        let address = std::net::SocketAddr::from(([10, 0, 0, 7], 40_000));
        let slave = SlaveLabel { shown: format!("vm@10.0.0.{rank}"), ..SlaveLabel::new("vm".into(), address) };
        Row {
            output_place: Some(OutputPlace { length: 9, path: "/w/synexec.out".into() }),
            last_lines: Some(last_line.to_owned()),
            ..Row::new(rank, slave, Outcome::Ended(TaskEnd::Exited(1)))
        }
    }

    /// The document of rounds with these rows, each with whether its tasks were started.
    fn document(rounds: Vec<(Vec<Row>, bool)>) -> Document {
        let asked = Asked::new(2, u32::try_from(rounds.len()).unwrap());
        let at = MonotonicInstant::from_nanos(5);
        let round = |(rows, has_started): (_, bool)| Round { rows, skew: None, ordered: has_started.then_some(at) };
        let report = Report { rounds: rounds.into_iter().map(round).collect(), verdict: Verdict::TaskFailed };
        let context = Context {
            session: 0,
            master: "host".into(),
            conf: ConfReport::new("job.conf".into(), 9, "/bin/false".into(), 0),
            asked,
            began: WallClockTime::from_nanos(0),
            kept: &Kept::default(),
        };
        build(&report, context)
    }

    #[test]
    fn only_the_last_round_that_was_started_names_the_outputs_on_the_slaves() {
        let rows = || vec![failed(1, "no disk")];
        let place = "all of its output is in vm@10.0.0.1:/w/synexec.out";
        for (rounds, places) in
            [(&[true][..], &[true][..]), (&[true, true, true], &[false, false, true]), (&[true, false], &[true, true])]
        {
            let document = document(rounds.iter().map(|has_started| (rows(), *has_started)).collect());
            let told = document.rounds.iter().map(|round| endings::show(round, false).contains(place));
            assert_eq!(told.collect::<Vec<_>>(), places, "{}", text(&document, STYLE));
            let paths = document.rounds.iter().map(|round| round.slaves[0].output_path.is_some());
            assert_eq!(paths.collect::<Vec<_>>(), places);
        }
    }

    #[test]
    fn texts_tell_slaves_with_equal_names_apart() {
        let cut = |rank| Row { output: Some(Output::Cut { most: 10 }), ..failed(rank, "no disk") };
        let document = document(vec![(vec![cut(1), cut(2), failed(3, "no net")], true)]);
        let shown = text(&document, STYLE);
        for told in [
            "vm@10.0.0.1,vm@10.0.0.2 (2 slaves): all of the output of vm@10.0.0.1 is in vm@10.0.0.1:/w/synexec.out",
            "vm@10.0.0.3: all of its output is in vm@10.0.0.3:/w/synexec.out",
        ] {
            assert!(shown.contains(told), "{told} in\n{shown}");
        }
        let mut printed = Vec::new();
        gather::Gather { document: &document, kept: &Kept::default(), diff: false, on_terminal: false }
            .print(&mut printed)
            .unwrap();
        let printed = String::from_utf8(printed).unwrap();
        assert!(printed.contains("--- vm@10.0.0.2: only the beginning of the output: "), "{printed}");
    }
}
