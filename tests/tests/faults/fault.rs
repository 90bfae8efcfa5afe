//! The ways to cause each fault and to mend it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::process::eventually;

use crate::cell::{Cell, Fault, Outcome, Phase};
use crate::phase::widen;
use crate::scene::{SLAVES, SPARE, Scene};

const PAUSE: Duration = Duration::from_secs(10);

/// Silence after which the master probes a slave that has joined.
const SILENCE: Duration = Duration::from_millis(1500);

const LOST_PERCENT: u8 = 20;
const EACH_WAY: Duration = Duration::from_millis(200);
const STEP_SECONDS: i64 = 3600;

/// Brings a session into the phase, causes the fault, and then lets the session get to its end. Returns the scene and
/// the time of the fault, or none if the phase was over before the fault.
pub fn strike(cell: Cell) -> Result<Option<(Scene, Instant)>> {
    let mut scene = Scene::set(cell)?;
    let at = Instant::now();
    come(&scene)?;
    if cell.phase == Phase::Told && !scene.output(0).is_empty() {
        return Ok(None);
    }
    match cell.phase {
        Phase::Joining => complete(&mut scene)?,
        Phase::Told | Phase::Running => give_cues(&scene)?,
        _ => {}
    }
    if cell.fault == Fault::SlavePaused {
        // The pause itself is the fault, so there is no condition to wait for.
        thread::sleep(PAUSE.saturating_sub(at.elapsed()));
        scene.fleet.guests[0].resume()?;
    } else if cell.phase == Phase::Unreported && cell.fault != Fault::SlaveCutOff {
        scene.fleet.guests[0].restore()?;
    }
    Ok(Some((scene, at)))
}

fn come(scene: &Scene) -> Result<()> {
    let vm0 = &scene.fleet.guests[0];
    match scene.cell.fault {
        Fault::SlaveKilled => scene.slave(0)?.signal(Signal::SIGKILL),
        Fault::SlaveCutOff => vm0.cut(),
        Fault::SlavePaused => vm0.pause(),
        Fault::MasterKilled => scene.master.signal(Signal::SIGKILL),
        Fault::MasterCutOff => scene.fleet.control.cut(),
        Fault::Reset => {
            let reset = vm0.reset_connections()?;
            ensure!(reset == 1, "{reset} connections of vm0");
            Ok(())
        }
        Fault::Forgotten => {
            let forgotten = vm0.forget_connections()?;
            ensure!(forgotten == 1, "{forgotten} connections of vm0");
            Ok(())
        }
        Fault::Loss => vm0.lose(LOST_PERCENT).and_then(|()| widen(scene)),
        Fault::Delay => vm0.delay(EACH_WAY).and_then(|()| widen(scene)),
        Fault::DiskFull => scene.disk.as_ref().context("no disk")?.fill(),
        Fault::ClockStepped => scene.clock.as_ref().context("no clock")?.step(STEP_SECONDS),
    }
}

/// Starts the remaining slaves, if a master waits for them.
fn complete(scene: &mut Scene) -> Result<()> {
    if matches!(scene.cell.fault, Fault::MasterKilled | Fault::MasterCutOff) {
        return Ok(());
    }
    if matches!(scene.cell.fault, Fault::SlaveCutOff | Fault::Forgotten) {
        // If the set were complete earlier, the master would not probe the slave again.
        thread::sleep(SILENCE);
    }
    scene.start_slave(SLAVES - 1)?;
    if scene.cell.outcome == Outcome::Replaced { scene.start_slave(SPARE) } else { Ok(()) }
}

/// Ends the tasks that are expected to end.
fn give_cues(scene: &Scene) -> Result<()> {
    let first = match scene.cell.fault {
        Fault::MasterKilled | Fault::MasterCutOff => return Ok(()),
        Fault::SlaveKilled | Fault::SlaveCutOff => 1,
        Fault::Reset => {
            let again = || scene.fleet.guests[0].connections().is_ok_and(|standing| standing == 1).then_some(());
            eventually("the connection of vm0 to be taken up again", again)?;
            0
        }
        _ => 0,
    };
    (first..SLAVES).try_for_each(|guest| scene.let_go(guest))
}

/// Mends the fault.
pub fn repair(scene: &mut Scene) -> Result<()> {
    widen(scene)?;
    match scene.cell.fault {
        Fault::SlaveKilled => scene.start_slave(0),
        Fault::SlaveCutOff => scene.fleet.guests[0].restore(),
        Fault::MasterCutOff => scene.fleet.control.restore(),
        Fault::Loss => scene.fleet.guests[0].lose(0),
        Fault::DiskFull if scene.cell.phase == Phase::Fetching => Ok(()), // The disk went with the master.
        Fault::DiskFull => scene.disk.as_ref().context("no disk")?.clear(),
        Fault::ClockStepped => scene.clock.as_ref().context("no clock")?.step(0),
        Fault::SlavePaused | Fault::MasterKilled | Fault::Reset | Fault::Forgotten | Fault::Delay => Ok(()),
    }
}
