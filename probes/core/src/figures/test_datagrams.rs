//! Datagrams for unit tests, also of `wsgiaudit top`.

use wsgiaudit_probes_core::telemetry::datagram::{Datagram, Kind, field};

/// One second of a process with two threads: requests that took 2 ms each in the application.
pub(super) fn request_datagram(pid: u32, requests: u64, busy: f64) -> Datagram {
    let mut datagram = Datagram::new(Kind::Request, pid, 1, 1000.0);
    datagram.add_text(field::PROCESS_GROUP, "shop");
    datagram.add_number(field::SAMPLE_PERIOD, 1.0);
    datagram.add_number(field::SWITCH_INTERVAL, 0.005);
    datagram.add_count(field::REQUEST_COUNT, requests);
    datagram.add_number(field::CAPACITY, busy);
    datagram.add_number(field::CPU, busy);
    datagram.add_count(field::MEMORY, 50_000_000);
    datagram.add_count(field::THREADS_MAXIMUM, 2);
    datagram.add_count(field::THREADS_ACTIVE, 1);
    add_phase(&mut datagram, 3, 0.002, 4, requests);
    add_phase(&mut datagram, 4, 0.003, 6, requests);
    datagram.add_count(field::STATUS_2XX, requests);
    datagram.add_counts(field::WORKER_COMPLETED, &[requests, 0]);
    datagram.add_numbers(field::WORKER_BUSY, vec![busy, busy]);
    datagram.add_numbers(field::WORKER_CPU, vec![busy, busy]);
    datagram
}

/// Adds a phase: all of its times are in one bucket.
pub(super) fn add_phase(datagram: &mut Datagram, phase: u16, mean: f64, bucket: usize, count: u64) {
    let mut buckets = [0; 65];
    buckets[bucket] = count;
    datagram.add_number(field::SERVER_TIME + phase, mean);
    datagram.add_number(field::SERVER_TIME_MAXIMUM + phase, mean * 2.0);
    datagram.add_counts(field::SERVER_TIME_BUCKETS + phase, &buckets);
}
