//! Encrypting the messages after the handshake. The frames of a side are concatenated and cut into records. Each record is
//! encrypted and becomes the data of a SEALED frame. A receiver decrypts each record once, in the order of sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use snow::StatelessTransportState;

use crate::disconnect::Disconnect;
use crate::wire::{Command, DATA_MAX, Frame, FrameDecoder, Header, SessionId};

/// Bytes that encryption adds to a record.
const TAG_LEN: usize = 16;

/// Most bytes of content in one record.
const CONTENT_MAX: usize = DATA_MAX - TAG_LEN;

/// Encrypts one direction of a connection. Threads may share it.
#[derive(Debug)]
pub struct Sealer {
    transport: Arc<StatelessTransportState>,
    session: SessionId,
    next: AtomicU64,
}

/// Decrypts one direction of a connection.
#[derive(Debug)]
pub struct Opener {
    transport: Arc<StatelessTransportState>,
    next: u64,
}

/// Both directions of a connection.
pub(super) fn sealer_and_opener(transport: StatelessTransportState, session: SessionId) -> (Sealer, Opener) {
    let transport = Arc::new(transport);
    let sealer = Sealer { transport: Arc::clone(&transport), session, next: AtomicU64::new(0) };
    (sealer, Opener { transport, next: 0 })
}

impl Sealer {
    /// Encrypts `bytes` and appends the records to `out`. The caller has to send all records in the order of these calls.
    ///
    /// # Errors
    /// [`Disconnect`] when the connection has used up its 2^64 records.
    pub fn seal(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Disconnect> {
        bytes.chunks(CONTENT_MAX).try_for_each(|content| self.seal_record(content, out))
    }

    fn seal_record(&self, content: &[u8], out: &mut Vec<u8>) -> Result<(), Disconnect> {
        let length = content.len() + TAG_LEN;
        let header =
            Header::new(self.session, Command::Sealed, u16::try_from(length).map_err(|_| Disconnect::Unsealed)?);
        out.extend_from_slice(&header.encode());
        let begin = out.len();
        out.resize(begin + length, 0);
        let nonce = self.next.fetch_add(1, Ordering::Relaxed);
        let record = out.get_mut(begin..).unwrap_or_default();
        self.transport.write_message(nonce, content, record).map_err(|_| Disconnect::Unsealed)?;
        Ok(())
    }
}

impl Opener {
    /// Decrypts the next record, and feeds its content to a decoder.
    ///
    /// # Errors
    /// [`Disconnect::Unsealed`] when the frame is not the next record of the other side.
    pub fn open(&mut self, record: &Frame, into: &mut FrameDecoder) -> Result<(), Disconnect> {
        let length = record.data().len().checked_sub(TAG_LEN).ok_or(Disconnect::Unsealed)?;
        if record.command() != Command::Sealed || record.is_cut() || length == 0 {
            return Err(Disconnect::Unsealed);
        }
        let space = into.space(length)?;
        self.transport.read_message(self.next, record.data(), space).map_err(|_| Disconnect::Unsealed)?;
        self.next = self.next.saturating_add(1);
        into.advance(length);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secure::handshake::tests::ends;

    const SESSION: SessionId = SessionId(5);

    fn frames(bytes: &[u8]) -> Vec<Frame> {
        let mut decoder = FrameDecoder::new(SESSION, DATA_MAX);
        decoder.feed(bytes);
        std::iter::from_fn(|| decoder.next_frame().unwrap()).collect()
    }

    fn opened(opener: &mut Opener, records: &[Frame]) -> Result<Vec<Frame>, Disconnect> {
        let mut decoder = FrameDecoder::new(SESSION, DATA_MAX);
        let mut frames = Vec::new();
        for record in records {
            opener.open(record, &mut decoder)?;
            while let Some(frame) = decoder.next_frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    fn messages(lengths: &[usize]) -> Vec<Frame> {
        lengths.iter().map(|length| Frame::new(Command::OutputPart, vec![7; *length]).unwrap()).collect()
    }

    #[test]
    fn sealed_messages_open_in_both_directions_and_are_unreadable_on_the_network() {
        let ((slave_sealer, mut slave_opener), (master_sealer, mut master_opener)) = ends(SESSION);
        for (sealer, opener) in [(slave_sealer, &mut master_opener), (master_sealer, &mut slave_opener)] {
            let said = messages(&[0, 40, 65_535, 3]);
            let mut wire = Vec::new();
            said.iter().try_for_each(|frame| sealer.seal(&frame.encode(SESSION), &mut wire)).unwrap();
            assert!(!wire.windows(16).any(|window| window == [7; 16]));
            let records = frames(&wire);
            assert_eq!(records.len(), 5, "the largest frame takes two records");
            assert_eq!(opened(opener, &records), Ok(said));
        }
    }

    #[test]
    fn records_open_in_their_order_only_and_each_once() {
        let said = messages(&[1, 2, 3]);
        for order in [&[1, 0][..], &[0, 0], &[0, 2]] {
            let ((sealer, _), (_, mut opener)) = ends(SESSION);
            let mut wire = Vec::new();
            said.iter().try_for_each(|frame| sealer.seal(&frame.encode(SESSION), &mut wire)).unwrap();
            let records: Vec<_> = order.iter().map(|number| frames(&wire)[*number].clone()).collect();
            assert_eq!(opened(&mut opener, &records), Err(Disconnect::Unsealed), "{order:?}");
        }
    }

    #[test]
    fn a_sides_own_records_and_plain_frames_do_not_open() {
        let ((sealer, mut own_opener), (_, mut opener)) = ends(SESSION);
        let mut wire = Vec::new();
        sealer.seal(&Frame::bare(Command::Reply).encode(SESSION), &mut wire).unwrap();
        assert_eq!(opened(&mut own_opener, &frames(&wire)), Err(Disconnect::Unsealed));
        for plain in [Frame::bare(Command::Exec), Frame::new(Command::Conf, vec![0; 50]).unwrap()] {
            assert_eq!(opened(&mut opener, &[plain]), Err(Disconnect::Unsealed));
        }
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_noticed(length in 0..300_usize, place: prop::sample::Index, change in 1..=255_u8) {
            let ((sealer, _), (_, mut opener)) = ends(SESSION);
            let mut wire = Vec::new();
            sealer.seal(&messages(&[length])[0].encode(SESSION), &mut wire).unwrap();
            let record = &frames(&wire)[0];
            let mut data = record.data().to_vec();
            let place = place.index(data.len());
            data[place] ^= change;
            let changed = Frame::new(Command::Sealed, data).unwrap();
            prop_assert_eq!(opened(&mut opener, &[changed]), Err(Disconnect::Unsealed));
        }

        #[test]
        fn no_record_makes_it_panic(data in prop::collection::vec(any::<u8>(), 0..100)) {
            let ((_, mut opener), _) = ends(SESSION);
            let record = Frame::new(Command::Sealed, data).unwrap();
            prop_assert_eq!(opened(&mut opener, &[record]), Err(Disconnect::Unsealed));
        }

        #[test]
        fn any_cut_of_the_bytes_into_records_gives_the_same_frames(cuts in prop::collection::vec(1..40_usize, 1..20)) {
            let ((sealer, _), (_, mut opener)) = ends(SESSION);
            let said = messages(&[0, 10, 200, 30]);
            let bytes: Vec<u8> = said.iter().flat_map(|frame| frame.encode(SESSION)).collect();
            let (mut wire, mut rest) = (Vec::new(), &bytes[..]);
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                sealer.seal(piece, &mut wire).unwrap();
                rest = after;
            }
            sealer.seal(rest, &mut wire).unwrap();
            prop_assert_eq!(opened(&mut opener, &frames(&wire)), Ok(said));
        }
    }
}
