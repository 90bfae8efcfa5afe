//! The ends of outputs, which the HTML report shows.

use std::collections::BTreeMap;

use synexec_session::master::OutputId;

/// Most bytes of all ends together. Once this limit is reached, further outputs keep no end.
const ALL_MAX: usize = 64 << 20;

/// The last bytes of each output.
#[derive(Debug, Default)]
pub struct Tails {
    length: usize,
    tails: BTreeMap<OutputId, Vec<u8>>,
}

impl Tails {
    /// Keeps this many bytes of each output; 0 keeps nothing.
    pub fn new(length: usize) -> Self {
        Self { length, tails: BTreeMap::new() }
    }

    /// Adds the next bytes of an output.
    pub fn add(&mut self, id: OutputId, bytes: &[u8]) {
        let has_room = (self.tails.len() + 1).saturating_mul(self.length) <= ALL_MAX;
        if self.length == 0 || !has_room && !self.tails.contains_key(&id) {
            return;
        }
        let tail = self.tails.entry(id).or_default();
        let new = bytes.get(bytes.len().saturating_sub(self.length)..).unwrap_or_default();
        let surplus = (tail.len() + new.len()).saturating_sub(self.length);
        tail.drain(..surplus.min(tail.len()));
        tail.extend_from_slice(new);
    }

    /// The end of an output as text, if one is kept.
    pub fn text(&self, id: OutputId) -> Option<String> {
        self.tails.get(&id).map(|tail| String::from_utf8_lossy(without_cut_character(tail)).into_owned())
    }
}

/// Drops the rest of a first character that was cut: at most three bytes (RFC 3629, section 3).
fn without_cut_character(bytes: &[u8]) -> &[u8] {
    let rest = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    bytes.get(rest..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use synexec_proto::message::TaskStream;

    const ID: OutputId = OutputId { round: 1, rank: 2, stream: TaskStream::Output };

    #[test]
    fn the_last_bytes_are_kept_in_chunks_of_any_size() {
        let whole = b"one two three four";
        for chunk in [1, 3, 7, 100] {
            let mut tails = Tails::new(9);
            whole.chunks(chunk).for_each(|bytes| tails.add(ID, bytes));
            assert_eq!(tails.text(ID).unwrap(), "hree four", "chunks of {chunk}");
        }
        assert_eq!(Tails::new(9).text(ID), None);
    }

    #[test]
    fn a_cut_character_is_not_shown() {
        let mut tails = Tails::new(4);
        tails.add(ID, "aé€".as_bytes());
        assert_eq!(tails.text(ID).unwrap(), "€");
    }
}
