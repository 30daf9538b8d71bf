//! The file in which all processes of a server note their starts and ends, so that the live page of each shows all.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wsgiaudit_probes_core::figures::fleet::{Fleet, LifecycleEvent};
use wsgiaudit_probes_core::telemetry::datagram_lines::{format_line, read_lines};

const NAME: &str = "lifecycle";

/// From this size on, the file is begun again with its last part.
const MAX_SIZE: u64 = 1 << 18;

/// What is kept of it then, and read at the start.
const KEPT_SIZE: u64 = 1 << 16;

/// The file, and what was read of it.
#[derive(Debug)]
pub(super) struct LifecycleFile {
    path: PathBuf,
    /// How much of it was read.
    position: u64,
    fleet: Fleet,
}

impl LifecycleFile {
    /// Reads the file in this folder, if it is there.
    pub(super) fn open(folder: &Path) -> Self {
        let mut file = Self { path: folder.join(NAME), position: 0, fleet: Fleet::default() };
        // Without it, the page shows less.
        let _ = file.shorten();
        let _ = file.read_new();
        file
    }

    /// Appends a datagram. Lines of several processes do not mix, as each is written at once.
    pub(super) fn append(&self, datagram: &[u8]) {
        let opened = OpenOptions::new().create(true).append(true).open(&self.path);
        let _ = opened.and_then(|mut file| file.write_all(format_line(datagram).as_bytes()));
    }

    /// Returns the last starts and ends, the latest first.
    pub(super) fn list_events(&mut self) -> Vec<LifecycleEvent> {
        let _ = self.read_new();
        self.fleet.list_events()
    }

    fn read_new(&mut self) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        let size = file.metadata()?.len();
        if size < self.position {
            // Another process has begun it again.
            (self.position, self.fleet) = (0, Fleet::default());
        }
        if size == self.position {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.position))?;
        let mut text = Vec::new();
        file.take(MAX_SIZE).read_to_end(&mut text)?;
        let (datagrams, read) = read_lines(&text);
        self.position += read as u64;
        datagrams.iter().for_each(|bytes| self.fleet.take_datagram(bytes, Duration::ZERO));
        Ok(())
    }

    /// Leaves out the first part of a large file.
    fn shorten(&self) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        let size = file.metadata()?.len();
        if size < MAX_SIZE {
            return Ok(());
        }
        file.seek(SeekFrom::Start(size - KEPT_SIZE))?;
        let mut text = Vec::new();
        file.take(KEPT_SIZE).read_to_end(&mut text)?;
        let aside = self.path.with_extension(std::process::id().to_string());
        std::fs::write(&aside, &text)?;
        std::fs::rename(&aside, &self.path)
    }
}
