//! The probes' library, carried inside the binary and put where a python can load it.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest;

/// The library's bytes: `probes/embed.rs` builds it.
const BYTES: &[u8] = include_bytes!(env!("WSGIAUDIT_PROBES"));

/// What the audited python runs: import what mod_wsgi's main interpreter has imported, load the library, serve the auditor.
/// Arguments: the library, the auditor's socket, a log, 1 for a sandbox and 0 for none, what of trials' reading is told.
///
/// The main interpreter of a trial holds what mod_wsgi's does and no more (`wsgi_interp.c`, `wsgi_logger.c` of mod_wsgi 6.1.1;
/// `tests/apache_main.rs` measures it). An extension module that is in the main interpreter first can hide a crash that a
/// server would see: `datetime` on CPython 3.13.0 does. So the library is not loaded with `ctypes`: the import system loads
/// it, and its init function leaves the entry in `sys` and declines to be a module.
pub(super) const BOOTSTRAP: &str = "import _imp, atexit, importlib.machinery, logging, signal, sys, threading\n\
    try:\n\
    \x20   _imp.create_dynamic(type(sys.implementation)(name='wsgiaudit_probes', origin=sys.argv[1]))\n\
    except ImportError:\n\
    \x20   if not hasattr(sys, 'wsgiaudit_zygote'):\n\
    \x20       raise\n\
    sys.exit(sys.__dict__.pop('wsgiaudit_zygote')(*sys.argv[2:]))";

/// The digest of the probes: another version of them may see more.
pub fn probes() -> String {
    digest::of_bytes(BYTES)
}

/// The library on disk.
#[derive(Clone, Debug)]
pub struct Library(PathBuf);

impl Library {
    /// Writes it into a folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn install(folder: &Path) -> io::Result<Self> {
        let path = folder.join("libwsgiaudit_probes.so");
        std::fs::write(&path, BYTES)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}
