//! The Apache that the environment is for (`--apache-config`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::run::Audited;
use crate::apache::{Applied, Build, Definitions, Disk, Site, findings};
use crate::model::{ConfigPlace, Environment, ModulePath};
use crate::report::{ApplicationRow, Places, Report};

/// A WSGI script that is served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Script {
    pub(super) file: PathBuf,
    /// The name in it.
    pub(super) callable: String,
    /// What is put in front of `sys.path` for it.
    pub(super) path: ModulePath,
}

/// A configuration, read.
#[derive(Debug)]
pub(super) struct Configured {
    file: PathBuf,
    site: Site,
}

impl Configured {
    /// Reads it.
    ///
    /// # Errors
    /// What Apache would not start with.
    pub(super) fn read(named: &Path, definitions: &[String]) -> Result<Self> {
        let file = named.canonicalize().with_context(|| format!("cannot read {}", named.display()))?;
        let tree = crate::apache::read(&file, &Definitions(definitions.to_vec()), &Disk)?;
        let site = Site::new(&tree, &Disk)?;
        Ok(Self { file, site })
    }

    /// The scripts that it serves and that are there.
    pub(super) fn scripts(&self) -> Vec<Script> {
        let landings = findings(self.file.clone(), &self.site, &build(None), &[]).landings;
        let scripts: BTreeSet<Script> = landings
            .into_iter()
            .map(|landing| Script {
                path: self.site.module_path(&landing.process_group, &landing.application_group),
                file: landing.script,
                callable: landing.callable,
            })
            .collect();
        scripts.into_iter().filter(|script| script.file.is_file()).collect()
    }

    /// Adds to the report where the applications land, and what is found.
    pub(super) fn add(&self, first: &Audited, places: &mut Places, report: &mut Report) {
        if let Some(folder) = self.file.parent() {
            places.add("configuration", folder);
        }
        let applications = report.applications.iter();
        let applied: Vec<Applied> = applications.flat_map(|row| self.applied(row)).collect();
        let build = build(Some(&first.environment));
        let mut deployment = findings(self.file.clone(), &self.site, &build, &applied);
        for landing in &mut deployment.landings {
            let why = match self.other_environment(&landing.process_group, &first.environment) {
                Some(home) => format!("it is served by {}, not by this environment", home.display()),
                None if landing.application.is_none() => "it was not audited: it is no file here".to_owned(),
                None => continue,
            };
            landing.application = None;
            let what = format!("{} ({}): {why}", landing.url, landing.script.display());
            deployment.not_told.push((landing.place.clone(), what));
        }
        deployment.not_told.sort();
        deployment.not_told.dedup();
        let told = |(place, what): &(ConfigPlace, String)| format!("{place}: {what}");
        report.trouble.extend(deployment.not_told.iter().map(told));
        report.deployment = Some(deployment);
    }

    /// An application under the names that the configuration has for its file.
    fn applied(&self, row: &ApplicationRow) -> Vec<Applied> {
        let pool = row.sources.hazards.iter().find(|hazard| hazard.rule == "thread-pool");
        let is_its = |script: &Script| {
            script.callable == row.callable
                && row.served.as_ref().is_none_or(|served| *served == script.path)
                && script.file.canonicalize().is_ok_and(|file| file == Path::new(&row.file))
        };
        let scripts = self.scripts().into_iter().filter(is_its);
        let applied = scripts.map(|Script { file, callable, path }| Applied {
            name: row.name.clone(),
            file,
            callable,
            path: row.served.as_ref().map(|_| path),
            judgements: row.judgements.clone(),
            pool: pool.map(|hazard| format!("{}:{}", hazard.spot.file.display(), hazard.spot.line)),
        });
        applied.collect()
    }

    /// The environment that a process group uses, where it is another one than was audited.
    fn other_environment(&self, process: &str, environment: &Environment) -> Option<PathBuf> {
        let home = self.site.home_of(process)?;
        let same = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        (same(home) != same(&environment.root)).then(|| home.to_owned())
    }
}

/// What is known of the Python.
fn build(environment: Option<&Environment>) -> Build {
    let interpreter = environment.and_then(|environment| environment.interpreter.as_ref());
    Build {
        release: interpreter.map(|interpreter| interpreter.release.clone()).unwrap_or_default(),
        is_free_threaded: interpreter.is_some_and(|interpreter| interpreter.free_threaded),
        has_own_gil: interpreter.is_none_or(crate::model::Interpreter::has_own_gil),
    }
}
