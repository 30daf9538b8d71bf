//! The Apache configuration that the environment is for (`--apache-config`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::apache::{
    ApacheSite, AuditedApplication, Definitions, FileSystem, PythonBuild, analyze_deployment, build_site,
};
use crate::model::{ConfigLocation, Environment, PythonPathOptions, RuleId};
use crate::report::{ApplicationRow, PathPlaceholders, Report};

/// A WSGI script that Apache serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServedScript {
    pub(super) file: PathBuf,
    /// The name of the WSGI callable in it.
    pub(super) callable: String,
    /// What the configuration adds to `sys.path` for it.
    pub(super) path: PythonPathOptions,
}

/// A parsed configuration.
#[derive(Debug)]
pub(super) struct ApacheConfiguration {
    file: PathBuf,
    site: ApacheSite,
}

impl ApacheConfiguration {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When Apache would not start with it.
    pub(super) fn from_file(named: &Path, definitions: &[String]) -> Result<Self> {
        let file = named.canonicalize().with_context(|| format!("cannot read {}", named.display()))?;
        let tree = crate::apache::read_configuration(&file, &Definitions(definitions.to_vec()), &FileSystem)?;
        let site = build_site(&tree, &FileSystem)?;
        Ok(Self { file, site })
    }

    /// Returns the scripts that it serves and that exist.
    pub(super) fn served_scripts(&self) -> Vec<ServedScript> {
        let landings =
            analyze_deployment(self.file.clone(), &self.site, &describe_python_build(None), &[]).landings;
        let scripts: BTreeSet<ServedScript> = landings
            .into_iter()
            .map(|mount| ServedScript {
                path: self.site.module_path(&mount.process_group, &mount.application_group),
                file: mount.script,
                callable: mount.callable,
            })
            .collect();
        scripts.into_iter().filter(|script| script.file.is_file()).collect()
    }

    /// Adds the mounts of the applications and the findings to the report.
    pub(super) fn add_to_report(
        &self,
        environment: &Environment,
        placeholders: &mut PathPlaceholders,
        report: &mut Report,
    ) {
        if let Some(folder) = self.file.parent() {
            placeholders.add_folder("configuration", folder);
        }
        let applications = report.applications.iter();
        let applied: Vec<AuditedApplication> =
            applications.flat_map(|row| self.match_application(row)).collect();
        let build = describe_python_build(Some(environment));
        let mut deployment = analyze_deployment(self.file.clone(), &self.site, &build, &applied);
        for mount in &mut deployment.landings {
            let why = match self.find_other_environment(&mount.process_group, environment) {
                Some(home) => format!("it is served by {}, not by this environment", home.display()),
                None if mount.application.is_none() => {
                    "it was not audited: the file does not exist here".to_owned()
                }
                None => continue,
            };
            mount.application = None;
            let what = format!("{} ({}): {why}", mount.url, mount.script.display());
            deployment.not_told.push((mount.place.clone(), what));
        }
        deployment.not_told.sort();
        deployment.not_told.dedup();
        let describe = |(place, what): &(ConfigLocation, String)| format!("{place}: {what}");
        report.trouble.extend(deployment.not_told.iter().map(describe));
        report.deployment = Some(deployment);
    }

    /// Returns an audited application under each name that the configuration has for its file.
    fn match_application(&self, row: &ApplicationRow) -> Vec<AuditedApplication> {
        let pool = row.sources.hazards.iter().find(|hazard| hazard.rule == RuleId::ThreadPool);
        let is_its = |script: &ServedScript| {
            script.callable == row.callable
                && row.served.as_ref().is_none_or(|served| *served == script.path)
                && script.file.canonicalize().is_ok_and(|file| file == Path::new(&row.file))
        };
        let scripts = self.served_scripts().into_iter().filter(is_its);
        let applied = scripts.map(|ServedScript { file, callable, path }| AuditedApplication {
            name: row.name.clone(),
            file,
            callable,
            path: row.served.as_ref().map(|_| path),
            judgements: row.judgements.clone(),
            pool: pool.map(|hazard| format!("{}:{}", hazard.spot.file.display(), hazard.spot.line)),
        });
        applied.collect()
    }

    /// Returns the environment that a process group uses, if that is not the audited one.
    fn find_other_environment(&self, process: &str, environment: &Environment) -> Option<PathBuf> {
        let home = self.site.python_home_of(process)?;
        let same = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        (same(home) != same(&environment.root)).then(|| home.to_owned())
    }
}

/// Describes the audited Python to the checks of the configuration.
fn describe_python_build(environment: Option<&Environment>) -> PythonBuild {
    let interpreter = environment.and_then(|environment| environment.interpreter.as_ref());
    PythonBuild {
        release: interpreter.map(|interpreter| interpreter.release.clone()).unwrap_or_default(),
        is_free_threaded: interpreter.is_some_and(|interpreter| interpreter.free_threaded),
        has_own_gil: interpreter.is_none_or(crate::model::Interpreter::has_own_gil),
    }
}
