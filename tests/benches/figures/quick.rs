//! Duration of sessions with an empty task, delay until an end is told, and memory for many slaves.

use std::path::Path;
use std::time::{Instant, SystemTime};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use synexec_tests::process::Process;

use crate::one_host::OneHost;
use crate::results::{Line, Results, median};
use crate::stamp;

const SESSIONS: usize = 7;

/// Peak memory in kilobytes of the master and of a slave, with a thousand slaves on one host.
const MEMORY: [u64; 2] = [40_000, 4_000];

/// Runs all of it.
pub fn run(program: &Path, results: &mut Results) -> Result<()> {
    for (slaves, most) in [(8, 0.15), (64, 0.25), (250, 0.6), (1000, 2.5)] {
        let host = OneHost::new(slaves)?;
        sessions(&host, most, results)?;
        match slaves {
            8 => ends(&host, program, results)?,
            1000 => memory(&host, results)?,
            _ => {}
        }
    }
    Ok(())
}

fn sessions(host: &OneHost, most: f64, results: &mut Results) -> Result<()> {
    let conf = host.conf("/bin/true\n")?;
    session(host, &conf)?;
    let seconds = (0..SESSIONS).map(|_| session(host, &conf)).collect::<Result<Vec<_>>>()?;
    let taken = median(&seconds);
    let work = format!("/bin/true on {} slaves that listen", host.slaves.len());
    let (figure, limit) = (format!("{taken:.3} s"), format!("≤ {most} s"));
    results.add(line(work, "session", figure, limit, taken <= most, json!(seconds)));
    Ok(())
}

fn session(host: &OneHost, conf: &Path) -> Result<f64> {
    host.wait_until_listening()?;
    let since = Instant::now();
    let finished = host.master(conf, "-q")?.wait()?;
    let taken = since.elapsed().as_secs_f64();
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(taken)
}

/// From the last of a task's instructions to the line that tells its end. All tasks end within moments of each other, so
/// the first line is held against the first end.
fn ends(host: &OneHost, program: &Path, results: &mut Results) -> Result<()> {
    let conf = host.conf(format!("{}\n", program.display()))?;
    let millis = (0..SESSIONS).map(|_| end_to_line(host, &conf)).collect::<Result<Vec<_>>>()?;
    let taken = median(&millis);
    let figure = format!("{taken:.2} ms");
    results.add(line("8 slaves".into(), "end to its line", figure, "≤ 5 ms".into(), taken <= 5.0, json!(millis)));
    Ok(())
}

fn end_to_line(host: &OneHost, conf: &Path) -> Result<f64> {
    host.wait_until_listening()?;
    let master = host.master(conf, "-v")?;
    master.wait_for("exited 0 after")?;
    let told = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    master.wait()?;
    let stamps = (0..host.slaves.len()).map(|slave| stamp::read(&host.work_dir(slave).join("synexec.out")));
    let stamps = stamps.collect::<Result<Vec<_>>>()?;
    let ended = stamps.iter().map(|stamp| stamp.ended).min().unwrap_or_default();
    Ok(stamp::micros(i64::try_from(told.as_nanos())? - ended) / 1e3)
}

fn memory(host: &OneHost, results: &mut Results) -> Result<()> {
    // The last task keeps the session open while the benchmark reads the ends of the others.
    let conf = host.conf("/bin/sh :CONF:\nif [ $SYNEXEC_RANK = 0 ]; then sleep 5; fi\n")?;
    host.wait_until_listening()?;
    let master = host.master(&conf, "-v")?;
    master.wait_for_count("exited 0 after", host.slaves.len() - 1)?;
    let peak = |process: &Process| process.status_kilobytes("VmHWM");
    let of_master = peak(&master)?;
    let of_slaves = host.slaves.iter().map(peak).collect::<Result<Vec<_>>>()?;
    master.wait()?;
    let largest = of_slaves.iter().copied().max().unwrap_or_default();
    for (what, peak, most) in [("master", of_master, MEMORY[0]), ("largest slave", largest, MEMORY[1])] {
        let figure = format!("{:.1} MB", f64::from(u32::try_from(peak)?) / 1e3);
        let (work, limit) = ("peak memory, 1000 slaves on one host".to_owned(), format!("≤ {} MB", most / 1000));
        results.add(line(work, what, figure, limit, peak <= most, json!(peak)));
    }
    Ok(())
}

fn line(work: String, what: &'static str, figure: String, must: String, met: bool, samples: Value) -> Line {
    Line { work, what, figure, must, met, compared: String::new(), samples }
}
