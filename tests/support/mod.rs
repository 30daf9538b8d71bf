//! What the themes share.

pub(crate) mod apache;
pub(crate) mod browser;
pub(crate) mod command;
pub(crate) mod corpus;
pub(crate) mod pythons;
pub(crate) mod running;
pub(crate) mod server;
pub(crate) mod venv;

use std::path::PathBuf;

/// The virtualenv of `make switches-environment`. Panics where it was not provided.
pub(crate) fn switches_environment() -> PathBuf {
    std::env::var_os("WSGIAUDIT_TEST_SWITCHES").map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "no environment to test with: run `make test`, or\n    \
             export WSGIAUDIT_TEST_SWITCHES=\"$(make -s switches-environment)\""
        )
    })
}

/// The virtualenv of `make demo`. Panics where it was not provided.
pub(crate) fn demo_environment() -> PathBuf {
    std::env::var_os("WSGIAUDIT_TEST_DEMO").map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "no demo environment to test with: run `make test`, or\n    \
             export WSGIAUDIT_TEST_DEMO=\"$(make -s demo-environment)\""
        )
    })
}

/// The virtualenv of `make applications-environment`. Panics where it was not provided.
pub(crate) fn applications_environment() -> PathBuf {
    std::env::var_os("WSGIAUDIT_TEST_APPLICATIONS").map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "no environment to test with: run `make test`, or\n    \
             export WSGIAUDIT_TEST_APPLICATIONS=\"$(make -s applications-environment)\""
        )
    })
}
