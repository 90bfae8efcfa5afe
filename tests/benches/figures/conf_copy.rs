//! A large conf to four slaves, against four plain TCP copies of as many bytes, into files alike.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::copies::copy_to_all;
use crate::one_host::OneHost;
use crate::results::{Line, Results, median};

const SLAVES: usize = 4;
const LENGTH: usize = 256 << 20;
const TRIALS: usize = 3;

/// Measures both ways in turn.
pub fn run(results: &mut Results) -> Result<()> {
    let host = OneHost::new(SLAVES)?;
    let conf = host.conf([&b"/bin/true :CONF:\n"[..], &vec![b'x'; LENGTH]].concat())?;
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..TRIALS {
        plain.push(host.host.enter(|| copy_to_all(SLAVES, &conf, host.host.dir()))?);
        ours.push(session(&host, &conf)?);
    }
    let ratio = median(&plain) / median(&ours);
    let figure = format!("{ratio:.2} × plain");
    let compared = format!("plain {:.2} s, ours {:.2} s", median(&plain), median(&ours));
    let samples = json!({"plain": plain, "ours": ours});
    let (work, must) = ("conf of 256 MiB to 4 slaves".to_owned(), "≥ 0.5 × plain".to_owned());
    results.add(Line { work, what: "rate", figure, must, met: ratio >= 0.5, compared, samples });
    Ok(())
}

fn session(host: &OneHost, conf: &Path) -> Result<f64> {
    host.wait_until_listening()?;
    let since = Instant::now();
    let finished = host.master(conf, "-q")?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(since.elapsed().as_secs_f64())
}
