//! The handshake in which each side shows the other that it has the key: `Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s`
//! (<https://noiseprotocol.org/noise.html>). The slave begins, since it connects.
//!
//! The two messages of the handshake are the data of `KEYED_HELLO` and `KEYED_REPLY`. docs/protocol.md describes the
//! prologue. `KEYED_NO` tells the other side's user in clear why there is no session. This message gives a
//! stranger no more information than the end of the connection does.

use snow::{Builder, HandshakeState};

use super::seal::sealer_and_opener;
use super::{Key, Opener, Sealer};
use crate::disconnect::Disconnect;
use crate::message::REVISION;
use crate::wire::{Command, Frame, PROTOCOL_VERSION, Role, SessionId, WireInteger};

const PATTERN: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";

/// Bytes of each of the two messages: a public key and a tag.
const MESSAGE_LEN: usize = 32 + 16;

// The codes of `KEYED_NO`: "I" is its sender, and "you" is its receiver.
const YOU_HAVE_NO_KEY: u8 = 1;
const YOUR_KEY_IS_ANOTHER: u8 = 2;
const I_HAVE_NO_KEY: u8 = 3;

/// Why there is no session, and the message for the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, for this side's user.
    pub why: Disconnect,
    /// The `KEYED_NO` for the other side's user; none where that side knows the reason.
    pub answer: Option<Frame>,
}

/// The state of a slave that has sent its first message.
#[derive(Debug)]
pub struct Greeted {
    noise: HandshakeState,
    session: SessionId,
}

/// Makes a slave's first message.
///
/// # Errors
/// [`Disconnect`] when this host gives no random numbers.
pub fn greet(key: &Key, session: SessionId) -> Result<(Greeted, Frame), Disconnect> {
    let noise = state(key, session, Role::Slave, None).map_err(|error| failed(&error))?;
    greet_with(noise, session)
}

fn greet_with(mut noise: HandshakeState, session: SessionId) -> Result<(Greeted, Frame), Disconnect> {
    let hello = write(&mut noise, Command::KeyedHello).map_err(|error| failed(&error))?;
    Ok((Greeted { noise, session }, hello))
}

impl Greeted {
    /// Checks the master's answer. The result encrypts and decrypts the messages that follow.
    ///
    /// # Errors
    /// [`Refusal`] when the master does not have the key.
    pub fn take(mut self, answer: &Frame) -> Result<(Sealer, Opener), Refusal> {
        if answer.command() != Command::KeyedReply {
            return Err(refuse(answer));
        }
        read(&mut self.noise, answer)?;
        finish(self.noise, self.session)
    }
}

/// Makes a master's answer to a slave's first message, with the encryption of the messages that follow.
///
/// # Errors
/// [`Refusal`] when the slave does not have the key.
pub fn answer(key: &Key, session: SessionId, hello: &Frame) -> Result<(Frame, Sealer, Opener), Refusal> {
    let noise = state(key, session, Role::Master, None).map_err(|error| unable(&error))?;
    answer_with(noise, session, hello)
}

fn answer_with(
    mut noise: HandshakeState,
    session: SessionId,
    hello: &Frame,
) -> Result<(Frame, Sealer, Opener), Refusal> {
    if hello.command() != Command::KeyedHello {
        return Err(refuse(hello));
    }
    read(&mut noise, hello)?;
    let reply = write(&mut noise, Command::KeyedReply).map_err(|error| unable(&error))?;
    let (sealer, opener) = finish(noise, session)?;
    Ok((reply, sealer, opener))
}

/// Why there is no session, on a side without a key whose peer sent this first message; none if there can be a session.
pub fn refuse_without_key(first: &Frame) -> Option<Refusal> {
    match first.command() {
        Command::KeyedNo => Some(refuse(first)),
        Command::KeyedHello => Some(Refusal { why: Disconnect::KeyWanted, answer: Some(no(I_HAVE_NO_KEY)) }),
        _ => None,
    }
}

/// Why there is no session, on a side with a key whose peer sent this message instead of its part of the handshake.
fn refuse(message: &Frame) -> Refusal {
    if message.command() != Command::KeyedNo {
        return Refusal { why: Disconnect::NoKey, answer: Some(no(YOU_HAVE_NO_KEY)) };
    }
    let why = match message.data() {
        [YOU_HAVE_NO_KEY, ..] => Disconnect::KeyWanted,
        [YOUR_KEY_IS_ANOTHER, ..] => Disconnect::OtherKey,
        [I_HAVE_NO_KEY, ..] => Disconnect::NoKey,
        _ => Disconnect::Unsealed,
    };
    Refusal { why, answer: None }
}

fn no(code: u8) -> Frame {
    // One byte fits into any frame.
    Frame::new(Command::KeyedNo, vec![code]).unwrap_or_else(|_| Frame::bare(Command::KeyedNo))
}

/// A handshake before its first message. Tests give the ephemeral key.
fn state(
    key: &Key,
    session: SessionId,
    role: Role,
    ephemeral: Option<&[u8; 32]>,
) -> Result<HandshakeState, snow::Error> {
    let prologue = prologue(session);
    let mut builder = Builder::new(PATTERN.parse()?).prologue(&prologue)?.psk(0, key.for_sessions())?;
    if let Some(ephemeral) = ephemeral {
        builder = builder.fixed_ephemeral_key_for_testing_only(ephemeral);
    }
    match role {
        Role::Slave => builder.build_initiator(),
        Role::Master => builder.build_responder(),
    }
}

fn prologue(session: SessionId) -> Vec<u8> {
    [b"synexec", &PROTOCOL_VERSION.to_wire()[..], &session.0.to_wire(), &REVISION.to_wire()].concat()
}

fn write(noise: &mut HandshakeState, command: Command) -> Result<Frame, snow::Error> {
    let mut message = vec![0; MESSAGE_LEN];
    let length = noise.write_message(&[], &mut message)?;
    message.truncate(length);
    Frame::new(command, message).map_err(|_| snow::Error::Input)
}

/// A message of the wrong length counts as a message of another key.
fn read(noise: &mut HandshakeState, message: &Frame) -> Result<(), Refusal> {
    let read = noise.read_message(message.data(), &mut []);
    read.map(|_| ()).map_err(|_| Refusal { why: Disconnect::OtherKey, answer: Some(no(YOUR_KEY_IS_ANOTHER)) })
}

fn finish(noise: HandshakeState, session: SessionId) -> Result<(Sealer, Opener), Refusal> {
    let transport = noise.into_stateless_transport_mode().map_err(|error| unable(&error))?;
    Ok(sealer_and_opener(transport, session))
}

fn failed(error: &snow::Error) -> Disconnect {
    Disconnect::Broken(format!("the handshake failed: {error}"))
}

fn unable(error: &snow::Error) -> Refusal {
    Refusal { why: failed(error), answer: None }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    const SESSION: SessionId = SessionId(0x0102_0304);

    fn key(letter: u8) -> Key {
        Key::from_secret(&[letter; 16]).unwrap()
    }

    /// Both ends of a connection, the slave's first.
    pub fn ends(session: SessionId) -> ((Sealer, Opener), (Sealer, Opener)) {
        let (greeted, hello) = greet(&key(b'a'), session).unwrap();
        let (reply, sealer, opener) = answer(&key(b'a'), session, &hello).unwrap();
        (greeted.take(&reply).unwrap(), (sealer, opener))
    }

    /// Computed with another implementation too (the Python package `noiseprotocol`).
    #[test]
    fn golden_bytes() {
        assert_eq!(prologue(SESSION), b"synexec\0\0\0\x01\x01\x02\x03\x04\0\x01");
        let noise = |role, ephemeral| state(&key(b'a'), SESSION, role, Some(ephemeral)).unwrap();
        let (greeted, hello) = greet_with(noise(Role::Slave, &[1; 32]), SESSION).unwrap();
        let (reply, sealer, _) = answer_with(noise(Role::Master, &[2; 32]), SESSION, &hello).unwrap();
        assert_eq!((hello.command(), hello.data().len()), (Command::KeyedHello, MESSAGE_LEN));
        assert_eq!((reply.command(), reply.data().len()), (Command::KeyedReply, MESSAGE_LEN));
        assert_eq!(hello.data()[..4], [164, 224, 146, 146]);
        assert_eq!(hello.data()[32..36], [90, 156, 189, 129]);
        assert_eq!(reply.data()[32..36], [50, 20, 173, 144]);
        let mut record = Vec::new();
        sealer.seal(b"x", &mut record).unwrap();
        assert_eq!(record[..11], [0, 0, 0, 1, 1, 2, 3, 4, 50, 0, 17]);
        assert_eq!(record[11..15], [157, 123, 53, 112]);
        greeted.take(&reply).unwrap();
    }

    #[test]
    fn no_two_handshakes_are_alike() {
        let hello = || greet(&key(b'a'), SESSION).unwrap().1;
        assert_ne!(hello(), hello());
    }

    #[test]
    fn another_key_or_session_is_noticed_by_the_master_and_told() {
        let expected = Refusal { why: Disconnect::OtherKey, answer: Some(no(YOUR_KEY_IS_ANOTHER)) };
        for (letter, session) in [(b'b', SESSION), (b'a', SessionId(9))] {
            let (greeted, hello) = greet(&key(letter), session).unwrap();
            let refusal = answer(&key(b'a'), SESSION, &hello).unwrap_err();
            assert_eq!(refusal, expected);
            let told = greeted.take(&refusal.answer.unwrap()).unwrap_err();
            assert_eq!(told, Refusal { why: Disconnect::OtherKey, answer: None });
        }
    }

    #[test]
    fn a_slave_notices_a_master_that_repeats_the_answer_of_another_master() {
        let (_, hello) = greet(&key(b'a'), SESSION).unwrap();
        let (reply, ..) = answer(&key(b'a'), SESSION, &hello).unwrap();
        let (greeted, _) = greet(&key(b'a'), SESSION).unwrap();
        assert_eq!(greeted.take(&reply).unwrap_err().why, Disconnect::OtherKey);
    }

    #[test]
    fn a_peer_without_a_key_and_a_peer_with_one_tell_each_other_why() {
        let plain = Refusal { why: Disconnect::NoKey, answer: Some(no(YOU_HAVE_NO_KEY)) };
        assert_eq!(answer(&key(b'a'), SESSION, &Frame::bare(Command::Reply)).unwrap_err(), plain);
        let (greeted, hello) = greet(&key(b'a'), SESSION).unwrap();
        assert_eq!(greeted.take(&Frame::bare(Command::Probe)).unwrap_err(), plain);
        assert_eq!(refuse_without_key(&plain.answer.unwrap()).unwrap().why, Disconnect::KeyWanted);
        let refusal = refuse_without_key(&hello).unwrap();
        assert_eq!(refusal.why, Disconnect::KeyWanted);
        let (greeted, _) = greet(&key(b'a'), SESSION).unwrap();
        assert_eq!(greeted.take(&refusal.answer.unwrap()).unwrap_err().why, Disconnect::NoKey);
        assert_eq!(refuse_without_key(&Frame::bare(Command::Reply)), None);
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_noticed(of_hello: bool, place in 0..MESSAGE_LEN, change in 1..=255_u8) {
            let changed = |frame: &Frame| {
                let mut data = frame.data().to_vec();
                data[place] ^= change;
                Frame::new(frame.command(), data).unwrap()
            };
            let (greeted, hello) = greet(&key(b'a'), SESSION).unwrap();
            let why = if of_hello {
                answer(&key(b'a'), SESSION, &changed(&hello)).unwrap_err().why
            } else {
                let (reply, ..) = answer(&key(b'a'), SESSION, &hello).unwrap();
                greeted.take(&changed(&reply)).unwrap_err().why
            };
            prop_assert_eq!(why, Disconnect::OtherKey);
        }

        #[test]
        fn no_first_message_makes_it_panic(code: u8, data in prop::collection::vec(any::<u8>(), 0..100)) {
            let frame = Frame::new(Command::from(code), data).unwrap();
            prop_assert!(answer(&key(b'a'), SESSION, &frame).is_err());
            prop_assert!(greet(&key(b'a'), SESSION).unwrap().0.take(&frame).is_err());
        }
    }
}
