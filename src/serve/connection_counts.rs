//! The file in memory in which processes that serve beside each other write the numbers of their connections.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result};
use rustix::fs::{MemfdFlags, memfd_create};
use wsgiaudit_probes_core::host_config::BalanceConfig;

/// The file, and the number of processes.
#[derive(Debug)]
pub(super) struct ConnectionCounts {
    file: File,
    slots: usize,
}

impl ConnectionCounts {
    /// Makes the file, unless there is one process only. Hosts inherit it.
    ///
    /// # Errors
    /// If the system refuses it.
    pub(super) fn new(slots: usize) -> Result<Option<Self>> {
        if slots < 2 {
            return Ok(None);
        }
        let file = memfd_create("wsgiaudit-connections", MemfdFlags::empty());
        let file = File::from(file.context("cannot make a file in memory")?);
        file.set_len((slots * size_of::<u32>()) as u64).context("cannot make a file in memory")?;
        Ok(Some(Self { file, slots }))
    }

    /// Describes the file for the host of a slot.
    pub(super) fn to_config(&self, slot: usize) -> BalanceConfig {
        BalanceConfig { descriptor: self.descriptor(), slot, slots: self.slots }
    }

    /// The descriptor that hosts inherit.
    pub(super) fn descriptor(&self) -> i32 {
        self.file.as_raw_fd()
    }

    /// Notes that a slot has no host, so that the others do not wait for it.
    pub(super) fn clear_slot(&self, slot: usize) {
        // The others would wait a few milliseconds for each connection.
        let _ = self.file.write_all_at(&0_u32.to_ne_bytes(), (slot * size_of::<u32>()) as u64);
    }
}
