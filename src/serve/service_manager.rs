//! Tells systemd what the server does (sd_notify(3)).

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Variables that are for this process alone, not for those that it starts.
pub(super) const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The service manager, if there is one.
#[derive(Debug)]
pub(super) struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants a sign of life.
    interval: Option<Duration>,
    /// When the next one is due.
    pub(super) next_sign: Option<Instant>,
}

impl ServiceManager {
    /// Finds it through the environment.
    pub(super) fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| open_notify_socket(&name));
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let interval =
            number("WATCHDOG_USEC").filter(|interval| *interval > 1 && is_ours && socket.is_some());
        // Twice as often as it wants.
        let interval = interval.map(|interval| Duration::from_micros(interval / 2));
        Self { socket, interval, next_sign: interval.map(|_| Instant::now()) }
    }

    /// Tells that requests are served.
    pub(super) fn tell_ready(&self) {
        self.send_state("READY=1");
    }

    /// Tells that a reload has begun. `tell_ready` ends it.
    pub(super) fn tell_reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.send_state(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// Tells that the server ends.
    pub(super) fn tell_stopping(&self) {
        self.send_state("STOPPING=1");
    }

    /// Gives a sign of life if one is due.
    pub(super) fn give_sign(&mut self, now: Instant) {
        if let (Some(interval), Some(at)) = (self.interval, self.next_sign)
            && at <= now
        {
            self.send_state("WATCHDOG=1");
            self.next_sign = Some(now + interval);
        }
    }

    fn send_state(&self, text: &str) {
        if let Some((socket, address)) = &self.socket {
            // Nothing can be done if it does not listen.
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

/// Returns a socket and the address: a path, or a name in the abstract namespace after `@`.
fn open_notify_socket(name: &OsStr) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    };
    Some((UnixDatagram::unbound().ok()?, address.ok()?))
}
