//! Opens the caches of earlier audits' results: of files, and of trials.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::context::AuditContext;
use crate::cache::{CacheOptions, FileCache, TrialCache, digest_of_system};
use crate::copies;
use crate::digest;
use crate::image;
use crate::installer::NoCacheFolder;
use crate::model::{BinaryFacts, Environment, Interpreter, TargetPython, Toolchain};
use crate::trial;
use crate::venv::InstalledDistributions;

/// Opens the cache about an environment's files. Returns `None` if no cache is wanted, and if trials may
/// write outside of their own folders: such a trial could forge entries.
pub(super) fn open_file_cache(
    context: &AuditContext<'_>,
    interpreter: Option<&Interpreter>,
) -> Option<FileCache> {
    let folder = context.plan.cache.as_ref()?.as_ref().ok()?;
    FileCache::open(folder, &interpreter.filter(|_| context.confines_trials())?.executable)
}

/// Returns a note if there is a cache that is not used because others can write to it.
pub(super) fn describe_foreign_cache(context: &AuditContext<'_>) -> Option<String> {
    let why = context.plan.cache.as_ref()?.as_ref().err()?;
    matches!(why, NoCacheFolder::Foreign(_)).then(|| format!("{why}: every trial was run"))
}

/// Opens the cache of trials in an environment.
pub(super) fn open_trial_cache(
    context: &AuditContext<'_>,
    file_cache: FileCache,
    environment: &Environment,
    installed: &InstalledDistributions,
) -> Option<TrialCache> {
    let interpreter = environment.interpreter.as_ref()?;
    let folders = import_roots(interpreter);
    TrialCache::open(CacheOptions {
        memory: file_cache,
        python: &interpreter.executable,
        prefix: interpreter.base_prefix.as_deref(),
        kin: installed.co_installed_entries(&folders),
        folders,
        scratch: context.scratch.path(),
        besides: format!(
            "{} {interpreter:?} {} {}",
            trial::probes_digest(),
            digest_of_system(),
            copies::COPY_FORMAT
        ),
    })
}

/// Returns the folders that modules are imported from: those on `sys.path`, and those of editable installs.
fn import_roots(interpreter: &Interpreter) -> Vec<PathBuf> {
    let mut roots = interpreter.site.clone();
    let served = interpreter.editable.iter().chain(&interpreter.files);
    for folder in served.filter_map(|(_, path)| path.parent()) {
        if !roots.iter().any(|root| root == folder) {
            roots.push(folder.to_owned());
        }
    }
    roots
}

/// Inspects files, except for those whose result an earlier audit has cached.
pub(super) struct CachedInspector<'m> {
    file_cache: Option<&'m FileCache>,
    /// Identifies this version of the program.
    program: String,
}

impl<'m> CachedInspector<'m> {
    pub(super) fn new(file_cache: Option<&'m FileCache>) -> Self {
        let program = std::env::current_exe()
            .ok()
            .zip(file_cache)
            .and_then(|(path, file_cache)| file_cache.digest_of_file(&path));
        Self { file_cache: file_cache.filter(|_| program.is_some()), program: program.unwrap_or_default() }
    }

    /// Returns the digest of a file; `None` if it cannot be read.
    pub(super) fn sha256_of_file(&self, path: &Path) -> Option<String> {
        match self.file_cache {
            Some(file_cache) => file_cache.digest_of_file(path),
            None => digest::of_file(path).ok(),
        }
    }

    /// Returns what generated an extension module, if that is known.
    pub(super) fn toolchain_of_file(&self, path: &Path) -> Option<Toolchain> {
        let find = || (image::find_toolchain(path), BTreeSet::new());
        match self.file_cache {
            Some(file_cache) => file_cache.get_or_compute(&format!("{} toolchain", self.program), path, find),
            None => find().0,
        }
    }

    /// Returns what an extension module declares.
    pub(super) fn inspect_module(
        &self,
        path: &Path,
        stem: &str,
        target: Option<TargetPython>,
    ) -> BinaryFacts {
        let inspect = || image::inspect_file_with_inputs(path, stem, target);
        match self.file_cache {
            Some(file_cache) => {
                file_cache.get_or_compute(&format!("{} {stem} {target:?}", self.program), path, inspect)
            }
            None => inspect().0,
        }
    }
}
