//! The handshake of an encrypted connection, which the reading thread carries out.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{LinkReader, broken};
use crate::disconnect::Disconnect;
use crate::secure::handshake::{self, Refusal};
use crate::secure::{Key, Opener, Sealer};
use crate::transport::layer::Unsealing;
use crate::wire::{DATA_MAX, Frame, SHORT_DATA_MAX};

/// Time in which a master has to answer the hello of a slave with a key.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

impl LinkReader {
    /// Carries out the slave's part of the handshake. Call it before reading. From then on the reader decrypts the
    /// connection; the sealer encrypts it.
    ///
    /// # Errors
    /// [`Disconnect`] when the master does not have the key, or the connection ends.
    pub fn greet(&mut self, key: &Key) -> Result<Sealer, Disconnect> {
        let (greeted, hello) = handshake::greet(key, self.session)?;
        self.write(&hello)?;
        self.due = Some(Instant::now() + HANDSHAKE_TIME);
        let reply = match self.first_frame() {
            // An original master reads past an unknown message, and waits.
            Err(Disconnect::Stalled) => return Err(Disconnect::NoKey),
            first => first?,
        };
        self.due = None;
        let (sealer, opener) = greeted.take(&reply).map_err(|refusal| self.refuse(refusal))?;
        self.unseal(opener);
        // Only a master with the key can answer this hello.
        self.outer.set_longest_data(DATA_MAX);
        Ok(sealer)
    }

    /// Carries out the master's part of the handshake. Call it before reading. From then on the reader decrypts the
    /// connection; the sealer encrypts it.
    ///
    /// # Errors
    /// [`Disconnect`] when the slave does not have the key, or the connection ends.
    pub fn answer(&mut self, key: &Key) -> Result<Sealer, Disconnect> {
        let hello = self.first_frame()?;
        let answer = handshake::answer(key, self.session, &hello);
        let (reply, sealer, opener) = answer.map_err(|refusal| self.refuse(refusal))?;
        self.write(&reply)?;
        self.unseal(opener);
        Ok(sealer)
    }

    /// The first message of the handshake. It has to be short, since the peer has not shown the key yet.
    fn first_frame(&mut self) -> Result<Frame, Disconnect> {
        self.outer.set_longest_data(SHORT_DATA_MAX);
        self.has_first = true;
        self.receive()
    }

    fn unseal(&mut self, opener: Opener) {
        self.unsealing = Some(Unsealing::new(opener, self.session, self.longest_data));
    }

    /// Tells the other side why there is no session, if the message can be sent.
    pub(super) fn refuse(&self, Refusal { why, answer }: Refusal) -> Disconnect {
        if let Some(answer) = answer {
            let _ = self.write(&answer);
        }
        why
    }

    /// Writes a message of the handshake. The message fits into the socket's buffer.
    fn write(&self, frame: &Frame) -> Result<(), Disconnect> {
        (&*self.stream).write_all(&frame.encode(self.session)).map_err(broken)
    }
}

#[cfg(test)]
pub(in crate::transport) mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    use super::*;
    use crate::time::MonotonicInstant;
    use crate::transport::{Outbox, Sealing};
    use crate::wire::{Command, Header, Role, SessionId};

    const SESSION: SessionId = SessionId(5);

    /// One end of a connection after the handshake.
    pub struct End {
        pub stream: Arc<TcpStream>,
        pub reader: LinkReader,
        pub sealer: Sealer,
    }

    fn clock() -> MonotonicInstant {
        MonotonicInstant::from_nanos(7)
    }

    /// Streams and readers, the slave's first.
    fn link(session: SessionId) -> [(Arc<TcpStream>, LinkReader); 2] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let slave = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let master = Arc::new(listener.accept().unwrap().0);
        [(slave, Role::Master), (master, Role::Slave)].map(|(stream, peer)| {
            let reader = LinkReader::new(Arc::clone(&stream), session, peer, clock);
            (stream, reader)
        })
    }

    fn key(letter: char) -> Key {
        Key::from_secret(letter.to_string().repeat(16).as_bytes()).unwrap()
    }

    /// Both ends, the slave's first.
    pub fn ends(session: SessionId) -> (End, End) {
        let [(slave, mut slave_reader), (master, mut master_reader)] = link(session);
        let answering = std::thread::spawn(move || {
            let sealer = master_reader.answer(&key('a')).unwrap();
            (master_reader, sealer)
        });
        let slave_sealer = slave_reader.greet(&key('a')).unwrap();
        let (master_reader, master_sealer) = answering.join().unwrap();
        (
            End { stream: slave, reader: slave_reader, sealer: slave_sealer },
            End { stream: master, reader: master_reader, sealer: master_sealer },
        )
    }

    fn sends(stream: &Arc<TcpStream>, sealer: Option<Sealer>, frame: &Frame) {
        let sealing = sealer.map_or(Sealing::No, |sealer| Sealing::By(Arc::new(sealer)));
        Outbox::new(Arc::clone(stream), SESSION, sealing, |_| ()).send(frame).unwrap();
    }

    /// Sends a slave's hello and a master's probe. Returns what the slave and the master receive.
    fn meet(slaves: Option<char>, masters: Option<char>) -> [Result<Command, Disconnect>; 2] {
        let [(slave, mut slave_reader), (master, mut master_reader)] = link(SESSION);
        let master = std::thread::spawn(move || {
            let sealer = masters.map(|letter| master_reader.answer(&key(letter))).transpose()?;
            let hello = master_reader.next_frame()?.frame.command();
            sends(&master, sealer, &Frame::bare(Command::Probe));
            Ok(hello)
        });
        let mut slave = || {
            let sealer = slaves.map(|letter| slave_reader.greet(&key(letter))).transpose()?;
            sends(&slave, sealer, &Frame::bare(Command::Reply));
            Ok(slave_reader.next_frame()?.frame.command())
        };
        [slave(), master.join().unwrap()]
    }

    #[test]
    fn only_peers_with_the_same_key_or_without_keys_meet_and_both_know_why() {
        let met = || [Ok(Command::Probe), Ok(Command::Reply)];
        for (slaves, masters, outcome) in [
            (None, None, met()),
            (None, Some('a'), [Err(Disconnect::KeyWanted), Err(Disconnect::NoKey)]),
            (None, Some('b'), [Err(Disconnect::KeyWanted), Err(Disconnect::NoKey)]),
            (Some('a'), None, [Err(Disconnect::NoKey), Err(Disconnect::KeyWanted)]),
            (Some('a'), Some('a'), met()),
            (Some('a'), Some('b'), [Err(Disconnect::OtherKey), Err(Disconnect::OtherKey)]),
            (Some('b'), None, [Err(Disconnect::NoKey), Err(Disconnect::KeyWanted)]),
            (Some('b'), Some('a'), [Err(Disconnect::OtherKey), Err(Disconnect::OtherKey)]),
            (Some('b'), Some('b'), met()),
        ] {
            assert_eq!(meet(slaves, masters), outcome, "slave {slaves:?}, master {masters:?}");
        }
    }

    #[test]
    fn a_slave_with_a_key_tells_a_master_that_speaks_plainly() {
        let [(_slave, mut slave_reader), (master, mut master_reader)] = link(SESSION);
        sends(&master, None, &Frame::bare(Command::Probe));
        assert_eq!(slave_reader.greet(&key('a')).unwrap_err(), Disconnect::NoKey);
        assert_eq!(master_reader.receive().unwrap().command(), Command::KeyedHello);
        assert_eq!(master_reader.receive().unwrap(), Frame::new(Command::KeyedNo, vec![1]).unwrap());
    }

    #[test]
    fn nothing_plain_is_taken_after_the_handshake() {
        for frame in [Frame::bare(Command::Conf), Frame::new(Command::KeyedNo, vec![3]).unwrap()] {
            let (mut slave, master) = ends(SESSION);
            sends(&master.stream, None, &frame);
            assert_eq!(slave.reader.next_frame(), Err(Disconnect::Unsealed));
        }
    }

    #[test]
    fn a_strangers_bytes_end_a_connection_that_may_be_resumed() {
        let record = Frame::new(Command::Sealed, vec![0; 40]).unwrap();
        for bytes in [vec![0; 11], record.encode(SessionId(6)), record.encode(SESSION)] {
            let (slave, mut master) = ends(SESSION);
            (&*slave.stream).write_all(&bytes).unwrap();
            let why = master.reader.next_frame().unwrap_err();
            assert!(why == Disconnect::Unsealed && why.may_return(), "{why:?}");
        }
    }

    #[test]
    fn a_stranger_that_repeats_an_overheard_hello_gets_no_more_memory() {
        let [(stranger, _), (_master, mut reader)] = link(SESSION);
        let (_, hello) = handshake::greet(&key('a'), SESSION).unwrap();
        let record = Frame::new(Command::Sealed, vec![0; 60_000]).unwrap().encode(SESSION);
        let bytes = [hello.encode(SESSION), record[..59_000].to_vec()].concat();
        (&*stranger).write_all(&bytes).unwrap();
        stranger.shutdown(std::net::Shutdown::Write).unwrap();
        reader.answer(&key('a')).unwrap();
        assert_eq!(reader.next_frame(), Err(Disconnect::Closed));
        assert!(reader.outer.held() <= 8192, "{}", reader.outer.held());
    }

    #[test]
    fn long_messages_are_kept_where_they_are_allowed() {
        let (slave, mut master) = ends(SESSION);
        let part = Frame::new(Command::OutputPart, vec![b'x'; 65_535]).unwrap();
        let (mut wire, bytes) = (Vec::new(), part.encode(SESSION));
        slave.sealer.seal(&Frame::bare(Command::Reply).encode(SESSION), &mut wire).unwrap();
        [0; 2].iter().try_for_each(|_| slave.sealer.seal(&bytes, &mut wire)).unwrap();
        let sending = std::thread::spawn(move || (&*slave.stream).write_all(&wire));
        let cut = Frame::cut(Command::OutputPart, vec![b'x'; SHORT_DATA_MAX]).unwrap();
        for frame in [Frame::bare(Command::Reply), cut] {
            assert_eq!(master.reader.next_frame().unwrap().frame, frame);
        }
        master.reader.allowance().allow_long_messages();
        assert_eq!(master.reader.next_frame().unwrap().frame, part);
        sending.join().unwrap().unwrap();
    }

    #[test]
    fn a_message_that_does_not_end_is_given_up_though_its_records_do() {
        let (slave, mut master) = ends(SESSION);
        let mut wire = Vec::new();
        let header = Header::new(SESSION, Command::Reply, 1).encode();
        header.iter().try_for_each(|byte| slave.sealer.seal(&[*byte], &mut wire)).unwrap();
        (&*slave.stream).write_all(&wire).unwrap();
        assert_eq!(master.reader.next_frame(), Err(Disconnect::Stalled));
        drop(slave);
    }
}
