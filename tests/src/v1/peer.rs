//! One TCP connection to a program of ours.

use std::fmt::Display;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Command, Finish, HEADER, PATIENCE, VERSION, frame, header, hex};

/// A connection of a peer of version 1, which must receive exactly the bytes that the original receives.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    session: u32,
}

/// The reason why a read got too few bytes.
#[derive(Debug, PartialEq, Eq)]
enum Short {
    No,
    Closed,
    Late,
}

impl Peer {
    /// Takes over an open connection.
    ///
    /// # Errors
    ///
    /// If the socket cannot be set up.
    pub fn new(stream: TcpStream, session: u32) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(false)?;
        Ok(Self { stream, session })
    }

    /// Sends a message in one write.
    ///
    /// # Errors
    ///
    /// If the other end does not take the bytes.
    pub fn send(&mut self, command: impl Into<u8>, data: &[u8]) -> Result<()> {
        let bytes = frame(self.session, command, data)?;
        self.send_bytes(&bytes)
    }

    /// Sends a message with each byte in a segment of its own.
    ///
    /// # Errors
    ///
    /// If the other end does not take the bytes.
    pub fn send_bytewise(&mut self, command: impl Into<u8>, data: &[u8]) -> Result<()> {
        frame(self.session, command, data)?.iter().try_for_each(|byte| self.send_bytes(&[*byte]))
    }

    /// Sends bytes that need not be a message.
    ///
    /// # Errors
    ///
    /// If the other end does not take the bytes.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        self.stream.write_all(bytes).with_context(|| format!("sending {}", hex(bytes)))
    }

    /// Expects exactly this command, without data.
    ///
    /// # Errors
    ///
    /// If anything else comes, or nothing.
    pub fn expect(&mut self, command: Command) -> Result<()> {
        self.expect_message(command, &[])
    }

    /// Expects exactly this command with these data.
    ///
    /// # Errors
    ///
    /// If anything else comes, or nothing.
    pub fn expect_message(&mut self, command: Command, data: &[u8]) -> Result<()> {
        let bytes = frame(self.session, command, data)?;
        self.expect_bytes(&bytes, format!("{command:?}"))
    }

    /// Expects exactly these bytes.
    ///
    /// # Errors
    ///
    /// If anything else comes, or nothing. The message shows both.
    pub fn expect_bytes(&mut self, expected: &[u8], what: impl Display) -> Result<()> {
        let (received, short) = self.read(expected.len())?;
        if received == expected {
            return Ok(());
        }
        let rest = if short == Short::No { hex(&self.pending()?) } else { format!("{short:?}") };
        bail!("expected {what}\nexpected: {}\nreceived: {}\nthen:     {rest}", hex(expected), hex(&received));
    }

    /// Expects a slave's hello: a REPLY with or without data. A master of version 1 ignores the data.
    ///
    /// # Errors
    ///
    /// If anything else comes, or nothing.
    pub fn expect_hello(&mut self) -> Result<Vec<u8>> {
        let (start, _) = self.read(HEADER)?;
        let bare = header(VERSION, self.session, Command::Reply, 0);
        let hello = start.len() == HEADER && start[..HEADER - 2] == bare[..HEADER - 2];
        ensure!(hello, "expected hello\nexpected: {}, any datalen\nreceived: {}", hex(&bare), hex(&start));
        let datalen = usize::from(u16::from_be_bytes([start[HEADER - 2], start[HEADER - 1]]));
        let (data, _) = self.read(datalen)?;
        ensure!(data.len() == datalen, "hello promised {datalen} bytes of data, sent {}", hex(&data));
        Ok(data)
    }

    /// Expects FINISHD.
    ///
    /// # Errors
    ///
    /// If anything else comes, or nothing, or the data are not valid times.
    pub fn expect_finish(&mut self) -> Result<Finish> {
        let datalen = u16::try_from(Finish::LEN)?;
        self.expect_bytes(&header(VERSION, self.session, Command::Finishd, datalen), "Finishd")?;
        let (data, _) = self.read(Finish::LEN)?;
        Finish::decode(&data)
    }

    /// Expects this command, and answers the probes that come before it as an original slave does.
    ///
    /// # Errors
    ///
    /// If anything else comes, or nothing.
    pub fn answer_until(&mut self, command: Command, data: &[u8]) -> Result<()> {
        let wanted = frame(self.session, command, data)?;
        let probe = frame(self.session, Command::Probe, &[])?;
        loop {
            let (mut received, _) = self.read(HEADER)?;
            if received == probe {
                self.send(Command::Reply, &[])?;
                continue;
            }
            received.extend(self.read(wanted.len() - HEADER)?.0);
            ensure!(
                received == wanted,
                "expected {command:?}\nexpected: {}\nreceived: {}",
                hex(&wanted),
                hex(&received)
            );
            return Ok(());
        }
    }

    /// Expects a probe, and answers it.
    ///
    /// # Errors
    ///
    /// If anything else comes, or nothing.
    pub fn answer_probe(&mut self) -> Result<()> {
        self.expect(Command::Probe)?;
        self.send(Command::Reply, &[])
    }

    /// Probes a slave. The answer must be the next message, so the slave has sent nothing else meanwhile.
    ///
    /// # Errors
    ///
    /// If anything else comes, or nothing.
    pub fn probe(&mut self) -> Result<()> {
        self.send(Command::Probe, &[])?;
        self.expect(Command::Reply).context("the answer to a probe")
    }

    /// Expects that the other end closes the connection and sends nothing more.
    ///
    /// # Errors
    ///
    /// If bytes come, or the connection stays open.
    pub fn expect_closed(&mut self) -> Result<()> {
        match self.read(1)? {
            (_, Short::Closed) => Ok(()),
            (_, Short::Late) => bail!("expected that the connection closes; it is still open"),
            (mut bytes, Short::No) => {
                bytes.extend(self.pending()?);
                bail!("expected that the connection closes\nreceived: {}", hex(&bytes))
            }
        }
    }

    /// Answers probes as an original slave does, until the other end closes the connection and sends nothing more.
    ///
    /// # Errors
    ///
    /// If anything else comes, or the connection stays open.
    pub fn answer_until_closed(&mut self) -> Result<()> {
        let probe = frame(self.session, Command::Probe, &[])?;
        loop {
            match self.read(HEADER)? {
                (bytes, Short::Closed) if bytes.is_empty() => return Ok(()),
                (bytes, Short::No) if bytes == probe => self.send(Command::Reply, &[])?,
                (bytes, short) => bail!("expected that the connection closes\nreceived: {}, {short:?}", hex(&bytes)),
            }
        }
    }

    /// Sends a byte every `step` until the other end closes the connection.
    ///
    /// # Errors
    ///
    /// If the other end never closes the connection.
    pub fn trickle_until_closed(&mut self, step: Duration) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let (bytes, short) = self.read_before(1, Instant::now() + step)?;
            ensure!(bytes.is_empty(), "expected that the connection closes\nreceived: {}", hex(&bytes));
            if short == Short::Closed || self.stream.write_all(&[0]).is_err() {
                return Ok(());
            }
        }
        bail!("fed a byte every {step:?}, the other end never closed")
    }

    /// Expects that the connection stays open and silent for this long.
    ///
    /// # Errors
    ///
    /// If bytes come, or the connection closes.
    pub fn expect_nothing_for(&mut self, span: Duration) -> Result<()> {
        let (bytes, short) = self.read_before(1, Instant::now() + span)?;
        ensure!(short == Short::Late, "expected silence for {span:?}\nreceived: {}, {short:?}", hex(&bytes));
        Ok(())
    }

    /// Answers probes for this long, and expects nothing else.
    ///
    /// # Errors
    ///
    /// If anything else comes, or the connection closes.
    pub fn answer_probes_for(&mut self, span: Duration) -> Result<()> {
        let deadline = Instant::now() + span;
        let probe = frame(self.session, Command::Probe, &[])?;
        loop {
            let (first, short) = self.read_before(1, deadline)?;
            if short == Short::Late {
                return Ok(());
            }
            let (rest, _) = self.read(HEADER - 1)?;
            let received = [first, rest].concat();
            ensure!(received == probe, "expected a probe or nothing\nreceived: {}", hex(&received));
            self.send(Command::Reply, &[])?;
        }
    }

    /// Answers the probes that have come by now. The test must already know that the other end has sent everything.
    ///
    /// # Errors
    ///
    /// If anything else has come, or the connection is closed.
    pub fn answer_probes_until_now(&mut self) -> Result<()> {
        self.answer_probes_for(Duration::ZERO)
    }

    /// Stays silent until the other end gives up within this time. Returns the received bytes.
    ///
    /// # Errors
    ///
    /// If the other end does not give up.
    pub fn stay_mute(&mut self, span: Duration) -> Result<Vec<u8>> {
        let (bytes, short) = self.read_before(usize::from(u16::MAX), Instant::now() + span)?;
        ensure!(short == Short::Closed, "silent for {span:?} and still connected\nreceived: {}", hex(&bytes));
        Ok(bytes)
    }

    /// Ends the connection, as the death of the process does.
    pub fn close(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Ends the connection, and waits until the other end has closed it too.
    ///
    /// # Errors
    ///
    /// If bytes come, or the other end keeps the connection open.
    pub fn hang_up(mut self) -> Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.expect_closed()
    }

    fn read(&mut self, wanted: usize) -> Result<(Vec<u8>, Short)> {
        self.read_before(wanted, Instant::now() + PATIENCE)
    }

    /// The surplus bytes that have come by now, for the message of a failure.
    fn pending(&mut self) -> Result<Vec<u8>> {
        Ok(self.read_before(4096, Instant::now() + Duration::from_millis(100))?.0)
    }

    fn read_before(&mut self, wanted: usize, deadline: Instant) -> Result<(Vec<u8>, Short)> {
        let mut bytes = vec![0; wanted];
        let mut have = 0;
        let mut short = Short::No;
        while have < wanted && short == Short::No {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut bytes[have..]) {
                Ok(0) => short = Short::Closed,
                Ok(more) => have += more,
                Err(error) => match error.kind() {
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => short = Short::Closed,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => short = Short::Late,
                    ErrorKind::Interrupted => {}
                    _ => return Err(error).context("reading"),
                },
            }
        }
        bytes.truncate(have);
        Ok((bytes, short))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn ends() -> Result<(Peer, Peer)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let dialled = TcpStream::connect(listener.local_addr()?)?;
        Ok((Peer::new(dialled, 7)?, Peer::new(listener.accept()?.0, 7)?))
    }

    #[test]
    fn a_difference_is_shown() -> Result<()> {
        let (mut one, mut other) = ends()?;
        one.send(Command::ConfNo, b"!")?;
        let told = other.expect(Command::ConfOk).map_err(|error| error.to_string());
        let told = told.expect_err("it was another message");
        for part in ["0000000100000007030000", "0000000100000007040001", "21"] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        Ok(())
    }

    #[test]
    fn an_end_is_told_from_silence() -> Result<()> {
        let (mut one, other) = ends()?;
        one.expect_nothing_for(Duration::from_millis(10))?;
        other.close();
        assert!(one.expect_nothing_for(Duration::from_millis(10)).is_err());
        one.expect_closed()
    }

    #[test]
    fn a_probe_may_come_before_what_is_awaited() -> Result<()> {
        let (mut master, mut slave) = ends()?;
        master.send(Command::Probe, &[])?;
        master.send(Command::Conf, b"/bin/true")?;
        slave.answer_until(Command::Conf, b"/bin/true")?;
        master.expect(Command::Reply)
    }
}
