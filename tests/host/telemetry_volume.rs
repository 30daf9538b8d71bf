//! Many datagrams, to mod_wsgi's own receiver.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use wsgiaudit_probes_core::histogram::{BUCKETS, HistogramSnapshot, bucket_upper_bound};
use wsgiaudit_probes_core::telemetry::datagram::{Datagram, Kind, field};
use wsgiaudit_probes_core::telemetry::interpreter_meter::{InterpreterMeter, WorkerInterval};
use wsgiaudit_probes_core::telemetry::lifecycle::ProcessIdentity;
use wsgiaudit_probes_core::telemetry::phase_meter::Phase;
use wsgiaudit_probes_core::telemetry::report::{IntervalReport, ProcessUsage};

use crate::support::dice::Dice;
use crate::support::modwsgi_telemetry::ModWsgiTelemetry;
use crate::support::telemetry_environment;

const DATAGRAMS: usize = 100_000;
const PROCESSES: usize = 4;
/// What the receiver keeps of each process.
const KEPT: usize = 600;

/// The percentiles by mod_wsgi-telemetry's own code.
const PERCENTILES: &str = "
import json, sys
from mod_wsgi.telemetry.tui import _hdr_percentile
buckets = json.load(sys.stdin)
print(json.dumps([_hdr_percentile(buckets, share) for share in (50, 95, 99)]))
";

fn find_percentiles(buckets: &[u64; BUCKETS]) -> Vec<f64> {
    let mut child = Command::new(telemetry_environment().join("bin/python"))
        .args(["-c", PERCENTILES])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = serde_json::to_string(&buckets.to_vec()).unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
}

fn bucket_of(seconds: f64) -> usize {
    (0..BUCKETS - 1).find(|index| seconds < bucket_upper_bound(*index)).unwrap_or(BUCKETS - 1)
}

/// The bytes of a datagram with every figure, by the host's own encoder.
fn encode_interval(meter: &InterpreterMeter, pid: u32, number: u32, dice: &mut Dice) -> Vec<u8> {
    for _ in 0..=dice.throw(4) {
        let micros = 1 << dice.throw(26);
        let took = Duration::from_micros(micros + dice.throw(1000) as u64);
        for phase in Phase::ALL {
            meter.record(phase, took);
        }
        meter.record_response([200, 204, 302, 404, 500][dice.throw(5)], dice.throw(1 << 20) as u64, 1);
    }
    let worker = WorkerInterval { completed: 1, busy: Duration::from_millis(7), ..WorkerInterval::default() };
    let workers = vec![(worker, Duration::from_millis(3)); 4];
    let identity = ProcessIdentity { group: "shop".to_owned(), parent: 1, ..ProcessIdentity::default() };
    let usage =
        ProcessUsage { cpu_user: 1.0, cpu_system: 0.5, memory: 50_000_000, memory_maximum: 60_000_000 };
    let report = IntervalReport {
        identity: &identity,
        name: &meter.name,
        period: 1.0,
        interval: 1.0,
        slow_threshold: 1.0,
        switch_interval: Some(0.005),
        requests: &meter.end_interval(),
        workers: &workers,
        usage_before: ProcessUsage::default(),
        usage,
    };
    let mut datagram = Datagram::new(Kind::Request, pid, number, 1_800_000_000.0 + f64::from(number));
    report.describe(&mut datagram);
    datagram.encode()
}

#[test]
fn a_hundred_thousand_datagrams_are_all_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("telemetry.sock");
    let receiver = ModWsgiTelemetry::start(&format!("unix:{}", path.display()));
    // It blocks while the receiver has no space, so that none is lost.
    let socket = UnixDatagram::unbound().unwrap();
    let (mut dice, mut ours) = (Dice(7), [0_u64; BUCKETS]);
    let meters: Vec<InterpreterMeter> =
        (0..PROCESSES).map(|number| InterpreterMeter::new(format!("shop/{number}"), number, 4)).collect();
    for number in 0..DATAGRAMS {
        let (round, process) = (number / PROCESSES, number % PROCESSES);
        let bytes = encode_interval(&meters[process], 1000 + process as u32, round as u32 + 1, &mut dice);
        if round >= DATAGRAMS / PROCESSES - KEPT {
            let counts = Datagram::decode(&bytes).unwrap().counts(field::REQUEST_TIME_BUCKETS);
            ours.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        socket.send_to(&bytes, &path).unwrap();
    }
    let started = Instant::now();
    let state = loop {
        let state = receiver.try_state().unwrap();
        if state["total_received"] == DATAGRAMS {
            break state;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{}", state["total_received"]);
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(state["decode_errors"], 0);
    let samples = state["processes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|process| process["samples"].as_array().unwrap());
    let (mut theirs, mut kept) = ([0_u64; BUCKETS], 0);
    for sample in samples {
        let counts = sample["fields"]["request_time_buckets"].as_array().unwrap();
        theirs.iter_mut().zip(counts.iter().filter_map(Value::as_u64)).for_each(|(sum, count)| *sum += count);
        kept += 1;
    }
    assert_eq!((kept, theirs), (PROCESSES * KEPT, ours));
    let ours = HistogramSnapshot { buckets: ours, sum: 0.0 };
    for (share, found) in [0.5, 0.95, 0.99].into_iter().zip(find_percentiles(&theirs)) {
        let own = ours.quantile(share).unwrap();
        assert!(bucket_of(own).abs_diff(bucket_of(found)) <= 1, "{share}: {own} and {found}");
    }
}
