//! Which columns of the table fit the terminal, and how wide they are. A row is one line: columns are left out and
//! texts are cut before a line would be broken.

use std::borrow::Cow;

use console::{measure_text_width, truncate_str};

use super::row::{COLUMNS, HEAD, Row};

/// Columns that are left out if the table is too wide, in this order.
const LEAST_IMPORTANT: [usize; 6] = [7, 6, 3, 1, 5, 4];

/// Columns of text that may be cut. They have names and endings of any length.
const NAME: usize = 2;
const ENDING: usize = 8;

/// Other columns are left out before a text is cut to less than this.
const TEXT_MIN: usize = 24;

/// Blanks that the table puts around each column.
const PADDING: usize = 2;

/// Stands for the rest of a text that was cut.
const CUT: &str = "…";

/// The columns of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// Index and width of each column that is shown.
    columns: Vec<(usize, usize)>,
}

impl Layout {
    /// All columns, as wide as their cells.
    pub fn whole(rows: &[Row]) -> Self {
        Self { columns: (0..COLUMNS).map(|column| (column, widest(rows, column))).collect() }
    }

    /// Columns that fit into a line of this many characters.
    pub fn fitting(rows: &[Row], line: usize) -> Self {
        let mut columns = Self::whole(rows).columns;
        let room = |columns: &[(usize, usize)]| line.saturating_sub(columns.len() * PADDING);
        let least = |columns: &[(usize, usize)]| columns.iter().map(|column| least_width(*column)).sum::<usize>();
        for unimportant in LEAST_IMPORTANT {
            if least(&columns) <= room(&columns) {
                break;
            }
            columns.retain(|(column, _)| *column != unimportant);
        }
        let room = room(&columns);
        cut(&mut columns, room);
        Self { columns }
    }

    /// Indices of the columns that are shown.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|(column, _)| *column)
    }

    /// The titles of the columns that are shown.
    pub fn head(&self) -> Vec<Cow<'static, str>> {
        self.columns.iter().map(|(column, width)| truncate_str(HEAD.get(*column).unwrap_or(&""), *width, CUT)).collect()
    }

    /// The cells of a row that are shown, cut to the width of their columns.
    pub fn cells<'a>(&self, row: &'a Row) -> Vec<Cow<'a, str>> {
        self.columns.iter().map(|(column, width)| truncate_str(cell(row, *column), *width, CUT)).collect()
    }

    /// The name and the ending of a row, if one of them is cut.
    pub fn text_of_cut(&self, row: &Row) -> Option<String> {
        let is_cut = self.columns.iter().any(|(column, width)| measure_text_width(cell(row, *column)) > *width);
        is_cut.then(|| format!("{}: {}", cell(row, NAME), cell(row, ENDING)))
    }
}

fn cell(row: &Row, column: usize) -> &str {
    row.cells.get(column).map_or("", String::as_str)
}

fn widest(rows: &[Row], column: usize) -> usize {
    let head = HEAD.get(column).map_or(0, |head| measure_text_width(head));
    // The table gives each column at least one character.
    rows.iter().map(|row| measure_text_width(cell(row, column))).fold(head.max(1), usize::max)
}

fn is_text(column: usize) -> bool {
    matches!(column, NAME | ENDING)
}

fn least_width((column, width): (usize, usize)) -> usize {
    if is_text(column) { width.min(TEXT_MIN) } else { width }
}

/// Cuts the columns of text. Names are more important than endings, but take at most half of the room if both are long.
fn cut(columns: &mut [(usize, usize)], room: usize) {
    let others: usize = columns.iter().filter(|(column, _)| !is_text(*column)).map(|(_, width)| width).sum();
    let room = room.saturating_sub(others);
    let natural = |wanted: usize| columns.iter().find(|(column, _)| *column == wanted).map_or(0, |(_, width)| *width);
    let (name, ending) = (natural(NAME), natural(ENDING));
    let name = name.min((room / 2).max(room.saturating_sub(ending)));
    let ending = ending.min(room.saturating_sub(name));
    for (column, width) in columns {
        match *column {
            NAME => *width = name.max(1),
            ENDING => *width = ending.max(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::row::Look;
    use super::*;

    fn row(name: &str, ending: &str) -> Row {
        let cells = ["*", "11", name, "10.77.0.12", "38.8 ± 12.6 µs", "10.002 s", "1.36 ms", "2.0 MiB", ending];
        Row { look: Look::Notable, cells: cells.map(str::to_owned) }
    }

    fn titles(rows: &[Row], width: usize) -> String {
        let layout = Layout::fitting(rows, width);
        layout.head().join(";")
    }

    #[test]
    fn what_matters_least_is_left_out_first() {
        let rows = [row("web1", "exited 0")];
        for (width, expected) in [
            (200, ";Rank;Name;Address;Start;Elapsed;CPU;Peak memory;How it ended"),
            (89, ";Rank;Name;Address;Start;Elapsed;CPU;Peak memory;How it ended"),
            (88, ";Rank;Name;Address;Start;Elapsed;CPU;How it ended"),
            (75, ";Rank;Name;Address;Start;Elapsed;How it ended"),
            (66, ";Rank;Name;Start;Elapsed;How it ended"),
            (54, ";Name;Start;Elapsed;How it ended"),
            (48, ";Name;Start;How it ended"),
            (38, ";Name;How it ended"),
        ] {
            assert_eq!(titles(&rows, width), expected, "{width}");
        }
    }

    #[test]
    fn a_long_text_is_cut_and_told_in_full() {
        let remarks = "exited 0; its task was released 3.20 ms late; its connection broke and was resumed";
        let rows = [row("web1", "exited 0"), row("web2", remarks)];
        let layout = Layout::fitting(&rows, 80);
        let cells = layout.cells(&rows[1]);
        let ending = cells.last().unwrap();
        assert!(ending.ends_with('…') && measure_text_width(ending) >= TEXT_MIN, "{cells:?}");
        assert!(cells.iter().any(|cell| cell == "38.8 ± 12.6 µs"), "{cells:?}");
        assert_eq!(layout.text_of_cut(&rows[0]), None);
        assert_eq!(layout.text_of_cut(&rows[1]), Some(format!("web2: {remarks}")));
        assert_eq!(Layout::whole(&rows).text_of_cut(&rows[1]), None);
    }

    proptest! {
        #[test]
        fn no_line_is_longer_than_the_terminal(
            names in prop::collection::vec("[a-z漢]{1,40}", 1..5),
            ending in "[a-z é漢]{0,200}",
            width in 20..200usize,
        ) {
            let rows: Vec<_> = names.iter().map(|name| row(name, &ending)).collect();
            let layout = Layout::fitting(&rows, width);
            let line = layout.columns.iter().map(|(_, width)| width + PADDING).sum::<usize>();
            prop_assert!(line <= width, "{:?}", layout);
            for row in &rows {
                let cells = layout.cells(row);
                let fits = |(cell, (_, width)): (&Cow<'_, str>, &(usize, usize))| measure_text_width(cell) <= *width;
                prop_assert!(cells.iter().zip(&layout.columns).all(fits), "{:?}", cells);
            }
        }
    }
}
