//! The Pythons that tests run on: named by `WSGIAUDIT_TEST_PYTHONS`, which `make test` sets.

use std::path::PathBuf;

/// One Python to test with.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    /// As in `3.14` or `3.14t`.
    pub(crate) version: String,
    /// Its executable.
    pub(crate) executable: PathBuf,
}

impl Python {
    /// Whether this is a free-threaded build.
    pub(crate) fn is_free_threaded(&self) -> bool {
        self.version.ends_with('t')
    }
}

/// Every Python that was provided. Panics where there is none: a test without a Python has shown nothing.
pub(crate) fn all() -> Vec<Python> {
    let listed = std::env::var("WSGIAUDIT_TEST_PYTHONS").unwrap_or_default();
    let pythons: Vec<Python> = listed.split_whitespace().map(parse).collect();
    assert!(
        !pythons.is_empty(),
        "no Python to test with: run `make test`, or\n    \
         export WSGIAUDIT_TEST_PYTHONS=\"3.14=$(tests/support/python 3.14)\""
    );
    pythons
}

/// The free-threaded build of the first of them. Panics where it was not provided.
pub(crate) fn free_threaded() -> Python {
    let version = format!("{}t", all().remove(0).version);
    all().into_iter().find(|python| python.version == version).unwrap_or_else(|| {
        panic!(
            "no Python {version} to test with: run `make test`, or\n    \
             export WSGIAUDIT_TEST_PYTHONS=\"... {version}=$(tests/support/python {version})\""
        )
    })
}

fn parse(entry: &str) -> Python {
    let (version, executable) = entry
        .split_once('=')
        .unwrap_or_else(|| panic!("WSGIAUDIT_TEST_PYTHONS wants VERSION=/path/to/python, not {entry:?}"));
    Python { version: version.to_owned(), executable: PathBuf::from(executable) }
}
