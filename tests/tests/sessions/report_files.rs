//! The files of reports: their places, and the page for a browser.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;
use synexec_tests::fleet::{Fleet, left_in, slave_on};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Process, eventually};
use synexec_tests::programs;
use synexec_tests::report;

pub const TESTS: &[(&str, Test)] = &[
    ("report_files::a_page_is_one_file_that_no_name_breaks", a_page_is_one_file_that_no_name_breaks),
    ("report_files::one_that_cannot_be_written_is_told_first", one_that_cannot_be_written_is_told_first),
    ("report_files::an_old_one_is_replaced_by_a_whole_one_only", an_old_one_is_replaced_by_a_whole_one_only),
    (
        "report_files::a_killed_master_leaves_the_old_one_and_nothing_else",
        a_killed_master_leaves_the_old_one_and_nothing_else,
    ),
    ("report_files::only_a_plain_file_is_replaced", only_a_plain_file_is_replaced),
    ("report_files::a_daemon_writes_them_where_it_was_started", a_daemon_writes_them_where_it_was_started),
];

fn a_page_is_one_file_that_no_name_breaks() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let evil = "</script><script>alert(1)</script>";
    let _slave = slave_on(&fleet.guests[0], evil, &[])?;
    let conf = fleet.conf(format!("/bin/sh :CONF:\necho '{evil}<!--'\n"))?;
    let finished = fleet.master(1, &conf, &["--html", "page.html"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let page = fs::read_to_string(fleet.control.dir().join("page.html"))?;
    let report = report::read(&fleet.control)?;
    let sentence = report["sentence"].as_str().context("no sentence")?;
    ensure!(page.contains(&format!(">{sentence}<")), "{sentence} in {page}");
    ensure!(!page.contains("<script>alert") && !page.contains("</script><script>alert"), "{page}");
    for scheme in ["http://", "https://"] {
        let foreign = page.split(scheme).skip(1).find(|rest| !rest.starts_with("www.w3.org/"));
        ensure!(foreign.is_none(), "{scheme}{foreign:?}");
    }
    ensure!(!["src=", "@import", "url("].iter().any(|reference| page.contains(reference)), "{page}");
    let (_, data) = page.split_once("<script type=\"application/json\" id=\"report\">").context("no data")?;
    let data: Value = serde_json::from_str(data.split("</script>").next().unwrap_or_default())?;
    ensure!(data == report, "{data:#}\n{report:#}");
    Ok(())
}

fn one_that_cannot_be_written_is_told_first() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.listening_slave(0, &[])?;
    let before = slave.output_so_far();
    let conf = fleet.conf("/bin/echo ran\n")?;
    fs::write(report::file(&fleet.control), "old")?;
    for option in ["--csv", "--html"] {
        for path in ["missing/report", ".", "job.conf/report", "/proc/none", ""] {
            let finished = fleet.master(1, &conf, &[&format!("{option}={path}")])?.wait()?;
            ensure!(finished.code() == Some(2) && finished.stdout.is_empty(), "{option} {path:?}: {finished:?}");
            ensure!(fs::read_to_string(report::file(&fleet.control))? == "old", "{option} {path:?}");
        }
    }
    ensure!(left_in(fleet.control.dir())? == ["job.conf", "report.json"], "{:?}", left_in(fleet.control.dir())?);
    ensure!(!fleet.has_run(0) && slave.output_so_far() == before, "{}", slave.output_so_far());
    Ok(())
}

/// A task that ends only by a signal.
const STUBBORN: &str = "/bin/sh :CONF:\ntrap '' TERM; echo ready; while [ -d \"$PWD\" ]; do sleep 0.1; done\n";

fn an_old_one_is_replaced_by_a_whole_one_only() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let file = report::file(&fleet.control);
    fs::write(&file, "old")?;
    let master = fleet.master(1, &fleet.conf(STUBBORN)?, &["--csv", "table.csv"])?;
    fleet.wait_for_output(0, "ready")?;
    master.signal(Signal::SIGINT)?;
    slave.wait_for("stopping the task")?;
    ensure!(fs::read_to_string(&file)? == "old" && !fleet.control.dir().join("table.csv").exists());
    master.signal(Signal::SIGINT)?;
    ensure!(master.wait()?.code() == Some(130));
    ensure!(report::read(&fleet.control)?["verdict"] == "interrupted");
    let left = left_in(fleet.control.dir())?;
    ensure!(left == ["job.conf", "report.json", "table.csv"], "{left:?}");
    Ok(())
}

fn a_killed_master_leaves_the_old_one_and_nothing_else() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    fs::write(report::file(&fleet.control), "old")?;
    let master = fleet.master(1, &fleet.conf(STUBBORN)?, &["--csv", "table.csv"])?;
    fleet.wait_for_output(0, "ready")?;
    master.signal(Signal::SIGKILL)?;
    master.wait()?;
    ensure!(fs::read_to_string(report::file(&fleet.control))? == "old");
    let left = left_in(fleet.control.dir())?;
    ensure!(left == ["job.conf", "report.json"], "{left:?}");
    Ok(())
}

/// `--json /dev/stdout` must not be replaced by a plain file. A named pipe stands for it here.
fn only_a_plain_file_is_replaced() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let (pipe, link) = (fleet.control.dir().join("pipe"), fleet.control.dir().join("link"));
    mkfifo(&pipe, Mode::S_IRWXU)?;
    symlink("pipe", &link)?;
    for path in ["pipe", "link"] {
        let reader = Process::spawn(fleet.control.command("cat").arg("pipe"))?;
        let finished = fleet.master(1, &fleet.conf("/bin/true\n")?, &["--csv", path])?.wait()?;
        ensure!(
            fs::metadata(&pipe)?.file_type().is_fifo() && fs::symlink_metadata(&link)?.is_symlink(),
            "{path} was replaced"
        );
        let is_refused = || finished.code() == Some(2);
        ensure!(is_refused() || reader.wait()?.stdout.starts_with("round,"), "{finished:?}");
    }
    Ok(())
}

fn a_daemon_writes_them_where_it_was_started() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    fleet.conf("/bin/echo done\n")?;
    let mut master = fleet.control.command("unshare");
    master.args(["--pid", "--fork", "--kill-child", "--", "sh", "-c", "\"$0\" \"$@\" && exec sleep infinity"]);
    master.arg(programs::master()).args(["-d", "--log-file", "master.log", "-o", "out"]);
    master.args(["--json", "report.json", "--csv", "table.csv", "--html", "page.html", "1", "job.conf"]);
    let _master = Process::spawn(master)?;
    let dir = fleet.control.dir();
    let is_whole = |path: &Path| fs::metadata(path).is_ok_and(|file| file.len() > 0);
    for file in ["report.json", "table.csv", "page.html"] {
        eventually(file, || is_whole(&dir.join(file)).then_some(()))?;
    }
    let report = report::read(&fleet.control)?;
    let output = dir.join("out/0-vm0.out");
    ensure!(fs::read_to_string(&output)? == "done\n", "{report:#}");
    ensure!(report["rounds"][0]["slaves"][0]["output"]["file"] == output.display().to_string(), "{report:#}");
    Ok(())
}
