//! Every fault in every phase of a session, and its outcome: the table of docs/faults.md, cell by cell.

mod cell;
mod check;
mod fault;
mod master_clock;
mod phase;
mod scene;
mod table;

use std::process::ExitCode;

use synexec_tests::lab::harness::{self, Case};
use synexec_tests::process::eventually;

use cell::Cell;

/// The tests mostly wait, so more tests run at a time than there are cores.
const AT_A_TIME: usize = 6;

fn main() -> ExitCode {
    let document =
        Case { name: "faults::the_document_has_this_table".to_owned(), run: Box::new(table::ensure_in_document) };
    let cells = table::cells().map(|cell| Case { name: cell.name(), run: Box::new(move || run(cell)) });
    harness::main_of_waiting([document, master_clock::case()].into_iter().chain(cells), AT_A_TIME)
}

fn run(cell: Cell) -> anyhow::Result<()> {
    let strike = || fault::strike(cell).transpose();
    let (mut scene, struck) = eventually("a fault that comes in its phase", strike)??;
    check::end(&mut scene, struck)?;
    fault::repair(&mut scene)?;
    scene.ensure_next_session()
}
