//! Confs of every kind on their way from the master to the tasks.

use anyhow::{Context as _, Result, ensure};
use synexec_tests::fleet::{Fleet, row, wait_until_listening};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Process;

use crate::starting::write_program;

pub const TESTS: &[(&str, Test)] = &[
    ("confs::a_large_conf_arrives_whole_and_memory_stays_small", a_large_conf_arrives_whole_and_memory_stays_small),
    ("confs::a_declined_conf_is_told_with_name_and_reason", a_declined_conf_is_told_with_name_and_reason),
    ("confs::an_output_that_cannot_be_written_declines_the_conf", an_output_that_cannot_be_written_declines_the_conf),
    ("confs::an_output_does_not_follow_a_link", an_output_does_not_follow_a_link),
    ("confs::a_task_may_remove_its_payload", a_task_may_remove_its_payload),
    ("confs::an_unknown_executable_format_is_not_run_by_a_shell", an_unknown_executable_format_is_not_run_by_a_shell),
    ("confs::a_payload_can_be_the_program", a_payload_can_be_the_program),
    (
        "confs::a_script_with_windows_line_ends_is_declined_for_them",
        a_script_with_windows_line_ends_is_declined_for_them,
    ),
    ("confs::a_conf_can_come_from_a_pipe", a_conf_can_come_from_a_pipe),
    ("confs::a_conf_that_shrinks_ends_the_session_with_its_rows", a_conf_that_shrinks_ends_the_session_with_its_rows),
];

const LARGE: usize = 96 << 20;

/// Memory limit far below the size of the conf and far above the need of the programs.
const MEMORY_LIMIT_KB: u64 = 24 << 10;

/// A task that ends after the test has looked at the master.
const SUM: &str = "#!/bin/sh\ncksum \"$1\"\nuntil [ -e go ] || [ ! -d \"$PWD\" ]; do sleep 0.05; done\n";

fn a_large_conf_arrives_whole_and_memory_stays_small() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    for guest in &fleet.guests {
        write_program(&guest.dir().join("sum"), SUM, 0o755)?;
    }
    let first_line = b"./sum :CONF:\n";
    let payload: Vec<u8> = (0..LARGE).map(|n| u8::try_from(n * n % 251).unwrap_or(0)).collect();
    let conf = fleet.conf([&first_line[..], &payload].concat())?;
    let payload_file = fleet.control.dir().join("payload");
    std::fs::write(&payload_file, payload)?;
    let expected = Process::spawn(fleet.control.command("cksum").arg(&payload_file))?.wait()?.stdout;
    let expected = expected.split(" /").next().context("a sum")?.to_owned();
    let master = fleet.master(2, &conf, &[])?;
    master.wait_for("accepted the conf")?;
    ensure!(master.status_kilobytes("VmHWM")? < MEMORY_LIMIT_KB, "master: {} kB", master.status_kilobytes("VmHWM")?);
    fleet.guests.iter().try_for_each(|guest| std::fs::write(guest.dir().join("go"), ""))?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    for (guest, slave) in slaves.iter().enumerate() {
        ensure!(fleet.output(guest)?.starts_with(&expected), "{} is not {expected}", fleet.output(guest)?);
        ensure!(slave.status_kilobytes("VmHWM")? < MEMORY_LIMIT_KB, "slave: {} kB", slave.status_kilobytes("VmHWM")?);
    }
    Ok(())
}

fn a_declined_conf_is_told_with_name_and_reason() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    let program = fleet.guests[0].dir().join("only-on-vm0");
    std::fs::copy("/bin/echo", &program)?;
    // All guests see the same files. Only vm0 has a file at this relative path, so the guests differ.
    let finished = fleet.session_declined_by(2, &fleet.conf("./only-on-vm0 ran\n")?, &[])?;
    ensure!(finished.code() == Some(4), "{finished:?}");
    for name in ["vm1", "vm2"] {
        let row = row(&finished, name)?;
        ensure!(row.contains("declined: cannot run ./only-on-vm0: No such file or directory"), "{row}");
    }
    ensure!(row(&finished, "vm0")?.contains("cancelled"), "{finished:?}");
    ensure!((0..3).all(|guest| !fleet.has_run(guest)));
    fleet.serves_a_session()?;
    Ok(())
}

fn a_payload_can_be_the_program() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(2, &fleet.conf(":CONF:\n#!/bin/sh\necho it is me\nexit 5\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(1) && row(&finished, "vm1")?.contains("exited 5"), "{finished:?}");
    ensure!(fleet.output(0)? == "it is me\n");
    Ok(())
}

/// A script on the guest, which the master does not know.
fn a_script_with_windows_line_ends_is_declined_for_them() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    write_program(&fleet.guests[0].dir().join("job"), "#!/bin/sh\r\necho\r\n", 0o755)?;
    let finished = fleet.master(1, &fleet.conf("./job\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(4) && row(&finished, "vm0")?.contains("carriage return"), "{finished:?}");
    slave.wait_for("ends with a carriage return")?;
    Ok(())
}

fn a_conf_can_come_from_a_pipe() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let mut command = fleet.control.command("bash");
    let script = "exec \"$0\" 1 <(printf '/bin/echo from a pipe\\n')";
    command.args(["-c", script]).arg(synexec_tests::programs::master());
    let finished = Process::spawn(command)?.wait()?;
    ensure!(finished.code() == Some(0) && fleet.output(0)? == "from a pipe\n", "{finished:?}");
    Ok(())
}

fn a_conf_that_shrinks_ends_the_session_with_its_rows() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    fleet.guests[1].limit_rate("1mbit")?;
    let conf = fleet.conf([&b"/bin/true\n"[..], &vec![b'x'; 32 << 20]].concat())?;
    let master = fleet.master(2, &conf, &[])?;
    master.wait_for("vm0 (10.77.0.2) accepted")?;
    std::fs::File::options().write(true).open(&conf)?.set_len(1 << 20)?;
    fleet.guests[1].limit_rate("1gbit")?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(7) && finished.stderr.contains("became shorter"), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("cancelled") && row(&finished, "vm1")?.contains("cancelled"));
    Ok(())
}

/// No file can be made in the work dir, because it is gone.
fn an_output_that_cannot_be_written_declines_the_conf() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let gone = fleet.guests[1].dir().join("gone");
    std::fs::create_dir(&gone)?;
    let _first = fleet.listening_slave(0, &[])?;
    let mut second = fleet.guests[1].command(synexec_tests::programs::slave());
    second.args(["-v", "--name", "vm1", "--work-dir"]).arg(&gone);
    let second = Process::spawn(second)?;
    wait_until_listening(&second)?;
    std::fs::remove_dir_all(&gone)?;
    let finished = fleet.master(2, &fleet.conf("/bin/echo ran\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(4), "{finished:?}");
    ensure!(row(&finished, "vm1")?.contains("declined: cannot write the output"), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("cancelled") && !fleet.has_run(0), "{finished:?}");
    Ok(())
}

/// The link could lead the output to a file that somebody needs.
fn an_output_does_not_follow_a_link() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let dir = fleet.guests[0].dir();
    std::fs::write(dir.join("victim"), "precious")?;
    std::os::unix::fs::symlink("victim", dir.join("synexec.out"))?;
    let slave = fleet.listening_slave(0, &[])?;
    let finished = fleet.master(1, &fleet.conf("/bin/echo ran\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    slave.wait_for("synexec.out is a symbolic link of user")?;
    ensure!(std::fs::read_to_string(dir.join("synexec.out.1"))? == "ran\n");
    ensure!(std::fs::read_to_string(dir.join("victim"))? == "precious");
    Ok(())
}

fn a_task_may_remove_its_payload() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let finished = fleet.master(1, &fleet.conf("/bin/sh :CONF:\nrm \"$SYNEXEC_CONF\"\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    fleet.serves_a_session()?;
    ensure!(!slave.output_so_far().contains("cannot remove"), "{}", slave.output_so_far());
    Ok(())
}

fn an_unknown_executable_format_is_not_run_by_a_shell() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let finished = fleet.master(1, &fleet.conf(":CONF:\ntouch ran\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(4) && row(&finished, "vm0")?.contains("Exec format error"), "{finished:?}");
    ensure!(!fleet.guests[0].dir().join("ran").exists());
    Ok(())
}
