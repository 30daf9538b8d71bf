//! The reader of declarations, fed with whatever the fuzzer makes of real modules: it must not panic, hang or
//! take much memory, and must answer the same twice.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use wsgiaudit::image::{Alone, inspect};
use wsgiaudit::model::Target;

fuzz_target!(|bytes: &[u8]| {
    let stem = stem(bytes).unwrap_or_else(|| "seed".to_owned());
    for target in [None, Some(Target { version: (3, 15), free_threaded: true })] {
        let facts = inspect(Rc::new(bytes.to_vec()), &stem, target, &Alone);
        assert_eq!(facts, inspect(Rc::new(bytes.to_vec()), &stem, target, &Alone));
    }
});

/// What follows the first `PyInit_` in the file, so that each seed's own init function is looked for.
fn stem(bytes: &[u8]) -> Option<String> {
    let start = bytes.windows(7).position(|window| window == b"PyInit_")? + 7;
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    Some(bytes[start..].iter().take_while(is_part).map(|byte| char::from(*byte)).collect())
}
