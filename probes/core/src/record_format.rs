//! The record of a trial: its events as JSON lines.

use crate::protocol::{RECORD_SIZE, TrialEvent};

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

/// The record of a trial as its supervisor keeps it, out of reach of the process on trial.
#[derive(Clone, Debug, Default)]
pub struct TrialRecord {
    lines: Vec<u8>,
    is_full: bool,
    is_done: bool,
}

impl TrialRecord {
    /// Appends what the process has sent: lines, or parts of lines. Nothing follows [`TrialEvent::Done`]. A
    /// record that would exceed [`RECORD_SIZE`] is full and stays as it is, so that no later event hides that
    /// one is missing.
    pub fn append(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.is_full |= self.lines.len() + part.len() > RECORD_SIZE;
            if self.is_full || self.is_done {
                return;
            }
            self.lines.extend_from_slice(part);
            self.is_done = part.ends_with(b"\n") && is_done(self.last_line());
        }
    }

    /// The lines so far. The last one may be incomplete.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// Whether the last event is [`TrialEvent::Done`].
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// The last complete line.
    fn last_line(&self) -> &[u8] {
        let complete = self.lines.strip_suffix(b"\n").unwrap_or_default();
        complete.rsplit(|byte| *byte == b'\n').next().unwrap_or_default()
    }
}

fn is_done(line: &[u8]) -> bool {
    // No other event is as short: most lines need not be parsed.
    line.len() < 10 && serde_json::from_slice(line).is_ok_and(|event| TrialEvent::Done == event)
}

#[cfg(test)]
mod tests {
    use super::{TrialRecord, decode_events, encode_event};
    use crate::protocol::{ProtocolPhase, RECORD_SIZE, TrialEvent};

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
    fn a_record_is_done_once_the_whole_last_line_says_so() {
        let mut record = TrialRecord::default();
        assert!(!record.is_done());
        record.append(b"\"Confined\"\n\"Done");
        assert!(!record.is_done());
        record.append(b"\"\n");
        assert!(record.is_done());
        record.append(b"{\"Touched\":\"a\"}\n");
        assert_eq!(record.lines(), b"\"Confined\"\n\"Done\"\n");
        let mut record = TrialRecord::default();
        record.append(b"\"Done\"\n{\"Importing\":\"a\"}\n");
        assert_eq!((record.is_done(), record.lines()), (true, &b"\"Done\"\n"[..]));
    }

    #[test]
    fn a_full_record_stays_full() {
        let mut record = TrialRecord::default();
        record.append(&vec![b' '; RECORD_SIZE - 7]);
        record.append(b"\"Done\"\n");
        assert_eq!(record.lines().len(), RECORD_SIZE);
        let mut record = TrialRecord::default();
        record.append(&vec![b' '; RECORD_SIZE - 6]);
        record.append(b"\"Done\"\n");
        record.append(b"\n");
        assert!(record.lines().iter().all(|byte| *byte == b' '));
        assert!(!record.is_done());
    }
}
