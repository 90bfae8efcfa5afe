//! A host on two networks.

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, master_on, row, slave_on};
use synexec_tests::lab::harness::Test;
use synexec_tests::lab::{Host, Lab};

pub const TESTS: &[(&str, Test)] = &[
    ("interfaces::a_master_uses_the_interface_it_is_given", a_master_uses_the_interface_it_is_given),
    ("interfaces::a_slave_uses_the_interface_it_is_given", a_slave_uses_the_interface_it_is_given),
    ("interfaces::limited_broadcast_alone_is_enough", limited_broadcast_alone_is_enough),
];

struct TwoNetworks {
    both: Host,
    left: Host,
    right: Host,
    _lab: Lab,
}

fn two_networks() -> Result<TwoNetworks> {
    let lab = Lab::new()?;
    let (left, right) = (lab.network("10.1.0.0/24")?, lab.network("10.2.0.0/24")?);
    Ok(TwoNetworks {
        both: lab.host(&[&left, &right])?,
        left: lab.host(&[&left])?,
        right: lab.host(&[&right])?,
        _lab: lab,
    })
}

fn true_conf(host: &Host) -> Result<std::path::PathBuf> {
    let conf = host.dir().join("job.conf");
    std::fs::write(&conf, "/bin/true\n")?;
    Ok(conf)
}

fn a_master_uses_the_interface_it_is_given() -> Result<()> {
    let hosts = two_networks()?;
    let _slaves = [slave_on(&hosts.left, "left", &[])?, slave_on(&hosts.right, "right", &[])?];
    let conf = true_conf(&hosts.both)?;
    for (options, slaves, expected) in
        [(&["-i", "eth0"][..], 1, &["left"][..]), (&["-i", "eth1"], 1, &["right"]), (&[], 2, &["left", "right"])]
    {
        let finished = master_on(&hosts.both, slaves, &conf, options)?.wait()?;
        ensure!(finished.code() == Some(0), "{finished:?}");
        for name in expected {
            row(&finished, name)?;
        }
    }
    let finished = master_on(&hosts.both, 2, &conf, &["-i", "eth1", "--wait", "2"])?.wait()?;
    ensure!(finished.code() == Some(3) && !finished.stdout.contains("left"), "{finished:?}");
    Ok(())
}

fn a_slave_uses_the_interface_it_is_given() -> Result<()> {
    let hosts = two_networks()?;
    let slave = slave_on(&hosts.both, "both", &["-i", "eth1"])?;
    let conf = true_conf(&hosts.left)?;
    let unheard = master_on(&hosts.left, 1, &conf, &["--wait", "2"])?.wait()?;
    ensure!(unheard.code() == Some(3), "{unheard:?}");
    let heard = master_on(&hosts.right, 1, &conf, &[])?.wait()?;
    ensure!(heard.code() == Some(0) && row(&heard, "both")?.contains("10.2.0.1"), "{heard:?}");
    ensure!(!slave.output_so_far().contains("10.1.0."), "{}", slave.output_so_far());
    Ok(())
}

fn limited_broadcast_alone_is_enough() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(2, &fleet.conf("/bin/true\n")?, &["-b"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(())
}
