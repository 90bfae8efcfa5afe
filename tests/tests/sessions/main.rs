//! Whole sessions of the two programs in the lab.

mod addresses;
mod allow;
mod check;
mod confs;
mod core_dumps;
mod daemons;
mod early_boot;
mod early_end;
mod ends;
mod environment;
mod evidence;
mod fetching;
mod fio;
mod full_disk;
mod gather;
mod instant;
mod interfaces;
mod joining;
mod keys;
mod leftovers;
mod limits;
mod live;
mod lost;
mod names;
mod nics;
mod noise;
mod once;
mod outputs;
mod overlong;
mod plain;
mod progress;
mod ranks;
mod raw_peer;
mod reconnect;
mod report_files;
mod report_table;
mod reports;
mod rivals;
mod rounds;
mod separate;
mod service;
mod shared_dirs;
mod shortages;
mod silence;
mod starting;
mod steal;
mod strangers;
mod summary;
mod terminal;
mod user;

#[path = "../schema/mod.rs"]
mod schema;

use std::process::ExitCode;

use synexec_tests::lab::harness::{self, Test};

/// The tests mostly wait, so more tests run at a time than there are cores.
const AT_A_TIME: usize = 4;

fn main() -> ExitCode {
    let modules: &[&[(&'static str, Test)]] = &[
        plain::TESTS,
        joining::TESTS,
        ranks::TESTS,
        names::TESTS,
        rivals::TESTS,
        confs::TESTS,
        environment::TESTS,
        starting::TESTS,
        instant::TESTS,
        rounds::TESTS,
        lost::TESTS,
        reconnect::TESTS,
        silence::TESTS,
        early_end::TESTS,
        limits::TESTS,
        overlong::TESTS,
        shortages::TESTS,
        ends::TESTS,
        leftovers::TESTS,
        user::TESTS,
        shared_dirs::TESTS,
        interfaces::TESTS,
        nics::TESTS,
        addresses::TESTS,
        early_boot::TESTS,
        once::TESTS,
        outputs::TESTS,
        separate::TESTS,
        fetching::TESTS,
        full_disk::TESTS,
        live::TESTS,
        gather::TESTS,
        reports::TESTS,
        report_files::TESTS,
        report_table::TESTS,
        summary::TESTS,
        evidence::TESTS,
        steal::TESTS,
        terminal::TESTS,
        progress::TESTS,
        check::TESTS,
        daemons::TESTS,
        service::TESTS,
        fio::TESTS,
        keys::TESTS,
        core_dumps::TESTS,
        strangers::TESTS,
        noise::TESTS,
        allow::TESTS,
    ];
    harness::main_of_waiting(modules.concat(), AT_A_TIME)
}
