//! A signed probe, which only a master with the key can make.
//!
//! The probe is an ordinary PROBE with data: a nonce, the master's wall-clock time, and a MAC (BLAKE3 in its keyed mode) of
//! header, nonce and time. A slave without a key reads past the data. docs/protocol.md describes them to the byte.

use super::{Key, WrongProbe};
use crate::time::WallClockTime;
use crate::wire::{Command, HEADER_LEN, Header, SessionId, WireInteger};

/// Random bytes, different in every datagram.
pub(super) type Nonce = [u8; 16];

const DATA_LEN: u16 = 16 + 8 + 32;

/// The signed content of a probe, except its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invitation {
    /// Random bytes, never used twice.
    pub nonce: Nonce,
    /// When the master sent the probe, on its wall clock. Times before 1970 are sent as 1970.
    pub sent: WallClockTime,
}

impl Invitation {
    /// Bytes of the datagram.
    pub const LEN: usize = HEADER_LEN + DATA_LEN as usize;

    /// The datagram that invites to `session`.
    pub fn encode(&self, session: SessionId, key: &Key) -> Vec<u8> {
        let mut datagram = Header::new(session, Command::Probe, DATA_LEN).encode().to_vec();
        datagram.extend_from_slice(&self.nonce);
        datagram.extend_from_slice(&u64::try_from(self.sent.as_nanos()).unwrap_or(0).to_wire());
        let mac = blake3::keyed_hash(key.for_probes(), &datagram);
        datagram.extend_from_slice(mac.as_bytes());
        datagram
    }

    /// Whether a datagram has the form of a signed probe. The signature may be wrong.
    pub fn is_signed(datagram: &[u8]) -> bool {
        split(datagram).is_some()
    }

    /// Reads a datagram whose header is that of a PROBE.
    ///
    /// # Errors
    /// [`WrongProbe`] when the datagram is not signed with the key.
    pub(super) fn decode(datagram: &[u8], key: &Key) -> Result<Self, WrongProbe> {
        let (signed, mac, invitation) = split(datagram).ok_or(WrongProbe::Unsigned)?;
        // `blake3::Hash` compares in constant time.
        let is_ours = blake3::keyed_hash(key.for_probes(), signed) == blake3::Hash::from_bytes(mac);
        if is_ours { Ok(invitation) } else { Err(WrongProbe::OtherKey) }
    }
}

/// The signed bytes, the MAC, and the content.
fn split(datagram: &[u8]) -> Option<(&[u8], [u8; 32], Invitation)> {
    let (signed, mac) = datagram.split_last_chunk()?;
    let (header, rest) = signed.split_first_chunk::<HEADER_LEN>()?;
    let (nonce, sent) = rest.split_first_chunk()?;
    let sent = u64::from_wire(sent.try_into().ok()?);
    let sent = WallClockTime::from_nanos(i64::try_from(sent).unwrap_or(i64::MAX));
    let is_whole = Header::decode(*header).length == DATA_LEN;
    is_whole.then_some((signed, *mac, Invitation { nonce: *nonce, sent }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let key = Key::from_secret(b"sixteen letters.").unwrap();
        let invitation = Invitation { nonce: [7; 16], sent: WallClockTime::from_nanos(0x0102) };
        let datagram = invitation.encode(SessionId(0x1234), &key);
        let signed = [&[0, 0, 0, 1, 0, 0, 0x12, 0x34, 1, 0, 56][..], &[7; 16], &[0, 0, 0, 0, 0, 0, 1, 2]].concat();
        assert_eq!(datagram.len(), Invitation::LEN);
        assert_eq!(datagram[..35], signed);
        assert_eq!(datagram[35..], blake3::keyed_hash(key.for_probes(), &signed).as_bytes()[..]);
        assert_eq!(datagram[35..39], [181, 243, 171, 112]);
        assert_eq!(Invitation::decode(&datagram, &key), Ok(invitation));
        assert!(Header::invites_to(&datagram, SessionId(0x1234)), "a slave without a key reads it as a probe");
        assert!(Invitation::is_signed(&datagram) && !Invitation::is_signed(&datagram[..HEADER_LEN]));
    }

    #[test]
    fn any_changed_bit_is_noticed() {
        let key = Key::from_secret(b"sixteen letters.").unwrap();
        let datagram = Invitation { nonce: [7; 16], sent: WallClockTime::from_nanos(5) }.encode(SessionId(1), &key);
        for bit in 0..datagram.len() * 8 {
            let mut changed = datagram.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Invitation::decode(&changed, &key).is_err(), "bit {bit}");
        }
        for length in 0..datagram.len() {
            assert_eq!(Invitation::decode(&datagram[..length], &key), Err(WrongProbe::Unsigned), "{length} bytes");
        }
    }
}
