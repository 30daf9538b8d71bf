//! The probes' library, carried inside the binary and put where a python can load it.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest;

/// The library's bytes: `probes/embed.rs` builds it.
const BYTES: &[u8] = include_bytes!(env!("WSGIAUDIT_PROBES"));

/// What the audited python runs: load the library, serve the auditor.
/// Arguments: the library, the auditor's socket, a log, 1 for a sandbox and 0 for none, what of trials' reading is told.
pub(super) const BOOTSTRAP: &str = "import ctypes, sys\n\
    probes = ctypes.PyDLL(sys.argv[1])\n\
    sys.exit(probes.wsgiaudit_zygote(sys.argv[2].encode(), sys.argv[3].encode(), int(sys.argv[4]), sys.argv[5].encode()))";

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
