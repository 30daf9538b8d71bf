//! Scans an environment on disk: finds every file that Python could load as an extension module, and the
//! distribution that it belongs to.

use std::path::{Path, PathBuf};

use super::cached_inspection::CachedInspector;
use super::modules::{self, LoadTarget};
use super::named_files::AuditScope;
use crate::cache::FileCache;
use crate::image;
use crate::model::{Environment, Interpreter};
use crate::venv::{
    self, Candidate, CandidateOrigin, CandidateScan, InstalledDistributions, LocatedEnvironment,
};

/// Scans an environment: everything that the import system of its Python can reach, or the part in `only`.
pub(super) fn scan_environment(
    located: &LocatedEnvironment,
    interpreter: Option<Interpreter>,
    only: Option<&AuditScope>,
    memory: Option<&FileCache>,
) -> (Environment, InstalledDistributions) {
    let python = interpreter.as_ref();
    let suffixes = python.map(|python| python.suffixes.clone()).unwrap_or_default();
    let editable =
        python.filter(|_| only.is_none()).map(|python| python.editable.clone()).unwrap_or_default();
    let site = match (only, python) {
        (Some(only), _) => only.roots.clone(),
        (None, Some(python)) => python.site.clone(),
        (None, None) => venv::find_site_packages(&located.root),
    };
    let installed = || match only {
        Some(only) => venv::find_distributions(&only.wheel_folders(), &[]),
        None => venv::find_distributions(&site, &editable),
    };
    let (installed, mut found) = rayon::join(installed, || match (only, python) {
        (None, Some(python)) => find_all_candidates(python),
        (Some(_), _) | (None, None) => venv::find_candidates(&site, &suffixes),
    });
    found.candidates.retain(|candidate| only.is_none_or(|only| only.contains_file(&candidate.path)));
    let wanted = load_target_of(python);
    let look = CachedInspector::new(memory);
    let modules =
        modules::read_modules(found.candidates, wanted, &look, |path| installed.owner_of_file(path));
    let trouble = installed.trouble.iter().chain(&found.trouble).cloned().collect();
    let distributions = installed.all.iter().map(|each| each.distribution.clone()).collect();
    (Environment { root: located.root.clone(), interpreter, distributions, modules, trouble }, installed)
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
    let mut apart = venv::find_candidates(user_site, suffixes);
    apart.candidates.iter_mut().for_each(|candidate| candidate.place = CandidateOrigin::UserSite);
    for walk in [
        venv::find_candidates(&python.site, suffixes),
        venv::find_served_modules(&python.editable, suffixes),
        venv::find_archived_modules(&python.archives, suffixes),
        apart,
    ] {
        all.candidates.extend(walk.candidates);
        all.trouble.extend(walk.trouble);
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

/// Returns the folders that modules are imported from: those on `sys.path`, and those of editable installs.
pub(super) fn import_roots(interpreter: &Interpreter) -> Vec<PathBuf> {
    let mut roots = interpreter.site.clone();
    let served = interpreter.editable.iter().chain(&interpreter.files);
    for folder in served.filter_map(|(_, path)| path.parent()) {
        if !roots.iter().any(|root| root == folder) {
            roots.push(folder.to_owned());
        }
    }
    roots
}
