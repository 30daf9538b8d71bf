//! How many connections each process has that accepts from the same sockets.
//!
//! The kernel wakes all of them for a new connection, and the one that happens to run takes it: of ten connections to two
//! processes, one got nine (measured). So each writes its number into a file in memory, and one that has more than another
//! waits a little for that one to take the connection.

use std::fs::File;
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use wsgiaudit_probes_core::host_config::BalanceConfig;

/// Size of a number in the file.
const SIZE: usize = size_of::<u32>();

/// How long a process that has more connections than another lets that one take the next, and how often it looks.
const PATIENCE: Duration = Duration::from_millis(1);
const ATTEMPTS: usize = 5;

/// How unequal the numbers may be: by one for so many connections. So processes with many need not take turns.
const CONNECTIONS_PER_SLACK: u32 = 8;

/// The number of connections of this process, and of those beside it.
#[derive(Debug, Default)]
pub(super) struct ConnectionBalance {
    /// Numbers of all processes by slot, each plus one; zero for a process that accepts nothing. `None` if there are no
    /// others.
    shared: Option<(File, BalanceConfig)>,
    open: AtomicU32,
    /// Whether this process accepts no further connections: another one may have its slot now.
    is_retired: AtomicBool,
}

impl ConnectionBalance {
    /// Takes over the inherited file.
    ///
    /// # Safety
    /// The supervisor opened the descriptor for this process.
    pub(super) unsafe fn from_inherited(config: Option<&BalanceConfig>) -> Self {
        // SAFETY: guaranteed by the caller.
        let shared = config.map(|config| (unsafe { File::from_raw_fd(config.descriptor) }, config.clone()));
        Self { shared, ..Self::default() }
    }

    /// Tells the others that this process accepts connections.
    pub(super) fn announce_process(&self) {
        self.write_count(0);
    }

    /// Counts a connection.
    pub(super) fn add_connection(&self) {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.write_count(open);
    }

    /// Counts the end of a connection.
    pub(super) fn remove_connection(&self) {
        let open = self.open.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
        self.write_count(open);
    }

    /// Writes the number of connections, for other processes.
    fn write_count(&self, open: u32) {
        if let Some((file, config)) = &self.shared
            && !self.is_retired.load(Ordering::Relaxed)
        {
            // Without the number, connections are spread less evenly.
            let _ = file.write_all_at(&(open + 1).to_ne_bytes(), (config.slot * SIZE) as u64);
        }
    }

    /// Stops writing the number, and waiting for others.
    pub(super) fn stop_counting(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    /// Waits a little if another process has fewer connections.
    pub(super) async fn let_others_go_first(&self) {
        for _ in 0..ATTEMPTS {
            if self.is_retired.load(Ordering::Relaxed) || !self.has_more_than_others() {
                return;
            }
            tokio::time::sleep(PATIENCE).await;
        }
    }

    fn has_more_than_others(&self) -> bool {
        let Some((file, config)) = &self.shared else { return false };
        let mut numbers = vec![0; config.slots * SIZE];
        if file.read_exact_at(&mut numbers, 0).is_err() {
            return false;
        }
        let numbers = numbers.chunks_exact(SIZE).map(|bytes| bytes.try_into().map_or(0, u32::from_ne_bytes));
        let others = numbers.enumerate().filter(|(slot, number)| *slot != config.slot && *number > 0);
        let least = others.map(|(_, number)| number - 1).min();
        least.is_some_and(|least| self.open.load(Ordering::Relaxed) > least + least / CONNECTIONS_PER_SLACK)
    }
}
