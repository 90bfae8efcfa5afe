//! The ways to bring a session into each phase.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, wait_until_listening};
use synexec_tests::lab::{Host, SmallDisk, WallClock};
use synexec_tests::process::{Process, eventually};
use synexec_tests::{programs, report};

use crate::cell::{Cell, Fault, Phase};
use crate::scene::{SLAVES, SPARE, Scene};

/// A task that leaves a process behind, waits for its cue, and writes.
const TASK: &str = "/bin/sh :CONF:\n\
    echo ran || exit 9\n\
    setsid sleep 1000 >/dev/null 2>&1 &\n\
    until [ -e go ]; do [ -d \"$PWD\" ] || exit 8; sleep 0.05; done\n";

/// Bytes of a conf or an output whose transfer takes some seconds at [`NARROW`].
const MUCH: usize = 2 << 20;
const NARROW: &str = "2mbit";

/// Bytes of a transfer for faults with loss or delay, where the path later gets [`WIDE`].
const LESS: usize = 512 << 10;
const NARROWER: &str = "512kbit";
const WIDE: &str = "1gbit";

/// Delay of another guest, each way, which puts a second between the last word and the instant.
const FAR: Duration = Duration::from_millis(500);

/// Padding that does not fit into one page of a disk with the preceding words.
const LITTLE: usize = 8192;

/// Starts a session, and brings it into the phase.
pub fn reach(cell: Cell) -> Result<Scene> {
    let fleet = Fleet::new(if cell.phase == Phase::Joining { SPARE + 1 } else { SLAVES })?;
    let here = if cell.phase == Phase::Joining { SLAVES - 1 } else { SLAVES };
    let clock = match cell.fault {
        Fault::ClockStepped => Some(WallClock::new(fleet.guests[0].dir())?),
        _ => None,
    };
    let mut slaves = vec![Some(first_slave(&fleet, cell, clock.as_ref())?)];
    for guest in 1..here {
        slaves.push(Some(fleet.slave(guest, Scene::options(cell))?));
    }
    slaves.iter().flatten().try_for_each(wait_until_listening)?;
    slaves.resize_with(fleet.guests.len(), || None);
    narrow(&fleet, cell)?;
    let master = start_master(&fleet, cell)?;
    let mut scene = Scene { cell, fleet, slaves, master, disk: None, clock };
    if cell.phase < Phase::Told || cell.phase == Phase::Fetching {
        (0..scene.fleet.guests.len()).try_for_each(|guest| scene.let_go(guest))?;
    }
    scene.master.wait_for(&format!("joined: {here} of {SLAVES}"))?;
    scene.disk = disk(&scene)?;
    go_on(&scene)?;
    Ok(scene)
}

/// The disk that the fault fills. In the fetching phase it is the master's.
fn disk(scene: &Scene) -> Result<Option<SmallDisk>> {
    let Fleet { control, guests, .. } = &scene.fleet;
    Ok(match (scene.cell.fault, scene.cell.phase) {
        (Fault::DiskFull, Phase::Fetching) => Some(SmallDisk::of(&scene.master, &outputs(control))),
        (Fault::DiskFull, _) => Some(SmallDisk::of(scene.slave(0)?, guests[0].dir())),
        _ => None,
    })
}

/// The directory of the master's outputs.
fn outputs(control: &Host) -> PathBuf {
    control.dir().join("out")
}

fn first_slave(fleet: &Fleet, cell: Cell, clock: Option<&WallClock>) -> Result<Process> {
    let wrapper = match clock {
        Some(clock) => clock.wrapper().to_vec(),
        None if cell.fault == Fault::DiskFull && cell.phase != Phase::Fetching => {
            SmallDisk::wrapper(fleet.guests[0].dir())
        }
        None => Vec::new(),
    };
    let words: Vec<_> = wrapper.iter().map(String::as_str).collect();
    fleet.slave_through(0, &words, Scene::options(cell))
}

/// The network path that keeps the session in the phase. With a distant guest, the last word goes out this much
/// earlier.
fn narrow(fleet: &Fleet, cell: Cell) -> Result<()> {
    let rate = if bulk(cell) == LESS { NARROWER } else { NARROW };
    match cell.phase {
        Phase::Configuring => fleet.guests[0].limit_rate(rate),
        Phase::Holding => fleet.guests[1].limit_rate(rate),
        Phase::Told => fleet.guests[1].delay(FAR),
        Phase::Fetching => fleet.control.limit_rate(rate),
        _ => Ok(()),
    }
}

fn start_master(fleet: &Fleet, cell: Cell) -> Result<Process> {
    let own: &[&str] = match (cell.phase, cell.fault) {
        (Phase::Joining, Fault::MasterCutOff) => &["--wait", "8"],
        (Phase::Confirmed, _) => &["--lead", "5000"],
        (Phase::Fetching, _) => &["-o", "out"],
        _ => &[],
    };
    let options = [Scene::options(cell), own].concat();
    let conf = conf(fleet, cell)?;
    if cell.phase == Phase::Fetching && cell.fault == Fault::DiskFull {
        return master_on_small_disk(&fleet.control, &conf, &options);
    }
    fleet.master(SLAVES, &conf, &options)
}

fn master_on_small_disk(control: &Host, conf: &Path, options: &[&str]) -> Result<Process> {
    fs::create_dir(outputs(control))?;
    let mut command = control.command("env");
    command.args(SmallDisk::wrapper(&outputs(control))).arg(programs::master()).args(["-v", "--json"]);
    Process::spawn(command.arg(report::file(control)).args(options).arg(SLAVES.to_string()).arg(conf))
}

/// Widens the narrow path.
pub fn widen(scene: &Scene) -> Result<()> {
    let Fleet { control, guests, .. } = &scene.fleet;
    match scene.cell.phase {
        Phase::Configuring => guests[0].limit_rate(WIDE),
        Phase::Holding => guests[1].limit_rate(WIDE),
        Phase::Fetching => control.limit_rate(WIDE),
        _ => Ok(()),
    }
}

/// Number of bytes that cross the narrow path.
fn bulk(cell: Cell) -> usize {
    if matches!(cell.fault, Fault::Loss | Fault::Delay) { LESS } else { MUCH }
}

/// The bytes that the task writes besides its words.
pub fn written(cell: Cell, guest: usize) -> usize {
    match cell.phase {
        Phase::Fetching if guest == 0 => bulk(cell),
        // The outputs of the other guests must get through at the same time.
        Phase::Fetching => 0,
        // More than the room that the slave has reserved before the start.
        _ if cell.fault == Fault::DiskFull && guest == 0 => MUCH,
        _ => LITTLE,
    }
}

fn conf(fleet: &Fleet, cell: Cell) -> Result<PathBuf> {
    let (first, others) = (written(cell, 0), written(cell, 1));
    let end = format!(
        "bytes={others}; [ $SYNEXEC_NAME = vm0 ] && bytes={first}\n\
         head -c $bytes /dev/zero || exit 9\n\
         echo done || exit 9\n\
         exit 0\n"
    );
    let padding = if matches!(cell.phase, Phase::Configuring | Phase::Holding) { bulk(cell) } else { 0 };
    fleet.conf([TASK.as_bytes(), end.as_bytes(), &vec![b'#'; padding]].concat())
}

/// Brings the session from the complete set of slaves into the phase.
fn go_on(scene: &Scene) -> Result<()> {
    match scene.cell.phase {
        Phase::Joining => Ok(()),
        Phase::Configuring => accepted(scene, [1, 2], 0),
        Phase::Holding => accepted(scene, [0, 2], 1),
        Phase::Confirmed => scene.master.wait_for_count(") is ready to start", SLAVES).map(drop),
        Phase::Told => scene.master.wait_for("the task starts").map(drop),
        Phase::Running => run(scene),
        Phase::Unreported => run(scene).and_then(|()| end_unheard(scene)),
        Phase::Fetching => fetch(scene),
    }
}

fn accepted(scene: &Scene, done: [usize; 2], not_yet: usize) -> Result<()> {
    for guest in done {
        scene.master.wait_for(&format!("{} accepted", label(scene, guest)))?;
    }
    let too_late = scene.master.output_so_far().contains(&format!("{} accepted", label(scene, not_yet)));
    ensure!(!too_late, "the way to vm{not_yet} was not narrow enough");
    Ok(())
}

fn run(scene: &Scene) -> Result<()> {
    scene.master.wait_for("the task starts")?;
    (0..SLAVES).try_for_each(|guest| scene.wait_until_running(guest))
}

fn end_unheard(scene: &Scene) -> Result<()> {
    scene.fleet.guests[0].cut()?;
    (0..SLAVES).try_for_each(|guest| scene.let_go(guest))?;
    scene.slave(0)?.wait_for("task ended: exited 0")?;
    let is_sent = || scene.fleet.guests[0].unacknowledged().is_ok_and(|bytes| bytes > 0).then_some(());
    eventually("the report of vm0 to be on its way", is_sent)?;
    for guest in 1..SLAVES {
        scene.master.wait_for(&format!("{} exited 0", label(scene, guest)))?;
    }
    Ok(())
}

fn fetch(scene: &Scene) -> Result<()> {
    for guest in 1..SLAVES {
        scene.master.wait_for(&format!("{}: output fetched", label(scene, guest)))?;
    }
    let begun = || scene.fleet.control.dir().join("out").exists().then_some(());
    eventually("the first of the output", begun)
}

/// The name that the master gives the slave.
pub fn label(scene: &Scene, guest: usize) -> String {
    format!("vm{guest} ({})", scene.fleet.guests[guest].address())
}
