//! Whole sessions of the two programs in the lab.

mod confs;
mod daemons;
mod ends;
mod fio;
mod instant;
mod interfaces;
mod joining;
mod lost;
mod once;
mod plain;
mod rounds;
mod starting;

use std::process::ExitCode;

use synexec_tests::lab::harness::{self, Test};

fn main() -> ExitCode {
    let modules: [&[(&'static str, Test)]; 12] = [
        plain::TESTS,
        joining::TESTS,
        confs::TESTS,
        starting::TESTS,
        instant::TESTS,
        rounds::TESTS,
        lost::TESTS,
        ends::TESTS,
        interfaces::TESTS,
        once::TESTS,
        daemons::TESTS,
        fio::TESTS,
    ];
    harness::main(modules.concat())
}
