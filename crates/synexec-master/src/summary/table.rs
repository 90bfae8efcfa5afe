//! The table of one round.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::fold;
use super::row::{HEAD, Look, NUMBERS, Row};
use crate::report::RoundReport;

/// How the table is written.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Whether slaves that stand out are coloured.
    pub colored: bool,
    /// Whether the table is made to fit the terminal.
    pub fitted: bool,
    /// Whether every slave has a line of its own, however many slaves there are.
    pub all: bool,
}

impl Style {
    /// Text in bold.
    pub fn strong(self, text: &str) -> String {
        if self.colored { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The table without the last line break.
pub fn show(round: &RoundReport, style: Style) -> String {
    let rows = if style.all || round.slaves.len() <= fold::ROWS_MAX {
        round.slaves.iter().map(Row::of).collect()
    } else {
        fold::rows(&round.slaves)
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if style.colored {
        table.enforce_styling();
    } else if !style.fitted {
        table.force_no_tty();
    }
    if style.fitted {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(HEAD);
    for row in &rows {
        table.add_row(row.cells.iter().map(|text| cell(text, row.look, style)));
    }
    for column in table.column_iter_mut().filter(|column| NUMBERS.contains(&column.index)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn cell(text: &str, look: Look, style: Style) -> Cell {
    let cell = Cell::new(text);
    match look {
        _ if !style.colored => cell,
        Look::Plain => cell,
        Look::Notable => cell.fg(Color::Yellow),
        Look::Failed => cell.fg(Color::Red).add_attribute(Attribute::Bold),
    }
}
