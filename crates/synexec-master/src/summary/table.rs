//! The table of one round.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::fold;
use super::layout::Layout;
use super::row::{Look, NUMBERS, Row};
use crate::report::RoundReport;

/// How the table is written.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Whether slaves that stand out are coloured.
    pub colored: bool,
    /// Number of characters in a line of the terminal, if the table is made to fit.
    pub width: Option<usize>,
    /// Whether every slave has a line of its own, however many slaves there are.
    pub all: bool,
}

impl Style {
    /// Text in bold.
    pub fn strong(self, text: &str) -> String {
        if self.colored { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The table without the last line break. Texts that do not fit the terminal follow in full.
pub fn show(round: &RoundReport, style: Style) -> String {
    let rows = if style.all || round.slaves.len() <= fold::ROWS_MAX {
        round.slaves.iter().map(Row::of).collect()
    } else {
        fold::rows(&round.slaves)
    };
    let layout = style.width.map_or_else(|| Layout::whole(&rows), |width| Layout::fitting(&rows, width));
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if style.colored {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(layout.head());
    for row in &rows {
        table.add_row(layout.cells(row).iter().map(|text| cell(text, row.look, style)));
    }
    for (shown, column) in layout.columns().enumerate() {
        if let Some(numbers) = table.column_mut(shown).filter(|_| NUMBERS.contains(&column)) {
            numbers.set_cell_alignment(CellAlignment::Right);
        }
    }
    let cut: Vec<_> = rows.iter().filter_map(|row| layout.text_of_cut(row)).collect();
    if cut.is_empty() { table.trim_fmt() } else { format!("{}\n\n{}", table.trim_fmt(), cut.join("\n")) }
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
