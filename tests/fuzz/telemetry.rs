//! Fuzzes `parsers::read_telemetry`.
#![no_main]
#![expect(dead_code, reason = "each target calls one of the parsers")]

use libfuzzer_sys::fuzz_target;

mod parsers;

fuzz_target!(|bytes: &[u8]| parsers::read_telemetry(bytes));
