//! Time until a browser shows a page of a thousand slaves.

use anyhow::{Result, ensure};
use serde_json::json;
use synexec_tests::browser::Browser;
use synexec_tests::process::Process;
use synexec_tests::programs;

use crate::one_host::OneHost;
use crate::results::{Line, Results, median};

const SLAVES: usize = 1000;
const TRIALS: usize = 5;

/// More than the page shows of each output.
const TASK: &str = "/bin/sh :CONF:\nyes $SYNEXEC_RANK | head -c 6000\n";

/// A session, and its page opened by a browser that was just started and by one that has opened it before.
pub fn run(results: &mut Results) -> Result<()> {
    let host = OneHost::new(SLAVES)?;
    host.wait_until_listening()?;
    let page = host.host.dir().join("report.html");
    let mut command = host.host.command(programs::master());
    command.args(["-q", "-i", "lo", "--html"]).arg(&page).arg(SLAVES.to_string()).arg(host.conf(TASK)?);
    let finished = Process::spawn(&mut command)?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let mut seconds = Vec::new();
    for _ in 0..TRIALS {
        let browser = Browser::start()?;
        seconds.push(browser.open(&page)?.as_secs_f64());
        browser.ensure_content()?;
        let rows = browser.texts("#slaves tbody tr[data-rank] .col-rank")?.len();
        ensure!(rows == SLAVES, "{rows} rows");
    }
    let taken = median(&seconds);
    results.add(Line {
        work: "page of 1000 slaves, with the ends of outputs".into(),
        what: "opened",
        figure: format!("{taken:.2} s"),
        must: "≤ 2 s".into(),
        met: taken <= 2.0,
        compared: format!("{:.1} MB", f64::from(u32::try_from(std::fs::metadata(&page)?.len())?) / 1e6),
        samples: json!(seconds),
    });
    Ok(())
}
