//! An application's own folders: where its import looks for modules outside the environment, as the control
//! shows it. The extension modules there are tried like any other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::cached_inspection::CachedInspector;
use super::context::{AuditContext, AuditedEnvironment};
use super::environment_audit::audit_application_modules;
use super::environment_scan::load_target_of;
use super::modules;
use super::python_source::python_literal;
use super::resolved_application::ResolvedApplication;
use crate::model::{Environment, InstalledDistribution, Interpreter, Mode, PathChange};
use crate::trial::{SearchPath, TrialSubject};
use crate::venv::{Candidate, find_importable_modules};

const DRIVER: &str = concat!(include_str!("lines_run.py"), include_str!("own_path.py"));

/// Lines of an application's own files that have run, as `lines_run.py` reports them.
#[derive(Clone, Debug, Default)]
pub(super) struct ExecutedLines(BTreeSet<(PathBuf, usize)>);

impl ExecutedLines {
    /// Parses the answers of a trial.
    pub(super) fn from_answers(answers: &[String]) -> Self {
        let lines = answers.iter().filter_map(|answer| {
            let (line, file) = answer.strip_prefix("ran\t")?.split_once('\t')?;
            Some((canonicalize_or_keep(Path::new(file)), line.parse().ok()?))
        });
        Self(lines.collect())
    }

    /// Whether one of the lines of this range in a file has run.
    pub(super) fn has_run_between(&self, file: &Path, first: usize, last: usize) -> bool {
        let file = canonicalize_or_keep(file);
        self.0.range((file.clone(), first)..=(file, last)).next().is_some()
    }
}

/// An application's own folders, and what its import showed.
#[derive(Debug, Default)]
pub(super) struct ApplicationFolders {
    /// The application's folders on `sys.path`.
    pub(super) folders: Vec<PathBuf>,
    /// `sys.path` after the import, without the standard library.
    pub(super) path: Vec<PathBuf>,
    /// Modules that were loaded after the import, and those of the standard library.
    pub(super) imported: BTreeSet<String>,
    /// Modules that its framework loads at its first request.
    pub(super) by_framework: BTreeSet<String>,
    /// Lines of its own code that have run, of those that mention a path or an import.
    pub(super) ran: ExecutedLines,
    /// The audit of its extension modules; `None` if there are none.
    pub(super) audited: Option<AuditedEnvironment>,
    /// Folders in which only modules were inspected that the application imports.
    pub(super) partly_scanned: Vec<PathBuf>,
    /// Messages about what is not known of its modules.
    pub(super) doubts: Vec<String>,
}

impl ApplicationFolders {
    /// Imports the application once in the control, and records where it looks for modules.
    pub(super) fn observe_import(
        context: &AuditContext<'_>,
        interpreter: &Interpreter,
        application: &ResolvedApplication,
        path: &SearchPath,
        drivers: &Path,
    ) -> Result<Self> {
        let name = format!("path_of_{}", application.module.replace('.', "_"));
        let text = format!(
            "MODULE = {}\nFOLDERS = [{}]\n\n{DRIVER}",
            python_literal(&application.module),
            python_literal(&application.source_root(interpreter).to_string_lossy())
        );
        fs::write(drivers.join(format!("{name}.py")), text).context("cannot write a driver")?;
        let subject = TrialSubject::from_name(name.clone());
        let trials = context.try_subjects(interpreter, path, None, &[subject], &[Mode::Main]);
        let answers = trials.get(&name, Mode::Main).map(|trial| trial.answers.clone()).unwrap_or_default();
        let mut own = Self::default();
        for answer in &answers {
            let (kind, rest) = answer.split_once('\t').unwrap_or_default();
            match kind {
                "path" => own.path.push(PathBuf::from(rest)),
                "module" => own.imported.extend([rest.to_owned()]),
                "framework" => own.by_framework.extend([rest.to_owned()]),
                _ => {}
            }
        }
        own.ran = ExecutedLines::from_answers(&answers);
        if answers.is_empty() {
            own.path = [&path.first, &path.with_pth, &path.plain, &interpreter.site, &path.last]
                .into_iter()
                .flatten()
                .cloned()
                .collect();
            own.doubts.push("what its import adds to sys.path could not be observed".to_owned());
        }
        own.path.retain(|entry| entry != drivers);
        own.choose_folders(context, interpreter, application);
        Ok(own)
    }

    /// Selects the entries of `sys.path` that are the application's own folders, and reports those that
    /// cannot be inspected.
    fn choose_folders(
        &mut self,
        context: &AuditContext<'_>,
        interpreter: &Interpreter,
        application: &ResolvedApplication,
    ) {
        let is_installed = |entry: &Path| {
            interpreter
                .site
                .iter()
                .any(|site| site == entry || canonicalize_or_keep(site) == canonicalize_or_keep(entry))
        };
        let scratch = canonicalize_or_keep(context.scratch.path());
        if !application.is_script {
            // The application was named relative to the working directory of this command.
            let absolute = |entry: &PathBuf| std::path::absolute(entry).unwrap_or_else(|_| entry.clone());
            self.path = self.path.iter().map(absolute).collect();
        }
        for entry in self.path.iter().filter(|entry| !is_installed(entry)) {
            let shown = entry.display();
            if canonicalize_or_keep(entry).starts_with(&scratch) || entry.is_relative() {
                if application.is_script {
                    self.doubts.push(format!(
                        "its sys.path holds the server's working directory ({shown}), which is not known here"
                    ));
                }
            } else if entry.is_dir() {
                if !self
                    .folders
                    .iter()
                    .any(|folder| canonicalize_or_keep(folder) == canonicalize_or_keep(entry))
                {
                    self.folders.push(entry.clone());
                }
            } else if entry.exists() {
                self.doubts.push(format!("{shown} is on its sys.path but is not a folder: it was not read"));
            } else {
                self.doubts.push(format!("{shown} is on its sys.path but does not exist here"));
            }
        }
        self.path.retain(|entry| {
            entry.is_absolute() && entry.is_dir() && !canonicalize_or_keep(entry).starts_with(&scratch)
        });
    }

    /// Whether the control has shown what a statement changes in `sys.path`.
    pub(super) fn has_observed_change(&self, change: &PathChange) -> bool {
        change.lines.is_some_and(|(first, last)| self.ran.has_run_between(&change.spot.file, first, last))
    }

    /// Finds the extension modules in its folders, and tries them. `reached` has the top-level names that it
    /// imports.
    pub(super) fn audit_extension_modules(
        &mut self,
        context: &AuditContext<'_>,
        first: &AuditedEnvironment,
        interpreter: &Interpreter,
        path: &SearchPath,
        reached: &BTreeSet<String>,
    ) {
        let known: BTreeSet<PathBuf> =
            first.environment.modules.iter().map(|module| canonicalize_or_keep(&module.path)).collect();
        let mut candidates: Vec<Candidate> = Vec::new();
        for (root, folder) in self.folders.clone().iter().enumerate() {
            let found = self.find_candidates(folder, interpreter, reached);
            let new = found.into_iter().filter(|each| !known.contains(&canonicalize_or_keep(&each.path)));
            candidates.extend(new.map(|each| Candidate { root, ..each }));
        }
        candidates.sort_by(|a, b| {
            let key =
                |each: &Candidate| (each.name.dotted.clone(), each.root, each.name.rank, each.file.clone());
            key(a).cmp(&key(b))
        });
        candidates.dedup_by(|a, b| canonicalize_or_keep(&a.path) == canonicalize_or_keep(&b.path));
        if candidates.is_empty() {
            return;
        }
        let modules = modules::read_modules(
            candidates,
            load_target_of(Some(interpreter)),
            &CachedInspector::new(None),
            |_| Some(0),
        );
        let environment = Environment {
            root: first.environment.root.clone(),
            interpreter: Some(interpreter.clone()),
            distributions: vec![InstalledDistribution::application_placeholder()],
            modules,
            trouble: Vec::new(),
        };
        // The folders that the application's import adds come first, before anything of it is imported.
        let path = SearchPath { first: self.folders.clone(), ..path.clone() };
        self.audited = Some(audit_application_modules(context, first, environment, &path));
    }

    fn find_candidates(
        &mut self,
        folder: &Path,
        interpreter: &Interpreter,
        reached: &BTreeSet<String>,
    ) -> Vec<Candidate> {
        let apart: Vec<PathBuf> = self.folders.iter().chain(&interpreter.site).cloned().collect();
        let scan = |only| find_importable_modules(folder, &apart, only, &interpreter.suffixes);
        let mut found = if is_broad_folder(folder) { scan(Some(reached)) } else { scan(None) };
        if is_broad_folder(folder) || !found.is_complete {
            self.partly_scanned.push(folder.to_owned());
        }
        if !found.is_complete {
            found = scan(Some(reached));
        }
        if !found.is_complete {
            self.doubts.push(format!("{} holds too much to be inspected", folder.display()));
        }
        self.doubts.extend(found.trouble);
        found.candidates
    }
}

/// Whether a folder holds much besides an application: the root folder, or one at or above the home folder.
fn is_broad_folder(folder: &Path) -> bool {
    let folder = canonicalize_or_keep(folder);
    let home = std::env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .map(|home| canonicalize_or_keep(Path::new(&home)));
    folder.parent().is_none() || home.is_some_and(|home| home.starts_with(folder))
}

fn canonicalize_or_keep(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
