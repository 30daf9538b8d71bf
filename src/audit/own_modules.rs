//! An application's own folders: where its import looks for modules beside the environment, as the control shows it, and
//! the extension modules there, which are tried like any other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::application::Application;
use super::disk::wanted;
use super::modules;
use super::remembered::Look;
use super::request_list::literal;
use super::run::{Audited, Running};
use crate::model::{Distribution, Environment, Interpreter, Mode, PathChange};
use crate::trial::{SearchPath, Subject};
use crate::venv::{Candidate, importable};

const DRIVER: &str = concat!(include_str!("lines_run.py"), include_str!("own_path.py"));

/// Lines of an application's own files that have run, as `lines_run.py` tells them.
#[derive(Clone, Debug, Default)]
pub(super) struct LinesRun(BTreeSet<(PathBuf, usize)>);

impl LinesRun {
    /// Those that a trial's answers tell.
    pub(super) fn told(answers: &[String]) -> Self {
        let lines = answers.iter().filter_map(|answer| {
            let (line, file) = answer.strip_prefix("ran\t")?.split_once('\t')?;
            Some((real(Path::new(file)), line.parse().ok()?))
        });
        Self(lines.collect())
    }

    /// Whether one of these lines of a file has run.
    pub(super) fn has(&self, file: &Path, first: usize, last: usize) -> bool {
        let file = real(file);
        self.0.range((file.clone(), first)..=(file, last)).next().is_some()
    }
}

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// The application's folders on `sys.path`.
    pub(super) folders: Vec<PathBuf>,
    /// `sys.path`, without the standard library.
    pub(super) path: Vec<PathBuf>,
    /// Modules that were there after the import, and Python's own.
    pub(super) imported: BTreeSet<String>,
    /// Modules that its framework loads when it is first asked.
    pub(super) by_framework: BTreeSet<String>,
    /// Lines of its own code that speak of a path or of an import, and have run.
    pub(super) ran: LinesRun,
    /// Its extension modules, tried; `None` where there are none.
    pub(super) audited: Option<Audited>,
    /// Folders of which only what the application reaches was looked at.
    pub(super) partly: Vec<PathBuf>,
    /// What of its modules is not known, in words.
    pub(super) doubts: Vec<String>,
}

impl Own {
    /// Imports the application once in the control and asks where it looks for modules.
    pub(super) fn see(
        running: &Running<'_>,
        interpreter: &Interpreter,
        application: &Application,
        path: &SearchPath,
        drivers: &Path,
    ) -> Result<Self> {
        let name = format!("path_of_{}", application.module.replace('.', "_"));
        let text = format!(
            "MODULE = {}\nFOLDERS = [{}]\n\n{DRIVER}",
            literal(&application.module),
            literal(&application.package(interpreter).to_string_lossy())
        );
        fs::write(drivers.join(format!("{name}.py")), text).context("cannot write a driver")?;
        let subject = Subject::name(name.clone());
        let trials = running.try_subjects(interpreter, path, &[subject], &[Mode::Main]);
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
        own.ran = LinesRun::told(&answers);
        if answers.is_empty() {
            own.path = [&path.first, &path.with_pth, &path.plain, &interpreter.site, &path.last]
                .into_iter()
                .flatten()
                .cloned()
                .collect();
            own.doubts.push("what its import adds to sys.path was not seen".to_owned());
        }
        own.path.retain(|entry| entry != drivers);
        own.choose_folders(running, interpreter, application);
        Ok(own)
    }

    /// Which entries of `sys.path` are its own, and which of them say nothing.
    fn choose_folders(
        &mut self,
        running: &Running<'_>,
        interpreter: &Interpreter,
        application: &Application,
    ) {
        let is_installed =
            |entry: &Path| interpreter.site.iter().any(|site| site == entry || real(site) == real(entry));
        let scratch = real(running.scratch.path());
        if !application.is_script {
            // Where the command runs is where the application was named from.
            let absolute = |entry: &PathBuf| std::path::absolute(entry).unwrap_or_else(|_| entry.clone());
            self.path = self.path.iter().map(absolute).collect();
        }
        for entry in self.path.iter().filter(|entry| !is_installed(entry)) {
            let shown = entry.display();
            if real(entry).starts_with(&scratch) || entry.is_relative() {
                if application.is_script {
                    self.doubts.push(format!(
                        "its sys.path holds the folder that the server works in ({shown}): which one that is is not known here"
                    ));
                }
            } else if entry.is_dir() {
                if !self.folders.iter().any(|folder| real(folder) == real(entry)) {
                    self.folders.push(entry.clone());
                }
            } else if entry.exists() {
                self.doubts.push(format!("{shown} is on its sys.path and is no folder: it was not read"));
            } else {
                self.doubts.push(format!("{shown} is on its sys.path and is not here"));
            }
        }
        self.path.retain(|entry| entry.is_absolute() && entry.is_dir() && !real(entry).starts_with(&scratch));
    }

    /// Whether what a statement does to `sys.path` shows in what was seen.
    pub(super) fn shows(&self, change: &PathChange) -> bool {
        change.lines.is_some_and(|(first, last)| self.ran.has(&change.spot.file, first, last))
    }

    /// Finds the extension modules in its folders, and tries them. `reached` are names at the top that it imports.
    pub(super) fn find(
        &mut self,
        running: &Running<'_>,
        first: &Audited,
        interpreter: &Interpreter,
        path: &SearchPath,
        reached: &BTreeSet<String>,
    ) {
        let known: BTreeSet<PathBuf> =
            first.environment.modules.iter().map(|module| real(&module.path)).collect();
        let mut candidates: Vec<Candidate> = Vec::new();
        for (root, folder) in self.folders.clone().iter().enumerate() {
            let found = self.look_into(folder, interpreter, reached);
            let new = found.into_iter().filter(|each| !known.contains(&real(&each.path)));
            candidates.extend(new.map(|each| Candidate { root, ..each }));
        }
        candidates.sort_by(|a, b| {
            let key =
                |each: &Candidate| (each.name.dotted.clone(), each.root, each.name.rank, each.file.clone());
            key(a).cmp(&key(b))
        });
        candidates.dedup_by(|a, b| real(&a.path) == real(&b.path));
        if candidates.is_empty() {
            return;
        }
        let modules = modules::read(candidates, wanted(Some(interpreter)), &Look::new(None), |_| Some(0));
        let environment = Environment {
            root: first.environment.root.clone(),
            interpreter: Some(interpreter.clone()),
            distributions: vec![Distribution::the_application()],
            modules,
            trouble: Vec::new(),
        };
        // What the application's import adds is there before anything of it is imported.
        let path = SearchPath { first: self.folders.clone(), ..path.clone() };
        self.audited = Some(running.audit_own(first, environment, &path));
    }

    fn look_into(
        &mut self,
        folder: &Path,
        interpreter: &Interpreter,
        reached: &BTreeSet<String>,
    ) -> Vec<Candidate> {
        let apart: Vec<PathBuf> = self.folders.iter().chain(&interpreter.site).cloned().collect();
        let look = |only| importable(folder, &apart, only, &interpreter.suffixes);
        let mut found = if is_wide(folder) { look(Some(reached)) } else { look(None) };
        if is_wide(folder) || !found.is_complete {
            self.partly.push(folder.to_owned());
        }
        if !found.is_complete {
            found = look(Some(reached));
        }
        if !found.is_complete {
            self.doubts.push(format!("{} holds too much to be looked at", folder.display()));
        }
        self.doubts.extend(found.trouble);
        found.candidates
    }
}

/// A folder that holds much beside an application.
fn is_wide(folder: &Path) -> bool {
    let folder = real(folder);
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(|home| real(Path::new(&home)));
    folder.parent().is_none() || home.is_some_and(|home| home.starts_with(folder))
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
