//! What an environment has on disk: every file that Python could load as an extension module, and whose it is.

use std::path::{Path, PathBuf};

use super::modules::{self, Wanted};
use super::named::Only;
use super::remembered::Look;
use crate::cache::Memory;
use crate::image;
use crate::model::{Environment, Interpreter};
use crate::venv::{self, Candidate, Installed, Located, Place, Walk};

/// Reads it: all that the import system of this Python can reach, or the part that is asked about.
pub(super) fn read(
    located: &Located,
    interpreter: Option<Interpreter>,
    only: Option<&Only>,
    memory: Option<&Memory>,
) -> (Environment, Installed) {
    let python = interpreter.as_ref();
    let suffixes = python.map(|python| python.suffixes.clone()).unwrap_or_default();
    let editable =
        python.filter(|_| only.is_none()).map(|python| python.editable.clone()).unwrap_or_default();
    let site = match (only, python) {
        (Some(only), _) => only.roots.clone(),
        (None, Some(python)) => python.site.clone(),
        (None, None) => venv::site_packages(&located.root),
    };
    let installed = || match only {
        Some(only) => venv::installed(&only.distributions(), &[]),
        None => venv::installed(&site, &editable),
    };
    let (installed, mut found) = rayon::join(installed, || match (only, python) {
        (None, Some(python)) => all_of(python),
        (Some(_), _) | (None, None) => venv::walk(&site, &suffixes),
    });
    found.candidates.retain(|candidate| only.is_none_or(|only| only.holds(&candidate.path)));
    let wanted = wanted(python);
    let look = Look::new(memory);
    let modules = modules::read(found.candidates, wanted, &look, |path| installed.owner(path));
    let trouble = installed.trouble.iter().chain(&found.trouble).cloned().collect();
    let distributions = installed.all.iter().map(|each| each.distribution.clone()).collect();
    (Environment { root: located.root.clone(), interpreter, distributions, modules, trouble }, installed)
}

/// What files are held against.
pub(super) fn wanted(python: Option<&Interpreter>) -> Wanted<'_> {
    python.map_or_else(Wanted::default, |python| Wanted {
        target: Some(python.target()),
        kind: image::kind_of_file(&python.executable).ok(),
        site: &python.site,
        suffixes: &python.suffixes,
    })
}

/// All that the import system of this Python can reach, and what it would if it were started otherwise: in the order in
/// which it finds those of one name.
fn all_of(python: &Interpreter) -> Walk {
    let suffixes = &python.suffixes;
    let mut all = Walk { candidates: venv::served_files(&python.files), trouble: Vec::new() };
    let user_site = python.user_site.as_slice();
    let mut apart = venv::walk(user_site, suffixes);
    apart.candidates.iter_mut().for_each(|candidate| candidate.place = Place::UserSite);
    for walk in [
        venv::walk(&python.site, suffixes),
        venv::served(&python.editable, suffixes),
        venv::archived(&python.archives, suffixes),
        apart,
    ] {
        all.candidates.extend(walk.candidates);
        all.trouble.extend(walk.trouble);
    }
    // What is found twice under one name is one.
    let is_same = |a: &Candidate, b: &Candidate| a.name.dotted == b.name.dotted && same(&a.path, &b.path);
    all.candidates.sort_by(|a, b| a.name.dotted.cmp(&b.name.dotted));
    all.candidates.dedup_by(|b, a| is_same(a, b));
    all
}

fn same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Folders that hold what is imported: those on `sys.path`, and those of what an editable install's finder serves.
pub(super) fn roots(interpreter: &Interpreter) -> Vec<PathBuf> {
    let mut roots = interpreter.site.clone();
    let served = interpreter.editable.iter().chain(&interpreter.files);
    for folder in served.filter_map(|(_, path)| path.parent()) {
        if !roots.iter().any(|root| root == folder) {
            roots.push(folder.to_owned());
        }
    }
    roots
}
