//! The format of a trial's record: a length of eight bytes, then JSON lines ([`RECORD_SIZE`]).

use crate::protocol::{RECORD_HEAD, RECORD_SIZE, TrialEvent};

/// Encodes an event as a line.
///
/// # Errors
/// If the event cannot be written as JSON.
pub fn encode_event(event: &TrialEvent) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}

/// Decodes the lines of a record, in order. Stops at the first damaged one.
pub fn decode_events(lines: &[u8]) -> impl Iterator<Item = TrialEvent> {
    lines.split(|byte| *byte == b'\n').map_while(|line| serde_json::from_slice(line).ok())
}

/// Returns the number of bytes that follow this head. A damaged head never says more than fits.
pub fn decode_head(head: [u8; RECORD_HEAD]) -> u64 {
    u64::from_le_bytes(head).min((RECORD_SIZE - RECORD_HEAD) as u64)
}

/// How far a record is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordPosition {
    /// Number of bytes after the head. Once an event did not fit, more than the record can hold.
    length: usize,
}

impl RecordPosition {
    /// Reserves space for a line of this size. Returns its offset in the file, and the head to write after it.
    /// `None` if the record is full, which it stays, so that no later event hides that one is missing.
    pub fn reserve_line(&mut self, size: usize) -> Option<(usize, [u8; RECORD_HEAD])> {
        let start = RECORD_HEAD + self.length;
        if start + size > RECORD_SIZE {
            self.length = RECORD_SIZE;
            return None;
        }
        self.length += size;
        Some((start, (self.length as u64).to_le_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::{RecordPosition, decode_events, decode_head, encode_event};
    use crate::protocol::{ProtocolPhase, RECORD_HEAD, RECORD_SIZE, TrialEvent};

    #[test]
    fn what_is_written_is_read() {
        let events = [
            TrialEvent::Step("A".to_owned(), ProtocolPhase::Import),
            TrialEvent::Touched("a\nb".to_owned()),
            TrialEvent::Done,
        ];
        let mut lines: Vec<u8> = events.iter().flat_map(|event| encode_event(event).unwrap()).collect();
        assert_eq!(decode_events(&lines).collect::<Vec<_>>(), events);
        // The rest of a line that a crash cut short, and what follows it, is not read.
        lines.truncate(lines.len() - 3);
        lines.extend(b"\n\"Done\"\n");
        assert_eq!(decode_events(&lines).collect::<Vec<_>>(), events[..2]);
    }

    #[test]
    fn lines_follow_one_another_after_the_head() {
        let mut record = RecordPosition::default();
        assert_eq!(record.reserve_line(10), Some((8, 10_u64.to_le_bytes())));
        assert_eq!(record.reserve_line(300), Some((18, 310_u64.to_le_bytes())));
    }

    #[test]
    fn a_full_record_stays_full() {
        let mut record = RecordPosition::default();
        let all = RECORD_SIZE - RECORD_HEAD;
        assert!(record.reserve_line(all - 5).is_some());
        assert!(record.reserve_line(5).is_some());
        let mut record = RecordPosition::default();
        assert!(record.reserve_line(all - 5).is_some());
        assert_eq!(record.reserve_line(6), None);
        assert_eq!(record.reserve_line(1), None);
    }

    #[test]
    fn a_damaged_head_is_limited_to_the_record() {
        assert_eq!(decode_head(10_u64.to_le_bytes()), 10);
        assert_eq!(decode_head([0xff; 8]), 4_194_296);
    }
}
