//! The lab's promises: hosts reach each other and nothing else, and leave nothing behind.

mod delays;
mod ills;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::lab::harness::{self, Test};
use synexec_tests::lab::{Host, Lab, Network};
use synexec_tests::process::{PATIENCE, Process, eventually, uninterrupted};

/// Environment variable that marks the copy of this test that the test kills.
const VICTIM: &str = "SYNEXEC_LAB_SELFTEST_VICTIM";

const PORT: u16 = 5000;

const TESTS: &[(&str, Test)] = &[
    ("broadcast_reaches_all_hosts_of_a_network", broadcast_reaches_all_hosts_of_a_network),
    ("tcp_connects_hosts_of_a_network", tcp_connects_hosts_of_a_network),
    ("networks_are_apart", networks_are_apart),
    ("a_host_can_be_in_two_networks", a_host_can_be_in_two_networks),
    ("cut_makes_silence_and_restore_heals", cut_makes_silence_and_restore_heals),
    ("a_rate_can_be_limited", a_rate_can_be_limited),
    ("programs_run_on_hosts", programs_run_on_hosts),
    ("nothing_shows_in_the_machines_own_namespace", nothing_shows_in_the_machines_own_namespace),
    ("a_dropped_lab_is_gone", a_dropped_lab_is_gone),
    ("a_killed_test_leaves_nothing", a_killed_test_leaves_nothing),
];

fn main() -> ExitCode {
    if env::var_os(VICTIM).is_some() {
        return be_the_victim();
    }
    harness::main([TESTS, delays::TESTS, ills::TESTS].concat())
}

fn broadcast_reaches_all_hosts_of_a_network() -> Result<()> {
    let (_lab, network, hosts) = one_network(8)?;
    let ears = hosts.iter().skip(1).map(ear).collect::<Result<Vec<_>>>()?;
    shout(&hosts[0], &network, "hello")?;
    for ear in ears {
        let (words, from) = hear(&ear)?;
        ensure!(words == "hello" && from.ip() == hosts[0].address(), "{words:?} from {from}");
    }
    Ok(())
}

fn tcp_connects_hosts_of_a_network() -> Result<()> {
    let (_lab, _network, hosts) = one_network(2)?;
    let (mut near, mut far) = connect(&hosts[0], &hosts[1])?;
    near.write_all(b"ping")?;
    let mut received = [0; 4];
    far.read_exact(&mut received)?;
    ensure!(&received == b"ping" && far.peer_addr()?.ip() == hosts[0].address());
    Ok(())
}

fn networks_are_apart() -> Result<()> {
    let (lab, network, hosts) = one_network(2)?;
    let other = lab.network("10.77.2.0/24")?;
    let others = lab.hosts(2, &[&other])?;
    let ears = (ear(&hosts[1])?, ear(&others[1])?);

    shout(&hosts[0], &network, "one")?;
    ensure!(hear(&ears.0)?.0 == "one");
    shout(&others[0], &other, "other")?;
    let (words, _) = hear(&ears.1)?;
    ensure!(words == "other", "heard {words:?} from another network");

    let address = (others[1].address(), PORT);
    let connected = hosts[0].enter(|| TcpStream::connect(address));
    ensure!(connected.is_err(), "connected to another network");
    Ok(())
}

fn a_host_can_be_in_two_networks() -> Result<()> {
    let lab = Lab::new()?;
    let (front, back) = (lab.network("10.77.1.0/24")?, lab.network("10.77.2.0/28")?);
    let between = lab.host(&[&front, &back])?;
    let behind = lab.host(&[&back])?;
    ensure!(between.address() == Ipv4Addr::new(10, 77, 1, 1));
    ensure!(between.address_in(&back)? == Ipv4Addr::new(10, 77, 2, 1));
    ensure!(behind.address() == Ipv4Addr::new(10, 77, 2, 2));
    ensure!(behind.address_in(&front).is_err());
    ensure!(back.broadcast() == Ipv4Addr::new(10, 77, 2, 15));

    let ear = ear(&between)?;
    shout(&behind, &back, "hello")?;
    ensure!(hear(&ear)?.0 == "hello");
    Ok(())
}

fn cut_makes_silence_and_restore_heals() -> Result<()> {
    let (_lab, network, hosts) = one_network(3)?;
    let (cut, speaker, witness) = (&hosts[0], &hosts[1], &hosts[2]);
    let witness = ear(witness)?;
    cut.cut()?;
    shout(cut, &network, "lost").context("the cut host saw an error")?;
    let link = Process::spawn(cut.command("ip").args(["link", "show", "eth0"]))?.wait()?;
    ensure!(link.stdout.contains("LOWER_UP"), "the cut host saw its link go: {}", link.stdout);

    // The socket opens only now, because a host receives its own broadcasts.
    let ear = ear(cut)?;
    shout(speaker, &network, "lost to one")?;
    ensure!(hear(&witness)?.0 == "lost to one", "the cut host was heard");

    cut.restore()?;
    shout(speaker, &network, "found")?;
    ensure!(hear(&ear)?.0 == "found", "the cut host heard");
    shout(cut, &network, "heard")?;
    ensure!(hear(&witness)?.0 == "found" && hear(&witness)?.0 == "heard");
    Ok(())
}

fn a_rate_can_be_limited() -> Result<()> {
    let (_lab, _network, hosts) = one_network(2)?;
    limit_and_measure(&hosts)
}

/// Limits the second host's rate, and sends to it.
fn limit_and_measure(hosts: &[Host]) -> Result<()> {
    const BYTES: usize = 200_000;
    hosts[1].limit_rate("1mbit")?;
    hosts[1].limit_rate("8mbit").context("to set a new limit")?;
    let (mut near, mut far) = connect(&hosts[0], &hosts[1])?;

    let start = Instant::now();
    let writer = thread::spawn(move || near.write_all(&vec![0; BYTES]));
    far.read_exact(&mut vec![0; BYTES])?;
    let took = start.elapsed();
    writer.join().ok().context("the writer panicked")??;
    // The transfer takes 0.2 s at 8 Mbit/s, less the initial content of the bucket.
    ensure!(took > Duration::from_millis(150), "{BYTES} bytes took only {took:?}");
    Ok(())
}

fn programs_run_on_hosts() -> Result<()> {
    let (_lab, _network, hosts) = one_network(1)?;
    let script = "pwd; echo $$; ip -4 -brief address show eth0; exit 7";
    let process = Process::spawn(hosts[0].command("sh").args(["-c", script]))?;
    process.wait_for("10.77.1.1/24")?;
    process.wait_for(&hosts[0].dir().display().to_string())?;
    process.wait_for(&process.pid().to_string())?;
    ensure!(process.wait()?.code() == Some(7));
    Ok(())
}

fn nothing_shows_in_the_machines_own_namespace() -> Result<()> {
    let before = machine()?;
    let (lab, _network, hosts) = one_network(3)?;
    let during = machine()?;
    drop((lab, hosts));
    ensure!(before == during, "before {before:?}, with a lab {during:?}");
    ensure!(before == machine()?, "the lab left something");
    Ok(())
}

fn a_dropped_lab_is_gone() -> Result<()> {
    let (lab, _network, hosts) = one_network(2)?;
    let mut namespaces = BTreeSet::from([lab.switch().enter(own_namespace)?]);
    for host in &hosts {
        namespaces.insert(host.enter(own_namespace)?);
    }
    let directory = hosts[0].dir().to_owned();
    ensure!(namespaces.len() == 3 && namespaces == held(&namespaces), "not held: {namespaces:?}");

    drop((lab, hosts));
    // A child that another test has just forked holds the descriptors until it executes its program.
    eventually("nobody to hold them", || held(&namespaces).is_empty().then_some(()))?;
    ensure!(!directory.exists(), "{} was left", directory.display());
    Ok(())
}

fn a_killed_test_leaves_nothing() -> Result<()> {
    let victim = Process::spawn(Command::new(env::current_exe()?).env(VICTIM, "1"))?;
    let sleeper = PathBuf::from("/proc").join(victim.wait_for("sleeper ")?.replace("sleeper ", ""));
    let namespaces = namespaces_of(&PathBuf::from(format!("/proc/{}", victim.pid())));
    ensure!(namespaces.is_superset(&namespaces_of(&sleeper)), "the sleeper is not on a host");
    // The switch, two hosts, and the machine's own.
    ensure!(namespaces.len() == 4, "{namespaces:?}");

    victim.signal(Signal::SIGKILL)?;
    victim.wait()?;
    let lab = &namespaces - &BTreeSet::from([own_namespace()?]);
    eventually("all processes of the killed test to go", || held(&lab).is_empty().then_some(()))?;
    ensure!(namespaces_of(&sleeper).is_empty(), "the sleeper survived");
    Ok(())
}

/// Keeps a lab with a program until this process is killed.
fn be_the_victim() -> ExitCode {
    let lab = one_network(2).and_then(|(lab, network, hosts)| {
        let sleeper = Process::spawn(hosts[1].command("sleep").arg("infinity"))?;
        let sleeping = format!("/proc/{}/comm", sleeper.pid());
        eventually("sleep", || fs::read(&sleeping).is_ok_and(|name| name == b"sleep\n").then_some(()))?;
        println!("sleeper {}", sleeper.pid());
        Ok((lab, network, hosts, sleeper))
    });
    match lab {
        Ok(_) => loop {
            thread::park();
        },
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

fn one_network(hosts: usize) -> Result<(Lab, Network, Vec<Host>)> {
    let lab = Lab::new()?;
    let network = lab.network("10.77.1.0/24")?;
    let hosts = lab.hosts(hosts, &[&network])?;
    Ok((lab, network, hosts))
}

fn ear(host: &Host) -> Result<UdpSocket> {
    let ear = host.enter(|| UdpSocket::bind(("0.0.0.0", PORT)))?;
    ear.set_read_timeout(Some(PATIENCE))?;
    Ok(ear)
}

fn hear(ear: &UdpSocket) -> Result<(String, SocketAddr)> {
    let mut buffer = [0; 64];
    let (length, from) = uninterrupted(|| ear.recv_from(&mut buffer)).context("heard nothing")?;
    Ok((String::from_utf8_lossy(&buffer[..length]).into_owned(), from))
}

fn shout(host: &Host, network: &Network, words: &str) -> Result<()> {
    let mouth = host.enter(|| UdpSocket::bind("0.0.0.0:0"))?;
    mouth.set_broadcast(true)?;
    mouth.send_to(words.as_bytes(), (network.broadcast(), PORT))?;
    Ok(())
}

fn connect(from: &Host, to: &Host) -> Result<(TcpStream, TcpStream)> {
    let listener = to.enter(|| TcpListener::bind("0.0.0.0:0"))?;
    let address = (to.address(), listener.local_addr()?.port());
    let near = from.enter(|| TcpStream::connect(address))?;
    let (far, _) = listener.accept()?;
    far.set_read_timeout(Some(PATIENCE))?;
    Ok((near, far))
}

/// The network as this test's namespace shows it: interfaces, addresses, routes, named namespaces.
fn machine() -> Result<Vec<String>> {
    let mut seen = vec![fs::read_to_string("/proc/thread-self/net/fib_trie")?];
    let interfaces = fs::read_to_string("/proc/thread-self/net/dev")?;
    seen.extend(interfaces.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())));
    let named = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    seen.extend(named.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    Ok(seen)
}

fn own_namespace() -> Result<PathBuf> {
    Ok(fs::read_link("/proc/thread-self/ns/net")?)
}

/// The namespaces that some process is in or has open.
fn held(namespaces: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let used = processes.flat_map(|process| namespaces_of(&process.path()));
    used.filter(|used| namespaces.contains(used)).collect()
}

/// The network namespaces a process is in or has open; none for a process that has ended.
fn namespaces_of(process: &Path) -> BTreeSet<PathBuf> {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let paths = open.map(|entry| entry.path()).chain([process.join("ns/net")]);
    let targets = paths.filter_map(|path| fs::read_link(path).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("net:[")).collect()
}
