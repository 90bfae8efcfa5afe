//! `--allow`: addresses of masters that may command, and of slaves that may join.

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, row};
use synexec_tests::lab::harness::Test;

pub const TESTS: &[(&str, Test)] = &[
    ("allow::a_slave_answers_only_masters_that_it_allows", a_slave_answers_only_masters_that_it_allows),
    ("allow::a_slave_dials_only_a_master_that_it_allows", a_slave_dials_only_a_master_that_it_allows),
    ("allow::a_master_takes_only_slaves_that_it_allows", a_master_takes_only_slaves_that_it_allows),
    ("allow::a_text_that_is_no_address_is_an_error", a_text_that_is_no_address_is_an_error),
];

const NOT_AMONG: &str = "it is not among the addresses of --allow";

fn a_slave_answers_only_masters_that_it_allows() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let conf = fleet.conf("/bin/echo ran\n")?;
    let slave = fleet.listening_slave(0, &["--allow", "10.78.0.0/16", "--allow", "10.77.0.9"])?;
    let unheard = fleet.master(1, &conf, &["--wait", "3"])?.wait()?;
    ensure!(unheard.code() == Some(3) && !fleet.has_run(0), "{unheard:?}");
    slave.wait_for("a probe from 10.77.0.1 is not answered")?;
    let said = slave.output_so_far();
    ensure!(said.matches(&format!("a probe from 10.77.0.1 is not answered: {NOT_AMONG}")).count() == 1, "{said}");
    ensure!(!said.contains("connected to"), "{said}");
    let _other = fleet.slave(1, &["--allow", "10.78.0.0/16", "--allow", "10.77.0.1"])?;
    let heard = fleet.master(1, &conf, &[])?.wait()?;
    ensure!(heard.code() == Some(0) && row(&heard, "vm1")?.contains("exited 0"), "{heard:?}");
    Ok(())
}

fn a_slave_dials_only_a_master_that_it_allows() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let master = fleet.control.address().to_string();
    let conf = fleet.conf("/bin/echo ran\n")?;
    let slave = fleet.slave(0, &["-m", &master, "--allow", "10.78.0.0/16"])?;
    slave.wait_for("cannot connect to the master: 10.77.0.1 is not among the addresses of --allow")?;
    let unheard = fleet.master(1, &conf, &["--wait", "2"])?.wait()?;
    ensure!(unheard.code() == Some(3) && !unheard.stderr.contains("turned away"), "{unheard:?}");
    drop(slave);
    let _allowed = fleet.slave(0, &["-m", &master, "--allow", "10.77.0.0/16"])?;
    ensure!(fleet.master(1, &conf, &[])?.wait()?.code() == Some(0));
    Ok(())
}

fn a_master_takes_only_slaves_that_it_allows() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/echo ran\n")?;
    let guest = fleet.guests[1].address().to_string();
    let finished = fleet.master(2, &conf, &["--allow", &guest, "--wait", "5"])?.wait()?;
    ensure!(finished.code() == Some(3), "{finished:?}");
    ensure!(finished.stderr.contains("vm1 (10.77.0.3) joined: 1 of 2"), "{finished:?}");
    let closed = "connections from 10.77.0.2 are closed: --allow does not include this address";
    ensure!(finished.stderr.matches(&closed).count() == 1 && !finished.stderr.contains("vm0"), "{finished:?}");
    let finished = fleet.master(1, &conf, &["--allow", &guest])?.wait()?;
    ensure!(finished.code() == Some(0) && fleet.has_run(1) && !fleet.has_run(0), "{finished:?}");
    Ok(())
}

fn a_text_that_is_no_address_is_an_error() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let conf = fleet.conf("/bin/true\n")?;
    for text in ["10.77.0.0/33", "host", "10.77"] {
        let master = fleet.master(1, &conf, &["--allow", text])?.wait()?;
        let slave = fleet.slave(0, &["--allow", text])?.wait()?;
        for finished in [master, slave] {
            ensure!(finished.code() == Some(2) && finished.stderr.contains("10.1.0.0/16"), "{finished:?}");
        }
    }
    Ok(())
}
