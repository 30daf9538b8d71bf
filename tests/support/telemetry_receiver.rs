//! A receiver of telemetry: its socket, and what has arrived.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver as Channel, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wsgiaudit_probes_core::telemetry::datagram::{Datagram, Kind};

/// It receives until the end of the test, on a thread: the system keeps few datagrams for one that does not read.
pub(crate) struct Receiver {
    path: PathBuf,
    arrivals: Channel<Vec<u8>>,
    is_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    pub(crate) datagrams: Vec<Datagram>,
}

impl Receiver {
    pub(crate) fn new(folder: &Path) -> Self {
        let path = folder.join("telemetry.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (sender, arrivals) = channel();
        let is_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&is_ended);
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 70_000];
            while !ended.load(Ordering::Relaxed) {
                if let Ok(size) = socket.recv(&mut buffer) {
                    drop(sender.send(buffer[..size].to_vec()));
                }
            }
        });
        Self { path, arrivals, is_ended, thread: Some(thread), datagrams: Vec::new() }
    }

    /// `unix:PATH`.
    pub(crate) fn target(&self) -> String {
        format!("unix:{}", self.path.display())
    }

    /// Receives until this is found. Everything that arrives must be good.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: impl Fn(&Datagram) -> bool) -> Datagram {
        let started = Instant::now();
        loop {
            self.datagrams.extend(self.arrivals.try_iter().map(|bytes| Datagram::decode(&bytes).unwrap()));
            if let Some(found) = self.datagrams.iter().find(|datagram| what(datagram)) {
                return found.clone();
            }
            assert!(started.elapsed() < Duration::from_secs(30), "it does not arrive: {:#?}", self.kinds());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What has arrived of a kind.
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = &Datagram> {
        self.datagrams.iter().filter(move |datagram| datagram.kind == kind)
    }

    /// The sum of a count in all datagrams of a kind.
    pub(crate) fn sum(&self, kind: Kind, id: u16) -> u64 {
        self.all(kind).filter_map(|datagram| datagram.count(id)).sum()
    }

    fn kinds(&self) -> Vec<(u32, Kind)> {
        self.datagrams.iter().map(|datagram| (datagram.pid, datagram.kind)).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}
