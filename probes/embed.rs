//! Build script of the auditor. It builds the probes' library, which `src/trial` embeds into the binary
//! (`include_bytes!`), so that only one file needs to be copied to a server. aya builds its eBPF programs in
//! the same way: <https://docs.rs/aya-build>.

#![expect(clippy::print_stdout, reason = "a build script passes instructions to cargo on stdout")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

fn main() {
    let manifest = PathBuf::from(required_variable("CARGO_MANIFEST_DIR"));
    for input in ["probes/src", "probes/core", "probes/Cargo.toml", "probes/embed.rs", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", manifest.join(input).display());
    }

    // A separate target folder, since the outer cargo holds a lock on its own.
    let target = Path::new(&required_variable("OUT_DIR")).join("probes");
    let triple = required_variable("TARGET");
    let status = Command::new(required_variable("CARGO"))
        .args(["build", "--package", "wsgiaudit-probes", "--release", "--target", &triple, "--target-dir"])
        .arg(&target)
        .current_dir(&manifest)
        .env("PYO3_NO_PYTHON", "1")
        // Clippy, coverage tools and fuzzers set these for the outer build; the inner one is a plain build.
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => exit_with_error(&format!("building wsgiaudit-probes failed: {status}")),
        Err(error) => exit_with_error(&format!("cannot run cargo to build wsgiaudit-probes: {error}")),
    }

    let suffix = if triple.contains("apple") { "dylib" } else { "so" };
    let library = target.join(&triple).join("release").join(format!("libwsgiaudit_probes.{suffix}"));
    println!("cargo::rustc-env=WSGIAUDIT_PROBES={}", library.display());
}

fn required_variable(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| exit_with_error(&format!("cargo did not set {variable}")))
}

fn exit_with_error(message: &str) -> ! {
    println!("cargo::error={message}");
    exit(1)
}
