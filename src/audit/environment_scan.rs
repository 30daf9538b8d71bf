//! Scans an environment on disk: finds every file that Python could load as an extension module, and the
//! distribution that it belongs to.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::cached_inspection::CachedInspector;
use super::modules::{self, LoadTarget};
use super::named_files::AuditScope;
use crate::cache::FileCache;
use crate::image;
use crate::model::{Environment, Interpreter};
use crate::venv::{
    self, Candidate, CandidateOrigin, CandidateScan, InstalledDistributions, LocatedEnvironment,
};

/// Scans an environment: everything that the import system of its Python can reach, or the part in `scope`.
pub(super) fn scan_environment(
    located: &LocatedEnvironment,
    interpreter: Option<Interpreter>,
    scope: Option<&AuditScope>,
    file_cache: Option<&FileCache>,
) -> (Environment, InstalledDistributions) {
    let python = interpreter.as_ref();
    let suffixes = python.map(|python| python.suffixes.clone()).unwrap_or_default();
    let editable =
        python.filter(|_| scope.is_none()).map(|python| python.editable.clone()).unwrap_or_default();
    let site = match (scope, python) {
        (Some(scope), _) => scope.roots.clone(),
        (None, Some(python)) => python.site.clone(),
        (None, None) => venv::find_site_packages(&located.root),
    };
    let installed = || match scope {
        Some(scope) => venv::find_distributions(&scope.wheel_folders(), &[]),
        None => venv::find_distributions(&site, &editable),
    };
    let (installed, mut found) = rayon::join(installed, || match (scope, python) {
        (None, Some(python)) => find_all_candidates(python),
        (Some(_), _) | (None, None) => venv::find_candidates(&site, &suffixes),
    });
    found.candidates.retain(|candidate| scope.is_none_or(|scope| scope.contains_file(&candidate.path)));
    let target = load_target_of(python);
    let inspector = CachedInspector::new(file_cache);
    let modules =
        modules::read_modules(found.candidates, target, &inspector, |path| installed.owner_of_file(path));
    let trouble = installed.trouble.iter().chain(&found.trouble).cloned().collect();
    let distributions = installed.all.iter().map(|each| each.distribution.clone()).collect();
    let standard_modules = python.map(|python| digest_standard_modules(python, &inspector));
    let root = located.root.clone();
    (Environment { root, interpreter, distributions, modules, standard_modules, trouble }, installed)
}

/// Digests the extension modules of CPython itself, which lie in `lib-dynload`, sorted by path. Foreign files
/// there are left out: they are audited as others are.
fn digest_standard_modules(python: &Interpreter, inspector: &CachedInspector<'_>) -> Vec<(PathBuf, String)> {
    let files = venv::find_standard_modules(python);
    let digests: Vec<Option<String>> = files.par_iter().map(|file| inspector.sha256_of_file(file)).collect();
    files.into_iter().zip(digests).filter_map(|(file, digest)| Some((file, digest?))).collect()
}

/// Returns what decides whether a file can be loaded by this Python.
pub(super) fn load_target_of(python: Option<&Interpreter>) -> LoadTarget<'_> {
    python.map_or_else(LoadTarget::default, |python| LoadTarget {
        target: Some(python.target()),
        kind: image::kind_of_file(&python.executable).ok(),
        site: &python.site,
        suffixes: &python.suffixes,
    })
}

/// Finds everything that the import system of this Python can reach, and what it would reach if it were
/// started without isolation. Files of one name are in the order in which it finds them.
fn find_all_candidates(python: &Interpreter) -> CandidateScan {
    let suffixes = &python.suffixes;
    let mut all =
        CandidateScan { candidates: venv::candidates_from_files(&python.files), trouble: Vec::new() };
    let user_site = python.user_site.as_slice();
    let mut from_user_site = venv::find_candidates(user_site, suffixes);
    from_user_site.candidates.iter_mut().for_each(|candidate| candidate.place = CandidateOrigin::UserSite);
    for scan in [
        venv::find_candidates(&python.site, suffixes),
        venv::find_served_modules(&python.editable, suffixes),
        venv::find_archived_modules(&python.archives, suffixes),
        from_user_site,
    ] {
        all.candidates.extend(scan.candidates);
        all.trouble.extend(scan.trouble);
    }
    // The same file under the same name counts once.
    let is_same =
        |a: &Candidate, b: &Candidate| a.name.dotted == b.name.dotted && is_same_file(&a.path, &b.path);
    all.candidates.sort_by(|a, b| a.name.dotted.cmp(&b.name.dotted));
    all.candidates.dedup_by(|b, a| is_same(a, b));
    all
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
