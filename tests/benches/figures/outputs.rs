//! Fetching large outputs of four slaves, against four plain TCP copies of as many bytes, into files alike.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use synexec_tests::process::Process;
use synexec_tests::programs;

use crate::copies::copy_to_all;
use crate::one_host::OneHost;
use crate::results::{Line, Results, median};

const SLAVES: usize = 4;
const LENGTH: usize = 256 << 20;
const TRIALS: usize = 3;

/// Interval at which the benchmark reads the master's memory. Each read takes time from the master.
const PAUSE: Duration = Duration::from_millis(5);

/// Size of the small outputs, whose memory use is compared with that for large outputs.
const SMALL: usize = 1 << 20;

/// The time and memory of a session.
struct Fetch {
    seconds: f64,
    /// Peak memory of the master, in kilobytes.
    memory: u64,
}

/// Measures both ways in turn.
pub fn run(results: &mut Results) -> Result<()> {
    let host = OneHost::new(SLAVES)?;
    let source = host.host.dir().join("source");
    fs::write(&source, vec![b'x'; SMALL])?;
    let small = fetch(&host, &source)?;
    fs::write(&source, vec![b'x'; LENGTH])?;
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..TRIALS {
        plain.push(host.host.enter(|| copy_to_all(SLAVES, &source, host.host.dir()))?);
        ours.push(fetch(&host, &source)?);
    }
    let seconds: Vec<f64> = ours.iter().map(|fetch| fetch.seconds).collect();
    let ratio = median(&plain) / median(&seconds);
    results.add(Line {
        work: "outputs of 4 slaves, 256 MiB each".into(),
        what: "rate",
        figure: format!("{ratio:.2} × plain"),
        must: "≥ 0.5 × plain".into(),
        met: ratio >= 0.5,
        compared: format!("plain {:.2} s, ours {:.2} s", median(&plain), median(&seconds)),
        samples: json!({"plain": plain, "ours": seconds}),
    });
    let memory = ours.iter().map(|fetch| fetch.memory).max().unwrap_or_default();
    let megabytes = |kilobytes| Ok::<_, anyhow::Error>(f64::from(u32::try_from(kilobytes)?) / 1e3);
    let (large, small) = (megabytes(memory)?, megabytes(small.memory)?);
    results.add(Line {
        work: "outputs of 4 slaves, 256 MiB each".into(),
        what: "master's memory",
        figure: format!("{large:.1} MB"),
        must: "flat: ≤ 32 MB more than for 1 MiB each".into(),
        met: large - small <= 32.0,
        compared: format!("1 MiB each {small:.1} MB"),
        samples: json!(ours.iter().map(|fetch| fetch.memory).collect::<Vec<_>>()),
    });
    Ok(())
}

/// From the end of the last task to that of the master.
fn fetch(host: &OneHost, source: &Path) -> Result<Fetch> {
    let conf = host.conf(format!("/bin/cat {}\n", source.display()))?;
    let outputs = host.host.dir().join("outputs");
    host.wait_until_listening()?;
    let mut command = host.host.command(programs::master());
    command.args(["-i", "lo", "-o"]).arg(&outputs).arg(SLAVES.to_string()).arg(conf);
    let master = Process::spawn(&mut command)?;
    master.wait_for("fetching the outputs")?;
    let since = Instant::now();
    let mut memory = 0;
    // The figure does not exist after the end of the process.
    while let Ok(peak) = master.status_kilobytes("VmHWM") {
        memory = peak;
        thread::sleep(PAUSE);
    }
    let finished = master.wait()?;
    let seconds = since.elapsed().as_secs_f64();
    ensure!(finished.code() == Some(0), "{finished:?}");
    let length = fs::metadata(source)?.len();
    for output in fs::read_dir(&outputs)? {
        ensure!(output?.metadata()?.len() == length, "an output is not whole");
    }
    fs::remove_dir_all(&outputs).context("the outputs")?;
    Ok(Fetch { seconds, memory })
}
