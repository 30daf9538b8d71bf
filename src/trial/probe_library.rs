//! The shared library of the probes, embedded in the binary and written to disk for the audited Python.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::digest;

/// The library's bytes, built by `probes/embed.rs`.
const BYTES: &[u8] = include_bytes!(env!("WSGIAUDIT_PROBES"));

/// Code that the audited Python runs: imports what mod_wsgi's main interpreter has imported, loads the
/// library and serves the auditor.
///
/// Arguments: the library, the auditor's socket, a log file, 1 or 0 for the sandbox, and the watched folders
/// as JSON.
///
/// The main interpreter of a trial imports exactly what mod_wsgi's does (`wsgi_interp.c`, `wsgi_logger.c` of
/// mod_wsgi 6.1.1; measured by `tests/apache/main_interpreter.rs`). An extension module that the main interpreter has
/// loaded first can hide a crash that a server would see, as `datetime` does on CPython 3.13.0. Therefore the
/// library is not loaded with `ctypes` but by the import system. Its init function adds the entry point to
/// `sys` and then fails with ImportError.
pub(super) const BOOTSTRAP: &str = "import _imp, atexit, importlib.machinery, logging, signal, sys, threading\n\
    try:\n\
    \x20   _imp.create_dynamic(type(sys.implementation)(name='wsgiaudit_probes', origin=sys.argv[1]))\n\
    except ImportError:\n\
    \x20   if not hasattr(sys, 'wsgiaudit_zygote'):\n\
    \x20       raise\n\
    sys.exit(sys.__dict__.pop('wsgiaudit_zygote')(*sys.argv[2:]))";

/// Digest of the probes. It is part of the cache key, since another version may record more.
pub fn probes_digest() -> String {
    digest::of_bytes(BYTES)
}

/// The library as a file.
#[derive(Clone, Debug)]
pub struct ProbeLibrary(PathBuf);

impl ProbeLibrary {
    /// Writes the library into a folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn install(folder: &Path) -> io::Result<Self> {
        let path = folder.join("libwsgiaudit_probes.so");
        std::fs::write(&path, BYTES)?;
        Ok(Self(path))
    }

    /// Writes the library into a folder of copies, where `wsgiaudit_guard` loads it as an extension module. It
    /// replaces the file, since a running server may have mapped the old one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn install_loader(folder: &Path) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(BYTES)?;
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.persist(folder.join("wsgiaudit_copies.so")).map(drop).map_err(|error| error.error)
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.0
    }
}
