//! Attacks of a peer without the key: probes, handshakes and sealed records that are random, or changed in one place.

use arbitrary::{Arbitrary, Result};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::secure::handshake::{answer, greet, refuse_without_key};
use synexec_proto::secure::{Invitation, Key, Opener, ProbeGuard, Sealer, WrongProbe};
use synexec_proto::time::WallClockTime;
use synexec_proto::wire::{Command, DATA_MAX, Frame, FrameDecoder, SessionId};

use crate::draw::{self, Input};

const SESSION: SessionId = SessionId(0x1234_5678);
const NOW: WallClockTime = WallClockTime::from_nanos(1_800_000_000_000_000_000);

fn key(letter: u8) -> Key {
    Key::from_secret(&[letter; 16]).expect("the secret is long enough")
}

/// Checks that a peer without the key cannot make a valid probe, change one, or repeat one.
pub fn invitation(data: &[u8]) {
    let mut guard = ProbeGuard::default();
    // No probe is made with this key, because libFuzzer repeats bytes that it has seen in a comparison.
    assert!(guard.check(data, &key(b'z'), NOW).is_err());
    let mut input = Input::new(data);
    let _ = try_changed_invitation(&mut guard, &mut input);
}

fn try_changed_invitation(guard: &mut ProbeGuard, input: &mut Input<'_>) -> Result<()> {
    let sent = WallClockTime::from_nanos(NOW.as_nanos().saturating_add(i64::arbitrary(input)?));
    let probe = Invitation { nonce: input.arbitrary()?, sent }.encode(SESSION, &key(b'a'));
    let changed = changed(&probe, input)?;
    if changed != probe {
        assert!(guard.check(&changed, &key(b'a'), NOW).is_err());
    }
    assert_eq!(guard.check(&probe, &key(b'b'), NOW), Err(WrongProbe::OtherKey));
    if guard.check(&probe, &key(b'a'), NOW).is_ok() {
        assert_eq!(guard.check(&probe, &key(b'a'), NOW), Err(WrongProbe::Repeated));
    }
    Ok(())
}

/// Checks that a peer without the key cannot complete a handshake on either side, and that a refusal does no harm.
pub fn handshake(data: &[u8]) {
    let mut input = Input::new(data);
    let Ok(frame) = frame(&mut input) else { return };
    let _ = refuse_without_key(&frame);
    // No hello is made with this key, because libFuzzer repeats bytes that it has seen in a comparison.
    assert!(answer(&key(b'z'), SESSION, &frame).is_err());
    let (greeted, hello) = greet(&key(b'a'), SESSION).expect("the system gives random bytes");
    assert!(greeted.take(&frame).is_err());
    let _ = try_changed_handshake(&hello, &mut input);
}

fn try_changed_handshake(hello: &Frame, input: &mut Input<'_>) -> Result<()> {
    let changed = changed(hello.data(), input)?;
    if changed != hello.data() {
        let hello = Frame::new(Command::KeyedHello, changed).expect("the value is small");
        assert!(answer(&key(b'a'), SESSION, &hello).is_err());
    }
    assert!(answer(&key(b'b'), SESSION, hello).is_err());
    assert!(answer(&key(b'a'), SessionId(u32::arbitrary(input)?.max(SESSION.0 + 1)), hello).is_err());
    Ok(())
}

/// Checks that sealed bytes arrive unchanged in pieces of any size, and that a record that is changed, repeated, left
/// out or forged ends the connection.
pub fn sealed(data: &[u8]) {
    let (sealer, opener) = ends();
    let decoder = || FrameDecoder::new(SESSION, 300);
    let mut wire = Wire { sealer, opener, records: Vec::new(), inner: decoder(), plain: decoder() };
    let mut input = Input::new(data);
    while !input.is_empty() && wire.step(&mut input).unwrap_or_default() {}
}

/// The sealer of a slave and the opener of its master.
fn ends() -> (Sealer, Opener) {
    let (greeted, hello) = greet(&key(b'a'), SESSION).expect("the system gives random bytes");
    let (reply, _, opener) = answer(&key(b'a'), SESSION, &hello).expect("both have the same key");
    let (sealer, _) = greeted.take(&reply).expect("both have the same key");
    (sealer, opener)
}

struct Wire {
    sealer: Sealer,
    opener: Opener,
    /// All opened records, followed by the next record to open.
    records: Vec<Frame>,
    inner: FrameDecoder,
    /// A decoder that receives the same bytes without encryption.
    plain: FrameDecoder,
}

impl Wire {
    /// Seals some bytes, and delivers their record or another one. Tells whether the connection still stands.
    fn step(&mut self, input: &mut Input<'_>) -> Result<bool> {
        let said = draw::bytes(input)?;
        if said.is_empty() {
            return Ok(true);
        }
        self.seal(&said);
        if input.ratio(7, 8)? {
            return Ok(self.deliver(&said));
        }
        let next = self.records.last().expect("a record is pending");
        let other = match input.int_in_range(0..=2)? {
            0 => Frame::new(Command::Sealed, changed(next.data(), input)?).expect("the value is small"),
            1 => input.choose(&self.records)?.clone(),
            _ => frame(input)?,
        };
        if other != *next {
            assert_eq!(self.opener.open(&other, &mut self.inner), Err(Disconnect::Unsealed));
        }
        Ok(false)
    }

    fn seal(&mut self, said: &[u8]) {
        let mut wire = Vec::new();
        self.sealer.seal(said, &mut wire).expect("the sealer has sealed few records");
        let mut decoder = FrameDecoder::new(SESSION, DATA_MAX);
        decoder.feed(&wire);
        self.records
            .push(decoder.next_frame().expect("the frame belongs to this session").expect("the value is complete"));
        assert_eq!(decoder.time_allowed(), None, "the decoder holds a second record");
    }

    fn deliver(&mut self, said: &[u8]) -> bool {
        let record = self.records.last().expect("a record is pending");
        self.opener.open(record, &mut self.inner).expect("the record is the next one");
        self.plain.feed(said);
        loop {
            let (opened, plain) = (self.inner.next_frame(), self.plain.next_frame());
            assert_eq!(opened, plain);
            match opened {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}

/// Any frame, mostly with a command of the encryption.
fn frame(input: &mut Input<'_>) -> Result<Frame> {
    let codes = [Command::KeyedHello, Command::KeyedReply, Command::Sealed, Command::KeyedNo];
    let code = if input.ratio(7, 8)? { *input.choose(&codes)? } else { Command::from(u8::arbitrary(input)?) };
    Ok(Frame::new(code, draw::bytes(input)?).expect("the value is small"))
}

/// The bytes with one byte changed, some cut off, or some added.
fn changed(bytes: &[u8], input: &mut Input<'_>) -> Result<Vec<u8>> {
    let mut changed = bytes.to_vec();
    let place = input.choose_index(bytes.len())?;
    match input.int_in_range(0..=3)? {
        0 => changed.truncate(place),
        1 => changed.extend(draw::bytes(input)?),
        _ => changed[place] ^= u8::arbitrary(input)?,
    }
    Ok(changed)
}
