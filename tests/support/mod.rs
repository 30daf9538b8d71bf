//! What the themes share.

pub(crate) mod apache;
pub(crate) mod browser;
pub(crate) mod command;
pub(crate) mod corpus;
pub(crate) mod dice;
pub(crate) mod editable;
mod generators;
pub(crate) mod guarded;
pub(crate) mod index;
pub(crate) mod linked_python;
pub(crate) mod modwsgi_telemetry;
pub(crate) mod pythons;
pub(crate) mod running;
pub(crate) mod server;
pub(crate) mod telemetry_receiver;
pub(crate) mod venv;
pub(crate) mod wheel;

use std::path::PathBuf;
use std::process::Command;

/// The C compiler, as make would take it.
pub(crate) fn c_compiler() -> Command {
    Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
}

/// The virtualenv of `make switches-environment`. Panics where it was not provided.
pub(crate) fn switches_environment() -> PathBuf {
    provided("WSGIAUDIT_TEST_SWITCHES", "switches-environment")
}

/// The virtualenv of `make demo`. Panics where it was not provided.
pub(crate) fn demo_environment() -> PathBuf {
    provided("WSGIAUDIT_TEST_DEMO", "demo-environment")
}

/// The virtualenv of `make applications-environment`. Panics where it was not provided.
pub(crate) fn applications_environment() -> PathBuf {
    provided("WSGIAUDIT_TEST_APPLICATIONS", "applications-environment")
}

/// The virtualenv of `make sites-environment`. Panics where it was not provided.
pub(crate) fn sites_environment() -> PathBuf {
    provided("WSGIAUDIT_TEST_SITES", "sites-environment")
}

/// The virtualenv of `make backends-environment`. Panics where it was not provided.
pub(crate) fn backends_environment() -> PathBuf {
    provided("WSGIAUDIT_TEST_BACKENDS", "backends-environment")
}

/// The virtualenv of `make generators-environment`. Panics where it was not provided.
pub(crate) fn generators_environment() -> PathBuf {
    provided("WSGIAUDIT_TEST_GENERATORS", "generators-environment")
}

/// The virtualenv of `make telemetry-environment`. Panics where it was not provided.
pub(crate) fn telemetry_environment() -> PathBuf {
    provided("WSGIAUDIT_TEST_TELEMETRY", "telemetry-environment")
}

fn provided(variable: &str, target: &str) -> PathBuf {
    std::env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| {
        panic!("no {target} to test with: run `make test`, or\n    export {variable}=\"$(make -s {target})\"")
    })
}
