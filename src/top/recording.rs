//! Recordings: what arrived, and when.
//!
//! A line of text is followed by an entry for each datagram: the time of its arrival (f64, in seconds from the start), its
//! size (u32), and its bytes; all little-endian.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::regular_file;

const HEAD: &[u8] = b"wsgiaudit top 1\n";

/// Size limit of a recording that is read.
const MAX_RECORDING: u64 = 1 << 30;

/// The longest recording that is believed, in seconds.
const LONGEST: f64 = 1e8;

/// A recording that is being made.
#[derive(Debug)]
pub(super) struct Recorder(BufWriter<File>);

impl Recorder {
    /// Begins a recording.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let written = || -> std::io::Result<_> {
            let mut file = BufWriter::new(File::create(path)?);
            file.write_all(HEAD)?;
            Ok(file)
        };
        written().map(Self).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Adds a datagram.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn write_datagram(&mut self, time: Duration, bytes: &[u8]) -> Result<()> {
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut entry = time.as_secs_f64().to_le_bytes().to_vec();
        entry.extend(size.to_le_bytes());
        entry.extend(bytes);
        self.0.write_all(&entry).context("cannot write the recording")
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.0.flush().context("cannot write the recording")
    }
}

/// Reads a recording: arrivals in their order.
///
/// # Errors
/// If the file cannot be read, or is something else.
pub(super) fn read_recording(path: &Path) -> Result<Vec<(Duration, Vec<u8>)>> {
    let bytes = regular_file::read_named(path, MAX_RECORDING)
        .with_context(|| format!("cannot read {}", path.display()))?;
    parse_recording(&bytes).with_context(|| format!("{} cannot be replayed", path.display()))
}

/// Parses a recording. What a process that was killed has left of its last entry is left out.
fn parse_recording(bytes: &[u8]) -> Result<Vec<(Duration, Vec<u8>)>> {
    let Some(mut rest) = bytes.strip_prefix(HEAD) else {
        bail!("it is not a recording\nhint: wsgiaudit top --record FILE makes one");
    };
    let mut arrivals = Vec::new();
    while let Some((time, after)) = rest.split_first_chunk::<8>()
        && let Some((size, after)) = after.split_first_chunk::<4>()
        && let Some((datagram, after)) = after.split_at_checked(u32::from_le_bytes(*size) as usize)
    {
        let seconds = f64::from_le_bytes(*time);
        if !(0.0..=LONGEST).contains(&seconds) {
            bail!("the time of entry {} is damaged", arrivals.len() + 1);
        }
        arrivals.push((Duration::from_secs_f64(seconds), datagram.to_vec()));
        rest = after;
    }
    Ok(arrivals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_read_as_it_was_made() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut recorder = Recorder::create(file.path()).unwrap();
        let arrivals = [(Duration::from_millis(1500), b"one".to_vec()), (Duration::from_secs(2), vec![])];
        for (time, bytes) in &arrivals {
            recorder.write_datagram(*time, bytes).unwrap();
        }
        recorder.flush().unwrap();
        assert_eq!(read_recording(file.path()).unwrap(), arrivals);
        let bytes = std::fs::read(file.path()).unwrap();
        assert_eq!(parse_recording(&bytes[..bytes.len() - 1]).unwrap(), arrivals[..1]);
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        assert!(parse_recording(b"WSGI").is_err());
        assert_eq!(parse_recording(HEAD).unwrap(), []);
        for time in [f64::NAN, -1.0, 1e9] {
            let bytes = [HEAD, &time.to_le_bytes(), &0_u32.to_le_bytes()].concat();
            assert!(parse_recording(&bytes).unwrap_err().to_string().contains("entry 1"), "{time}");
        }
        let huge = [HEAD, &[0; 8], &u32::MAX.to_le_bytes()].concat();
        assert_eq!(parse_recording(&huge).unwrap(), []);
    }
}
