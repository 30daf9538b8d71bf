//! Every parser of what others have written, with damaged inputs: none panics, and none takes long. `make fuzz` does
//! the same for hours, and remembers which damage led somewhere.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use walkdir::WalkDir;
use wsgiaudit_probes_core::telemetry::datagram::{Datagram, Kind, field};
use wsgiaudit_probes_core::telemetry::datagram_lines::format_line;

use crate::support::dice::Dice;
use crate::support::wheel::pack_entries;

#[path = "../fuzz/parsers.rs"]
mod parsers;

/// Much longer than one input takes.
const MOST: Duration = Duration::from_secs(5);

impl Dice {
    /// A part of some bytes.
    fn slice<'b>(&mut self, bytes: &'b [u8], most: usize) -> &'b [u8] {
        let start = self.throw(bytes.len());
        &bytes[start..(start + self.throw(most)).min(bytes.len())]
    }

    /// Damages an input: flips bits, and removes, repeats, moves and inserts parts, of another input too.
    fn damage(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.throw(8) {
            let at = self.throw(bytes.len());
            match self.throw(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.throw(8),
                1 => {
                    let part = self.slice(&bytes, 64).to_vec();
                    bytes.splice(at..at, part.repeat(1 + self.throw(50)));
                }
                2 => drop(bytes.drain(at..(at + self.throw(200)).min(bytes.len()))),
                3 => {
                    let part = self.slice(other, 200).to_vec();
                    bytes.splice(at..at, part);
                }
                4 => bytes.truncate(bytes.len() - self.throw(bytes.len() / 4)),
                _ => {
                    let odd: [&[u8]; 8] =
                        [b"\0", b"\"", b"${", b"<", b"\n\n", b"99999999999999999999", b"\xff\xfe", b"{{"];
                    let part = odd[self.throw(odd.len())].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        bytes.truncate(256 << 10);
        bytes
    }
}

/// The files below a folder of fixtures with this extension, or all.
fn fixtures(folder: &str, extension: Option<&str>) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let files = WalkDir::new(folder).sort_by_file_name().into_iter().map(|entry| entry.unwrap().into_path());
    let is_wanted = |path: &PathBuf| {
        path.is_file() && extension.is_none_or(|wanted| path.extension().is_some_and(|found| found == wanted))
    };
    let all: Vec<Vec<u8>> = files.filter(is_wanted).map(|path| fs::read(path).unwrap()).collect();
    assert!(!all.is_empty());
    all
}

fn damage_all(seeds: &[Vec<u8>], rounds: usize, parse: fn(&[u8])) {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for seed in seeds {
        parse(seed);
    }
    for round in 0..rounds {
        let (seed, other) = (dice.throw(seeds.len()), dice.throw(seeds.len()));
        let bytes = dice.damage(&seeds[seed], &seeds[other]);
        let started = Instant::now();
        parse(&bytes);
        assert!(started.elapsed() < MOST, "round {round} of seed {seed} took {:?}", started.elapsed());
    }
    parsers::remove_folders();
}

#[test]
fn metadata() {
    let texts: [(u8, &str); 5] = [
        (0, "Metadata-Version: 2.1\nName: fuzz\nVersion: 1.0\nRequires-Dist: a>=1; extra == 'x'\n\nText\n"),
        (1, "fuzz/__init__.py,sha256=x,10\n\"fuzz/a,b.py\",,\n../../bin/x,,\nfuzz/_m.abi3.so,,\n"),
        (2, "Wheel-Version: 1.0\nTag: cp314-cp314-manylinux_2_17_x86_64\n"),
        (3, r#"{"url": "file:///x/%20y", "dir_info": {"editable": true}}"#),
        (4, "fuzz\n_fuzz\n"),
    ];
    let seeds: Vec<Vec<u8>> = texts.iter().map(|(kind, text)| [&[*kind], text.as_bytes()].concat()).collect();
    damage_all(&seeds, 3000, parsers::read_metadata);
}

#[test]
fn wheels() {
    let seeds = fixtures("seeds", Some("so")).into_iter().map(|module| {
        let entries = [("fuzz/seed.abi3.so", module.as_slice()), ("fuzz-1.0.dist-info/RECORD", b"a,,")];
        pack_entries(Cursor::new(Vec::new()), &entries).into_inner()
    });
    damage_all(&seeds.collect::<Vec<_>>(), 1500, parsers::read_wheel);
}

#[test]
fn apache() {
    let seeds = [fixtures("apache-config", Some("conf")), fixtures("apache-sites", None)].concat();
    damage_all(&seeds, 4000, parsers::read_apache);
}

#[test]
fn requests() {
    damage_all(&fixtures("applications", Some("http")), 6000, parsers::read_requests);
}

#[test]
fn reports() {
    damage_all(&fixtures("golden", Some("json")), 300, parsers::read_report);
}

#[test]
fn python() {
    damage_all(&fixtures("applications", Some("py")), 3000, parsers::read_python);
}

#[test]
fn telemetry() {
    let mut full = Datagram::new(Kind::Request, 7, 1, 1000.0);
    full.add_text(field::INTERPRETER_NAME, "shop/1");
    full.add_number(field::SAMPLE_PERIOD, 1.0);
    full.add_number(field::CAPACITY, 0.9);
    full.add_count(field::REQUEST_COUNT, 100);
    full.add_counts(field::SERVER_TIME_BUCKETS, &[7; 65]);
    full.add_numbers(field::WORKER_BUSY, vec![0.5; 4]);
    let mut stopped = Datagram::new(Kind::ProcessStopped, 7, 2, 1001.0);
    stopped.add_text(field::STOP_REASON, "memory_limit");
    let (full, stopped) = (full.encode(), stopped.encode());
    let lines = format_line(&full) + &format_line(&stopped);
    damage_all(&[full, stopped, lines.into_bytes()], 20_000, parsers::read_telemetry);
}
