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

/// Begins a line that the relay of a trial has sent: an event of a thread that foreign code runs on.
pub const RELAYED: u8 = b'>';

/// The record of a trial as its supervisor keeps it, out of reach of the process on trial.
#[derive(Clone, Debug, Default)]
pub struct TrialRecord {
    lines: Vec<u8>,
    /// The beginning of a line whose rest is missing.
    begun: Vec<u8>,
    is_full: bool,
    is_done: bool,
}

impl TrialRecord {
    /// Appends what the process has sent: lines, or parts of lines. Foreign threads cannot tell how far the
    /// trial has come: such lines of the relay are left out. Nothing follows [`TrialEvent::Done`]. A record that
    /// would exceed [`RECORD_SIZE`] is full and stays as it is, so that no later event hides that one is missing.
    pub fn append(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.is_full |= self.lines.len() + self.begun.len() + part.len() > RECORD_SIZE;
            if self.is_full || self.is_done {
                return;
            }
            self.begun.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.begun);
                self.append_line(&line);
            }
        }
    }

    fn append_line(&mut self, line: &[u8]) {
        let parse = |line: &[u8]| serde_json::from_slice::<TrialEvent>(line).ok();
        match line.strip_prefix(&[RELAYED]) {
            Some(line) if parse(line).is_some_and(|event| event.is_progress()) => {}
            Some(line) => self.lines.extend_from_slice(line),
            None => {
                self.lines.extend_from_slice(line);
                // No other event is as short: most lines need not be parsed.
                self.is_done = line.len() < 10 && parse(line) == Some(TrialEvent::Done);
            }
        }
    }

    /// The complete lines so far.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// Whether the last event is [`TrialEvent::Done`].
    pub fn is_done(&self) -> bool {
        self.is_done
    }
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
    fn foreign_threads_cannot_tell_how_far_the_trial_has_come() {
        let mut record = TrialRecord::default();
        record.append(
            b"\"Confined\"\n>{\"Importing\":\"a\"}\n>\"Done\"\n>{\"Step\":[\"A\",\"End\"]}\n> \"Done",
        );
        record.append(b"\"\n>{\"Turn\":\"a\"}\n>\"Confined\"\n>?\n");
        assert!(!record.is_done());
        assert_eq!(record.lines(), b"\"Confined\"\n{\"Importing\":\"a\"}\n?\n");
        record.append(b"\"Done\"\n");
        // The record ends where an event is damaged.
        assert_eq!(decode_events(record.lines()).last(), Some(TrialEvent::Importing("a".to_owned())));
    }

    #[test]
    fn a_full_record_stays_full() {
        let filled = |size: usize| {
            let mut record = TrialRecord::default();
            record.append(&[&vec![b' '; size - 1][..], b"\n"].concat());
            record.append(b"\"Done\"\n");
            record
        };
        let record = filled(RECORD_SIZE - 7);
        assert_eq!((record.lines().len(), record.is_done()), (RECORD_SIZE, true));
        let mut record = filled(RECORD_SIZE - 6);
        record.append(b"\n");
        assert_eq!((record.lines().len(), record.is_done()), (RECORD_SIZE - 6, false));
    }
}
