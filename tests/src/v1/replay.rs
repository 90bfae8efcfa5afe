//! Recordings, played from one end or the other.

use anyhow::{Context as _, Result, ensure};

use super::{Command, Finish, HEADER, Master, Peer, Recording, Slave, Step, Way};

/// Plays the master's part up to its last line. The slave must play its own part.
///
/// # Errors
///
/// If the slave deviates from the recording.
pub fn play_master(recording: &Recording, master: &Master) -> Result<Peer> {
    let (invitation, steps) = recording.steps.split_first().context("an empty recording")?;
    ensure!(invitation.way == Way::Invitation, "the recording does not begin with an invitation");
    let mut peer = master.accept_after(|| master.broadcast(&invitation.bytes))?;
    let (_, steps) = steps.split_first().context("a recording without a hello")?;
    peer.expect_hello()?;
    for (n, step) in steps.iter().enumerate() {
        match step.way {
            Way::ToMaster => hear_slave(&mut peer, step),
            _ => peer.send_bytes(&step.bytes),
        }
        .with_context(|| format!("line {} of the recording", n + 3))?;
    }
    Ok(peer)
}

/// Plays the slave's part up to its last line. The master at `port` must play its own part.
///
/// # Errors
///
/// If the master deviates from the recording.
pub fn play_slave(recording: &Recording, slave: &Slave, port: u16) -> Result<Peer> {
    let (_, steps) = recording.steps.split_first().context("an empty recording")?;
    slave.await_invitation()?;
    let mut peer = slave.connect(port)?;
    for (n, step) in steps.iter().enumerate() {
        match step.way {
            Way::ToMaster => peer.send_bytes(&step.bytes),
            _ => peer.expect_bytes(&step.bytes, "what the original master sent"),
        }
        .with_context(|| format!("line {} of the recording", n + 2))?;
    }
    Ok(peer)
}

fn hear_slave(peer: &mut Peer, step: &Step) -> Result<()> {
    if step.bytes.len() == HEADER && step.bytes[8] == u8::from(Command::Finishd) {
        let _: Finish = peer.expect_finish()?;
        return Ok(());
    }
    // The header above also covers the recorded times.
    if step.bytes.len() == Finish::LEN {
        return Ok(());
    }
    peer.expect_bytes(&step.bytes, "what the original slave sent")
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Plays both scripted peers against each other. Each is strict, so each must be exact.
    fn both_ends(recording: &Recording) -> Result<()> {
        let session = recording.session()?;
        let (master, slave) = (Master::listen(session)?, Slave::new(session)?);
        let ear = slave.target()?;
        thread::scope(|scope| {
            let slave_end = scope.spawn(|| play_slave(recording, &slave, master.port()).map(drop));
            let invitation = master.invitation()?;
            std::net::UdpSocket::bind("127.0.0.1:0")?.send_to(&invitation, &ear)?;
            let master_end = play_master(recording, &master).map(drop);
            slave_end.join().expect("the slave's thread ended")?;
            master_end
        })
    }

    #[test]
    fn accepted() -> Result<()> {
        both_ends(&Recording::accepted()?)
    }

    #[test]
    fn declined() -> Result<()> {
        both_ends(&Recording::declined()?)
    }

    #[test]
    fn oneline() -> Result<()> {
        both_ends(&Recording::oneline()?)
    }
}
