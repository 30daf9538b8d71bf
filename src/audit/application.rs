//! Audits the applications that the environment is for: imports each in every mode, and follows the imports
//! in its source code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::application_folders::ApplicationFolders;
use super::context::{AuditContext, AuditedEnvironment};
use super::deployment::ServedScript;
use super::resolved_application::{ResolvedApplication, find_applications};
use super::shadowed_modules;
use crate::app::{KnownImports, ModuleFinder, trace_application};
use crate::model::{Interpreter, Mode, PathChange, SourceAnalysis, SourceLocation, UnresolvedImport};
use crate::report::{ApplicationParts, ApplicationRow, PathPlaceholders, Report, build_application_row};
use crate::rules::judge_name;
use crate::trial::TrialSubject;

/// Adds a row for each application that the plan names, and for each script that Apache serves.
///
/// # Errors
/// When one of them cannot be found.
pub(super) fn add_applications(
    context: &AuditContext<'_>,
    first: &AuditedEnvironment,
    scripts: &[ServedScript],
    placeholders: &mut PathPlaceholders,
    report: &mut Report,
) -> Result<()> {
    if context.plan.apps.is_empty() && scripts.is_empty() {
        return Ok(());
    }
    let environment = &first.environment;
    let Some(interpreter) = environment.interpreter.as_ref() else {
        bail!("an application needs an environment with a Python that can be run")
    };
    let applications = find_applications(context.plan, interpreter, scripts)?;
    for (index, each) in applications.iter().enumerate() {
        let name = if index == 0 { "application".to_owned() } else { format!("application {}", index + 1) };
        let is_apart =
            |folder: &Path| !environment.root.starts_with(folder) && !folder.starts_with(&environment.root);
        if is_apart(&each.root) {
            placeholders.add_folder(&name, &each.root);
        }
        let (row, folders) = audit_application(context, first, interpreter, each, index, report)?;
        let others = folders.iter().filter(|folder| **folder != each.root && is_apart(folder));
        others.enumerate().for_each(|(number, folder)| {
            placeholders.add_folder(&format!("{name} path {}", number + 1), folder)
        });
        report.applications.push(row);
    }
    Ok(())
}

/// Lowers the verdict of applications that may still import a module by a computed name. To be called after
/// the requests.
pub(super) fn downgrade_for_open_imports(report: &mut Report) {
    let Report { applications, modules, distributions, .. } = report;
    applications.iter_mut().for_each(|row| row.downgrade_for_open_imports(modules, distributions));
}

/// Imports an application in every mode. Returns its row, and its own folders.
fn audit_application(
    context: &AuditContext<'_>,
    first: &AuditedEnvironment,
    interpreter: &Interpreter,
    application: &ResolvedApplication,
    index: usize,
    report: &mut Report,
) -> Result<(ApplicationRow, Vec<PathBuf>)> {
    let modes = first.possible_modes();
    let drivers = context.scratch.create_folder(&format!("application-{index}"))?;
    let path = application.prepare_search_path(&drivers)?;
    let mut own = ApplicationFolders::observe_import(context, interpreter, application, &path, &drivers)?;
    let mut sources = analyze_sources(first, interpreter, application, &own);
    let reached = sources.reached.iter().filter_map(|each| each.name.split('.').next());
    let reached: BTreeSet<String> = reached.map(str::to_owned).collect();
    own.audit_extension_modules(context, first, interpreter, &path, &reached);
    if let Some(audited) = &own.audited {
        // Their control shows what their C code imports.
        sources = analyze_sources(audited, interpreter, application, &own);
    }
    let audited = own.audited.as_ref().unwrap_or(first);
    let mut all = audited.trials.clone();
    if interpreter.no_trials.is_none() {
        let subject = TrialSubject::from_name(application.module.clone());
        all.extend(context.try_subjects(interpreter, &path, audited.copy_trees(), &[subject], &modes));
    }
    let mut facts = first.facts_by_module();
    facts.extend(audited.facts_by_module());
    let verdict_input = first.verdict_input(&all, &facts);
    let name = application.module.as_str();
    let (doubts, notes) = collect_doubts(&own, &sources, interpreter);
    let is_open = |(spot, what): &&(SourceLocation, UnresolvedImport)| {
        matches!(what, UnresolvedImport::Computed(_))
            && !own.ran.has_run_between(&spot.file, spot.line, spot.line)
    };
    let open_imports = sources.not_followed.iter().filter(is_open);
    let open_imports = open_imports.map(|(spot, what)| (spot.clone(), what.to_string())).collect();
    for shadow in
        own.folders.iter().flat_map(|folder| shadowed_modules::describe_shadowing(folder, interpreter))
    {
        report.add_note(shadow);
    }
    for note in notes.into_iter().chain(doubts.iter().map(|doubt| format!("{}: {doubt}", application.name))) {
        report.add_note(note);
    }
    let found = own.audited.as_ref().map(|audited| audited.build_report(None));
    let parts = ApplicationParts {
        name: &application.name,
        file: &application.file.to_string_lossy(),
        callable: &application.callable,
        served: application.served.clone(),
        sources,
        trials: modes.iter().filter_map(|mode| Some((*mode, all.get(name, *mode)?.clone()))).collect(),
        judgements: first.modes.iter().map(|mode| (*mode, judge_name(&verdict_input, name, *mode))).collect(),
        own: found.as_ref().map(|found| found.modules.as_slice()).unwrap_or_default(),
        doubts,
        open_imports,
    };
    let row = build_application_row(parts, &report.modules, &report.distributions);
    report.merge_application_modules(found);
    Ok((row, own.folders))
}

/// Modules that a server provides in its interpreters: mod_wsgi's, and those of `wsgiaudit serve`.
const SERVER_MODULES: [&str; 3] = ["apache", "mod_wsgi", "wsgiaudit"];

/// Returns what keeps the application from being `ready`, and notes for the reader.
fn collect_doubts(
    own: &ApplicationFolders,
    sources: &SourceAnalysis,
    interpreter: &Interpreter,
) -> (Vec<String>, Vec<String>) {
    let (mut doubts, mut notes) = (own.doubts.clone(), Vec::new());
    // The files of an installed application belong to the environment.
    let is_installed =
        |spot: &SourceLocation| interpreter.site.iter().any(|site| spot.file.starts_with(site));
    let unseen = |change: &&PathChange| !own.has_observed_change(change) && !is_installed(&change.spot);
    for change in sources.path_changes.iter().filter(unseen) {
        let PathChange { spot, text, lines } = change;
        let (file, line) = (spot.file.display(), spot.line);
        doubts.push(match lines {
            Some(_) => format!("{file}:{line} changes sys.path ({text}), but did not run at import"),
            None => format!(
                "{file}:{line} changes where Python looks for modules ({text}): its effect is not known"
            ),
        });
    }
    for (spot, what) in sources.not_followed.iter().filter(|(spot, _)| !is_installed(spot)) {
        match what {
            UnresolvedImport::Missing(name)
                if !own.imported.contains(name) && !SERVER_MODULES.contains(&name.as_str()) =>
            {
                let (file, line) = (spot.file.display(), spot.line);
                doubts.push(format!("{file}:{line} imports {name}, which was not found"));
            }
            UnresolvedImport::Missing(_) | UnresolvedImport::Computed(_) => {}
        }
    }
    let is_computed =
        |(_, what): &&(SourceLocation, UnresolvedImport)| matches!(what, UnresolvedImport::Computed(_));
    let computed = sources.not_followed.iter().find(is_computed);
    for folder in &own.partly_scanned {
        let folder = folder.display();
        match computed {
            Some((spot, what)) => doubts.push(format!(
                "{folder} holds much, so only modules imported by name were inspected, and {}:{} has {what}",
                spot.file.display(),
                spot.line
            )),
            None => notes.push(format!(
                "{folder} holds much besides the application: only modules that it imports were \
                 inspected there"
            )),
        }
    }
    (doubts, notes)
}

/// Follows the imports in its source code. The control of each extension module shows what its C code
/// imports.
fn analyze_sources(
    audited: &AuditedEnvironment,
    interpreter: &Interpreter,
    application: &ResolvedApplication,
    own: &ApplicationFolders,
) -> SourceAnalysis {
    let loads: BTreeMap<String, BTreeSet<String>> = audited
        .trials
        .trials_in_mode(Mode::Main)
        .map(|trial| {
            (trial.subject.clone(), trial.successful_loads().map(|load| load.name.clone()).collect())
        })
        .collect();
    let (major, minor, _) = interpreter.version;
    let known = KnownImports {
        loads,
        by_framework: own.by_framework.clone(),
        // PEP 810.
        has_lazy_modules: (major, minor) >= (3, 15),
    };
    let build = if interpreter.free_threaded { "t" } else { "" };
    let library = interpreter.base_prefix.as_ref();
    let library = library.map(|prefix| prefix.join(format!("lib/python{major}.{minor}{build}")));
    let mut folders = own.folders.clone();
    let package = application.source_root(interpreter);
    if !folders.contains(&package) {
        folders.push(package);
    }
    let mut finder =
        ModuleFinder::new(folders, own.path.clone(), &interpreter.editable, &interpreter.suffixes, library);
    if application.is_script {
        finder.editable.insert(0, (application.module.clone(), application.file.clone()));
    }
    trace_application(&finder, &application.module, &known)
}
