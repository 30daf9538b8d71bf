//! From candidates to modules: what each file is, and what it declares.

use std::fs::File;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::remembered::Look;
use crate::image::{self, Kind, NotAnObject};
use crate::model::{Facts, FileKind, Initialisation, Module, Target};
use crate::venv::{self, Candidate, Place};

/// What the files are held against.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    /// The Python that would load them.
    pub(super) target: Option<Target>,
    /// What its own executable is.
    pub(super) kind: Option<Kind>,
    /// The folders on its `sys.path`, in order.
    pub(super) site: &'a [PathBuf],
    /// Its suffixes of extension modules.
    pub(super) suffixes: &'a [String],
}

/// Reads every candidate, in parallel. The candidates come in the order in which the import system finds
/// them: of several with one name, the first is the module and the others are never imported.
pub(super) fn read(
    candidates: Vec<Candidate>,
    wanted: Wanted<'_>,
    look: &Look<'_>,
    owner: impl Fn(&Path) -> Option<usize> + Sync,
) -> Vec<Module> {
    let mut modules: Vec<Module> =
        candidates.into_par_iter().map(|candidate| read_one(candidate, wanted, look, &owner)).collect();
    let mut found: Option<(String, String)> = None;
    for module in modules.iter_mut().filter(|module| module.is_tried()) {
        match &found {
            Some((name, file)) if *name == module.name => module.kind = FileKind::Shadowed(file.clone()),
            Some(_) | None => found = Some((module.name.clone(), module.file.clone())),
        }
    }
    modules.sort_by(|a, b| (&a.file, &a.path).cmp(&(&b.file, &b.path)));
    modules
}

fn read_one(
    candidate: Candidate,
    wanted: Wanted<'_>,
    look: &Look<'_>,
    owner: impl Fn(&Path) -> Option<usize>,
) -> Module {
    let (kind, facts) = classify(&candidate, wanted, look);
    Module {
        distribution: owner(&candidate.path),
        name: candidate.name.dotted,
        file: candidate.file,
        sha256: if kind == FileKind::ExtensionModule { look.sha256(&candidate.path) } else { None },
        path: candidate.path,
        kind,
        facts,
    }
}

fn classify(candidate: &Candidate, wanted: Wanted<'_>, look: &Look<'_>) -> (FileKind, Facts) {
    let is_what = |kind: FileKind, why: &str| (kind, Facts::undetermined(why));
    if let Place::Archive { has_stub } = candidate.place {
        return match candidate.name.is_importable && candidate.name.is_for_this_python {
            true => is_what(FileKind::Archived { has_stub }, "in a zip file"),
            false => is_what(FileKind::Archived { has_stub: false }, "in a zip file"),
        };
    }
    if candidate.is_broken_link {
        return is_what(FileKind::BrokenLink, "a link to nothing");
    }
    let kind = match image::kind_of_file(&candidate.path) {
        Ok(kind) => kind,
        Err(NotAnObject::Unreadable) => {
            let why = File::open(&candidate.path).err().map_or_else(String::new, |error| error.to_string());
            return (FileKind::Unreadable(why.clone()), Facts::undetermined(why));
        }
        Err(damage) => {
            return (FileKind::Corrupt(damage.to_string()), Facts::undetermined(damage.to_string()));
        }
    };
    if !candidate.name.is_for_this_python {
        return is_what(FileKind::OtherAbi, "for another Python");
    }
    if wanted.kind.is_some_and(|wanted| wanted != kind) {
        return (FileKind::OtherArchitecture(kind.to_string()), Facts::undetermined("for another machine"));
    }
    if !candidate.name.is_importable && candidate.name.dotted.contains(".libs.") {
        return is_what(FileKind::PlainLibrary, "a wheel's own library");
    }
    let stem = candidate.name.dotted.rsplit('.').next().unwrap_or_default();
    let facts = look.facts(&candidate.path, stem, wanted.target);
    let others = match facts.initialisation {
        Initialisation::None => image::init_functions(&candidate.path),
        Initialisation::SinglePhase
        | Initialisation::MultiPhase
        | Initialisation::ModExport
        | Initialisation::Undetermined => Vec::new(),
    };
    let kind = match facts.initialisation {
        _ if !others.is_empty() => FileKind::OtherNames(others),
        _ if !candidate.name.is_importable => FileKind::UnimportableName,
        Initialisation::None => FileKind::PlainLibrary,
        _ if candidate.place == Place::UserSite => FileKind::UserSite,
        Initialisation::SinglePhase
        | Initialisation::MultiPhase
        | Initialisation::ModExport
        | Initialisation::Undetermined => match venv::found_first(candidate, wanted.site, wanted.suffixes) {
            Some(by) => FileKind::Shadowed(by),
            None => FileKind::ExtensionModule,
        },
    };
    (kind, facts)
}
