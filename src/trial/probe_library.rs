//! The shared library of the probes, embedded in the binary and written to disk for the audited Python.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use wsgiaudit_probes_core::protocol::ZygoteSettings;

use crate::digest;

/// The library's bytes, built by `probes/embed.rs`.
const BYTES: &[u8] = include_bytes!(env!("WSGIAUDIT_PROBES"));

/// The library's name in reports.
pub(super) const LIBRARY_NAME: &str = "libwsgiaudit_probes.so";

/// Code that the audited Python runs: imports what mod_wsgi's main interpreter has imported, loads the library and serves
/// the auditor. `{library}` stands for the library's path as a Python literal. A line with the zygote's settings follows.
///
/// The main interpreter of a trial imports exactly what mod_wsgi's does (`wsgi_interp.c`, `wsgi_logger.c` of
/// mod_wsgi 6.1.1; measured by `tests/apache/main_interpreter.rs`). An extension module that the main interpreter has
/// loaded first can hide a crash that a server would see, as `datetime` does on CPython 3.13.0. Therefore the
/// library is not loaded with `ctypes` but by the import system. Its init function adds the entry point to
/// `sys` and then fails with ImportError.
///
/// Python reads it from its standard input, and so neither the command line nor `sys.argv` show it to foreign code.
const BOOTSTRAP: &str = "import _imp, atexit, importlib.machinery, logging, signal, sys, threading\n\
    try:\n\
    \x20   _imp.create_dynamic(type(sys.implementation)(name='_zygote', origin={library}))\n\
    except ImportError:\n\
    \x20   if not hasattr(sys, '_zygote'):\n\
    \x20       raise\n\
    sys.exit(sys.__dict__.pop('_zygote')())\n";

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
        let path = folder.join(LIBRARY_NAME);
        std::fs::write(&path, BYTES)?;
        Ok(Self(path))
    }

    /// Writes the library for trials, under a random name: foreign code sees the name in `/proc/self/maps`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn install_for_trials(folder: &Path) -> io::Result<Self> {
        let file = tempfile::Builder::new().prefix("").rand_bytes(8).suffix(".so").tempfile_in(folder)?;
        let (mut file, path) = file.keep().map_err(|error| error.error)?;
        file.write_all(BYTES)?;
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

    /// The program that makes a Python a zygote with this library.
    ///
    /// # Errors
    /// If the settings cannot be written as JSON.
    pub(super) fn zygote_program(&self, settings: &ZygoteSettings) -> io::Result<String> {
        let program = BOOTSTRAP.replace("{library}", &path_literal(&self.0));
        Ok(program + &settings.to_comment()?)
    }
}

/// A path as a Python literal in ASCII, decoded as Python decodes paths: bytes that are no UTF-8 are lone surrogates
/// (PEP 383).
fn path_literal(path: &Path) -> String {
    let mut literal = "'".to_owned();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        chunk.valid().chars().for_each(|letter| literal += &format!("\\U{:08x}", u32::from(letter)));
        chunk.invalid().iter().for_each(|byte| literal += &format!("\\udc{byte:02x}"));
    }
    literal + "'"
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    use super::path_literal;

    #[test]
    fn a_path_is_a_python_literal_whatever_it_contains() {
        let path = Path::new(OsStr::from_bytes(b"'\\\n\xc3\xa9\xff"));
        assert_eq!(path_literal(path), r"'\U00000027\U0000005c\U0000000a\U000000e9\udcff'");
    }
}
