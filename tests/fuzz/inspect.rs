//! Fuzzes the inspection of shared objects with mutated real modules: it must not panic, hang or use much
//! memory, and must be deterministic.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use wsgiaudit::image::{NoDependencies, inspect_source};
use wsgiaudit::model::TargetPython;

fuzz_target!(|bytes: &[u8]| {
    let stem = stem(bytes).unwrap_or_else(|| "seed".to_owned());
    for target in [None, Some(TargetPython { version: (3, 15), free_threaded: true })] {
        let facts = inspect_source(Rc::new(bytes.to_vec()), &stem, target, &NoDependencies);
        assert_eq!(facts, inspect_source(Rc::new(bytes.to_vec()), &stem, target, &NoDependencies));
    }
});

/// The name after the first `PyInit_` in the file, so that the init function of each seed is found.
fn stem(bytes: &[u8]) -> Option<String> {
    let start = bytes.windows(7).position(|window| window == b"PyInit_")? + 7;
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    Some(bytes[start..].iter().take_while(is_part).map(|byte| char::from(*byte)).collect())
}
