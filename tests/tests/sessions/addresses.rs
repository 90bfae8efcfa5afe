//! Hosts with several addresses on one interface, or with none of IPv4.

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, row};
use synexec_tests::lab::Host;
use synexec_tests::lab::harness::Test;

pub const TESTS: &[(&str, Test)] = &[
    ("addresses::a_master_with_a_link_local_address_is_found", a_master_with_a_link_local_address_is_found),
    ("addresses::a_slave_with_a_link_local_address_joins", a_slave_with_a_link_local_address_joins),
    ("addresses::slaves_of_each_network_of_an_interface_join", slaves_of_each_network_of_an_interface_join),
    ("addresses::a_master_is_tried_at_its_other_address", a_master_is_tried_at_its_other_address),
    ("addresses::a_name_with_several_addresses_is_tried_at_each", a_name_with_several_addresses_is_tried_at_each),
    ("addresses::a_host_with_only_ipv6_says_what_it_waits_for", a_host_with_only_ipv6_says_what_it_waits_for),
];

/// Gives the host these addresses, in this order.
fn readdress(host: &Host, addresses: &[&str]) -> Result<()> {
    let add = |address: &&str| format!("address add {address} brd + dev eth0\n");
    host.ip(&format!("address flush dev eth0\n{}", addresses.iter().map(add).collect::<String>()))
}

fn a_master_with_a_link_local_address_is_found() -> Result<()> {
    let fleet = Fleet::new(1)?;
    readdress(&fleet.control, &["169.254.5.5/16", "10.77.0.1/16"])?;
    let slave = fleet.listening_slave(0, &["-i", "eth0"])?;
    let finished = fleet.master(1, &fleet.conf("/bin/true\n")?, &["-i", "eth0"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    slave.wait_for("connected to master 10.77.0.1:5165")?;
    Ok(())
}

fn a_slave_with_a_link_local_address_joins() -> Result<()> {
    let fleet = Fleet::new(1)?;
    readdress(&fleet.guests[0], &["169.254.5.5/16", "10.77.0.2/16"])?;
    let _slave = fleet.listening_slave(0, &["-i", "eth0"])?;
    let finished = fleet.master(1, &fleet.conf("/bin/true\n")?, &["-i", "eth0"])?.wait()?;
    ensure!(finished.code() == Some(0) && row(&finished, "vm0")?.contains("10.77.0.2"), "{finished:?}");
    Ok(())
}

fn slaves_of_each_network_of_an_interface_join() -> Result<()> {
    let fleet = Fleet::new(2)?;
    readdress(&fleet.control, &["10.77.0.1/16", "10.78.0.1/16"])?;
    readdress(&fleet.guests[1], &["10.78.0.3/16"])?;
    let _slaves = fleet.slaves(&["-i", "eth0"])?;
    let finished = fleet.master(2, &fleet.conf("/bin/true\n")?, &["-i", "eth0"])?.wait()?;
    ensure!(finished.code() == Some(0) && row(&finished, "vm1")?.contains("10.78.0.3"), "{finished:?}");
    Ok(())
}

/// The first probe comes from an address to which the guest has no route.
fn a_master_is_tried_at_its_other_address() -> Result<()> {
    let fleet = Fleet::new(1)?;
    readdress(&fleet.control, &["192.168.77.1/24", "10.77.0.1/16"])?;
    let slave = fleet.slave(0, &[])?;
    fleet.serves_a_session()?;
    ensure!(slave.output_so_far().contains("192.168.77.1"), "{}", slave.output_so_far());
    Ok(())
}

/// The first address of the master's name belongs to no host.
fn a_name_with_several_addresses_is_tried_at_each() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let hosts = fleet.guests[0].dir().join("hosts");
    std::fs::write(&hosts, "10.77.0.3 control\n10.77.0.1 control\n")?;
    let own_hosts = format!("mount --bind {} /etc/hosts && exec \"$0\" \"$@\"", hosts.display());
    let wrapper = ["unshare", "--mount", "sh", "-c", &own_hosts];
    let slave = fleet.slave_through(0, &wrapper, &["-m", "control"])?;
    fleet.serves_a_session()?;
    slave.wait_for("connected to master 10.77.0.1:5165")?;
    Ok(())
}

fn a_host_with_only_ipv6_says_what_it_waits_for() -> Result<()> {
    let fleet = Fleet::new(1)?;
    for (host, address) in [(&fleet.control, "fd77::1/64"), (&fleet.guests[0], "fd77::2/64")] {
        host.ip(&format!("address flush dev eth0\naddress add {address} dev eth0 nodad"))?;
    }
    let any = "waiting for an IPv4 address: no interface that is up has one, except loopback; only IPv4 is supported";
    let named = "waiting for an IPv4 address on the interface `eth0`, which has none; only IPv4 is supported";
    let conf = fleet.conf("/bin/true\n")?;
    let refused = fleet.master(1, &conf, &["-i", "eth0", "--wait", "1"])?.wait()?;
    ensure!(refused.code() == Some(3) && refused.stderr.contains(named), "{refused:?}");
    let dialling = fleet.slave(0, &["-m", "10.77.0.1"])?;
    dialling.wait_for(any)?;
    drop(dialling);

    let slave = fleet.slave(0, &[])?;
    slave.wait_for(any)?;
    let master = fleet.master(1, &conf, &[])?;
    master.wait_for(any)?;
    fleet.control.ip("address add 10.77.0.1/16 brd + dev eth0")?;
    fleet.guests[0].ip("address add 10.77.0.2/16 brd + dev eth0")?;
    slave.wait_for("the interface `eth0` is there, with 10.77.0.2")?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(())
}
