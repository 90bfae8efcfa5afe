//! The handshake of a link on which all is sealed, done by the thread that reads it.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{LinkReader, SHORT_MAX, broken};
use crate::disconnect::Disconnect;
use crate::secure::handshake::{self, Refusal};
use crate::secure::{Key, Opener, Sealer};
use crate::transport::layer::Unsealing;
use crate::wire::{DATA_MAX, Frame};

/// Time that a master has to answer the hello of a slave with a key.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

impl LinkReader {
    /// Shows the master that this slave has the key, and sees that the master has it too. To be called before anything
    /// is read; from then on all is sealed, what is sent by the sealer.
    ///
    /// # Errors
    /// [`Disconnect`] when the master does not have the key, or the connection has ended.
    pub fn greet(&mut self, key: &Key) -> Result<Sealer, Disconnect> {
        let (greeted, hello) = handshake::greet(key, self.session)?;
        self.write(&hello)?;
        self.due = Some(Instant::now() + HANDSHAKE_TIME);
        let reply = match self.first_frame() {
            // An original master reads past what it does not know, and waits.
            Err(Disconnect::Stalled) => return Err(Disconnect::NoKey),
            first => first?,
        };
        self.due = None;
        let (sealer, opener) = greeted.take(&reply).map_err(|refusal| self.refuse(refusal))?;
        self.unseal(opener);
        // Nobody but a master with the key can have answered this hello.
        self.outer.allow(DATA_MAX);
        Ok(sealer)
    }

    /// Waits for a slave to show that it has the key, and answers. To be called before anything is read; from then on all
    /// is sealed, what is sent by the sealer.
    ///
    /// # Errors
    /// [`Disconnect`] when the slave does not have the key, or the connection has ended.
    pub fn answer(&mut self, key: &Key) -> Result<Sealer, Disconnect> {
        let hello = self.first_frame()?;
        let answer = handshake::answer(key, self.session, &hello);
        let (reply, sealer, opener) = answer.map_err(|refusal| self.refuse(refusal))?;
        self.write(&reply)?;
        self.unseal(opener);
        Ok(sealer)
    }

    /// The first message of the handshake. Until the other side has shown its key it may only say little.
    fn first_frame(&mut self) -> Result<Frame, Disconnect> {
        self.outer.allow(SHORT_MAX);
        self.is_spoken_to = true;
        self.receive()
    }

    fn unseal(&mut self, opener: Opener) {
        self.unsealing = Some(Unsealing::new(opener, self.session, self.longest_data));
    }

    /// Tells the other side why there is no session. That it is not told is no loss.
    pub(super) fn refuse(&self, Refusal { why, answer }: Refusal) -> Disconnect {
        if let Some(answer) = answer {
            let _ = self.write(&answer);
        }
        why
    }

    /// Writes a message of the handshake, which any socket takes at once.
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
    use crate::transport::{Messages, Outbox, Sealing};
    use crate::wire::{Command, Header, SessionId};

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

    /// Streams and readers, the slave's first; the master reads messages as given.
    fn link(session: SessionId, messages: Messages) -> [(Arc<TcpStream>, LinkReader); 2] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let slave = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let master = Arc::new(listener.accept().unwrap().0);
        [(slave, Messages::AnySize), (master, messages)].map(|(stream, messages)| {
            let reader = LinkReader::new(Arc::clone(&stream), session, messages, clock);
            (stream, reader)
        })
    }

    fn key(letter: char) -> Key {
        Key::from_secret(letter.to_string().repeat(16).as_bytes()).unwrap()
    }

    /// Both ends, the slave's first.
    pub fn ends(session: SessionId, messages: Messages) -> (End, End) {
        let [(slave, mut slave_reader), (master, mut master_reader)] = link(session, messages);
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
        Outbox::new(Arc::clone(stream), SESSION, sealing, Arc::new(|_| ())).send(frame).unwrap();
    }

    /// What becomes of a slave's hello and a master's probe, as the slave and as the master see it.
    fn meet(slaves: Option<char>, masters: Option<char>) -> [Result<Command, Disconnect>; 2] {
        let [(slave, mut slave_reader), (master, mut master_reader)] = link(SESSION, Messages::Short);
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
    fn only_who_has_the_same_key_or_none_meets_and_both_know_why() {
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
        let [(_slave, mut slave_reader), (master, mut master_reader)] = link(SESSION, Messages::Short);
        sends(&master, None, &Frame::bare(Command::Probe));
        assert_eq!(slave_reader.greet(&key('a')).unwrap_err(), Disconnect::NoKey);
        assert_eq!(master_reader.receive().unwrap().command(), Command::KeyedHello);
        assert_eq!(master_reader.receive().unwrap(), Frame::new(Command::KeyedNo, vec![1]).unwrap());
    }

    #[test]
    fn nothing_plain_is_taken_after_the_handshake() {
        for frame in [Frame::bare(Command::Conf), Frame::new(Command::KeyedNo, vec![3]).unwrap()] {
            let (mut slave, master) = ends(SESSION, Messages::Short);
            sends(&master.stream, None, &frame);
            assert_eq!(slave.reader.next_frame(), Err(Disconnect::Unsealed));
        }
    }

    #[test]
    fn what_a_stranger_slips_in_ends_a_connection_that_may_be_taken_up_again() {
        let record = Frame::new(Command::Sealed, vec![0; 40]).unwrap();
        for bytes in [vec![0; 11], record.encode(SessionId(6)), record.encode(SESSION)] {
            let (slave, mut master) = ends(SESSION, Messages::Short);
            (&*slave.stream).write_all(&bytes).unwrap();
            let why = master.reader.next_frame().unwrap_err();
            assert!(why == Disconnect::Unsealed && why.may_return(), "{why:?}");
        }
    }

    #[test]
    fn who_repeats_a_hello_that_it_has_overheard_costs_no_more_memory_than_another_stranger() {
        let [(stranger, _), (_master, mut reader)] = link(SESSION, Messages::Short);
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
        let (slave, mut master) = ends(SESSION, Messages::Short);
        let part = Frame::new(Command::OutputPart, vec![b'x'; 65_535]).unwrap();
        let (mut wire, bytes) = (Vec::new(), part.encode(SESSION));
        slave.sealer.seal(&Frame::bare(Command::Reply).encode(SESSION), &mut wire).unwrap();
        [0; 2].iter().try_for_each(|_| slave.sealer.seal(&bytes, &mut wire)).unwrap();
        let sending = std::thread::spawn(move || (&*slave.stream).write_all(&wire));
        for command in [Command::Reply, Command::OutputPart] {
            assert_eq!(master.reader.next_frame().unwrap().frame, Frame::bare(command));
        }
        master.reader.allowance().give();
        assert_eq!(master.reader.next_frame().unwrap().frame, part);
        sending.join().unwrap().unwrap();
    }

    #[test]
    fn a_message_that_does_not_end_is_given_up_though_its_records_do() {
        let (slave, mut master) = ends(SESSION, Messages::Short);
        let mut wire = Vec::new();
        let header = Header::new(SESSION, Command::Reply, 1).encode();
        header.iter().try_for_each(|byte| slave.sealer.seal(&[*byte], &mut wire)).unwrap();
        (&*slave.stream).write_all(&wire).unwrap();
        assert_eq!(master.reader.next_frame(), Err(Disconnect::Stalled));
        drop(slave);
    }
}
