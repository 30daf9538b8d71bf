//! Audits the applications that the environment is for: imports each in every mode, and follows the imports
//! in its source code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::application_folders::ApplicationFolders;
use super::deployment::ServedScript;
use super::run::{AuditContext, AuditedEnvironment};
use super::shadowed_modules;
use super::synthetic_venv::find_import_root;
use crate::app::{KnownImports, ModuleFinder, trace_application};
use crate::model::{
    Interpreter, Mode, NOT_THERE, PathChange, PythonPathOptions, SourceAnalysis, SourceLocation,
};
use crate::report::{ApplicationParts, ApplicationRow, PathPlaceholders, Report, build_application_row};
use crate::trial::{SearchPath, TrialSubject};

/// An application whose file and search path are resolved.
#[derive(Debug)]
pub(super) struct ResolvedApplication {
    /// Its name in the report.
    name: String,
    /// The name under which it is imported.
    pub(super) module: String,
    /// The name of the WSGI callable in it.
    callable: String,
    /// Its file.
    file: PathBuf,
    /// The folder on `sys.path` that it is imported from.
    root: PathBuf,
    /// What is added to `sys.path` for it.
    path: SearchPath,
    /// Whether it is run by its path: the name of its file cannot be imported, like `shop.wsgi`, or mod_wsgi
    /// runs it.
    pub(super) is_script: bool,
    /// What the Apache configuration adds to `sys.path` for it, if it serves the application.
    served: Option<PythonPathOptions>,
}

impl ResolvedApplication {
    pub(super) fn callable(&self) -> &str {
        &self.callable
    }

    /// Returns the folder or file that holds its own source code: its folder on `sys.path`, or its package if
    /// it is installed.
    pub(super) fn source_root(&self, interpreter: &Interpreter) -> PathBuf {
        if !interpreter.site.contains(&self.root) {
            return self.root.clone();
        }
        let package = self.root.join(self.module.split('.').next().unwrap_or_default());
        if package.is_dir() { package } else { self.file.clone() }
    }

    fn file_stem(&self) -> String {
        self.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned()
    }

    /// Makes it run as mod_wsgi runs a script: by its path, under a module name of its own.
    fn run_as_script(&mut self) {
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        self.module = format!("_wsgi_script_{}", self.file_stem().chars().map(letter).collect::<String>());
        self.is_script = true;
    }

    /// Sets the search path that the Apache configuration gives it.
    fn apply_server_paths(&mut self, served: &PythonPathOptions, python_path: &[PathBuf]) {
        let last = if served.folders.contains(&self.root) { Vec::new() } else { vec![self.root.clone()] };
        self.path = SearchPath {
            first: served.home.clone().into_iter().collect(),
            with_pth: served.folders.clone(),
            plain: python_path.to_vec(),
            // mod_wsgi does not add the script's own folder. Modules that are found nowhere else may lie
            // there all the same.
            last,
        };
        self.served = Some(served.clone());
    }

    /// Returns what is added to `sys.path` to import it and the modules in `drivers`. Writes a module to
    /// `drivers` that runs the script, if it is one.
    pub(super) fn prepare_search_path(&self, drivers: &Path) -> Result<SearchPath> {
        if self.is_script {
            let text = format!(
                "__file__ = {:?}\nexec(compile(open(__file__, 'rb').read(), __file__, 'exec'), globals())\n",
                self.file.to_string_lossy()
            );
            let file = drivers.join(format!("{}.py", self.module));
            fs::write(file, text).context("cannot write a script")?;
        }
        Ok(self.path.with_last_folder(drivers))
    }
}

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
    let applications = find_applications(context, interpreter, scripts)?;
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

/// Finds the applications that the plan names, in its order, and then the other scripts that Apache serves.
/// The search path of a served application is that of its configuration.
pub(super) fn find_applications(
    context: &AuditContext<'_>,
    interpreter: &Interpreter,
    scripts: &[ServedScript],
) -> Result<Vec<ResolvedApplication>> {
    let python_path = context.plan.python_path.as_slice();
    let named = context.plan.apps.iter().map(|spec| find_application(spec, interpreter, python_path));
    let mut applications: Vec<ResolvedApplication> = named.collect::<Result<_>>()?;
    for ServedScript { file, callable, path } in scripts {
        let spec = format!("{}:{callable}", file.display());
        let mut found = find_application(&spec, interpreter, python_path)?;
        let is_same = |each: &&mut ResolvedApplication| each.file == found.file && each.callable == *callable;
        let (mut served, open): (Vec<_>, Vec<_>) =
            applications.iter_mut().filter(is_same).partition(|each| each.served.is_some());
        if served.iter().any(|each| each.served.as_ref() == Some(path)) {
            continue;
        }
        if let Some(named) = open.into_iter().next() {
            named.apply_server_paths(path, python_path);
            continue;
        }
        if !served.is_empty() {
            let folders: Vec<String> =
                path.folders.iter().map(|folder| folder.display().to_string()).collect();
            found.name = format!("{spec} (python-path={})", folders.join(":"));
        }
        served.clear();
        found.run_as_script();
        found.apply_server_paths(path, python_path);
        applications.push(found);
    }
    Ok(applications)
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
        all.extend(context.try_subjects(interpreter, &path, &[subject], &modes));
    }
    let mut facts = first.facts_by_module();
    facts.extend(audited.facts_by_module());
    let verdict_input = first.verdict_input(&all, &facts);
    let name = application.module.as_str();
    let (doubts, notes) = collect_doubts(&own, &sources, interpreter);
    let is_open = |(spot, what): &&(SourceLocation, String)| {
        !what.ends_with(NOT_THERE) && !own.ran.has_run_between(&spot.file, spot.line, spot.line)
    };
    let open_imports = sources.not_followed.iter().filter(is_open).cloned().collect();
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
        judgements: first.modes.iter().map(|mode| (*mode, verdict_input.judge_name(name, *mode))).collect(),
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
        let Some(name) = what
            .strip_suffix(NOT_THERE)
            .filter(|name| !own.imported.contains(*name) && !SERVER_MODULES.contains(name))
        else {
            continue;
        };
        doubts.push(format!("{}:{} imports {name}, which was not found", spot.file.display(), spot.line));
    }
    let computed = sources.not_followed.iter().find(|(_, what)| !what.ends_with(NOT_THERE));
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

/// Finds `module:callable` or `path/to/file.py:callable`. `python_path` is the `PYTHONPATH` of the
/// deployment.
fn find_application(
    spec: &str,
    interpreter: &Interpreter,
    python_path: &[PathBuf],
) -> Result<ResolvedApplication> {
    let (named, callable) = spec.rsplit_once(':').unwrap_or((spec, "application"));
    let path = Path::new(named);
    if named.contains('/') || path.is_file() {
        let file = path.canonicalize().with_context(|| format!("cannot read {named} (--app {spec})"))?;
        return application_from_file(spec, callable, file, python_path);
    }
    let here = std::env::current_dir().context("there is no current folder")?;
    let source = here.join("src");
    // As for `python -m`, this folder comes first. A project with its packages in `src/` is deployed with
    // that folder on `sys.path`.
    let roots = [&here].into_iter().chain(python_path).chain(&interpreter.site);
    let found = roots.chain([&source]).find_map(|root| Some((root.clone(), find_module_file(root, named)?)));
    let served =
        || interpreter.editable.iter().find_map(|(top, path)| find_editable_module(top, path, named));
    let Some((root, file)) = found.or_else(served) else {
        bail!(
            "no module {named} in this folder, in PYTHONPATH or in the environment (--app {spec})\n\
             hint: pass the path of its file"
        )
    };
    let is_here = root == here || root == source;
    let root = root.canonicalize().unwrap_or(root);
    let first = if is_here { vec![root.clone()] } else { Vec::new() };
    let path = SearchPath { first, plain: python_path.to_vec(), ..SearchPath::NONE };
    let (name, module) = (spec.to_owned(), named.to_owned());
    let callable = callable.to_owned();
    Ok(ResolvedApplication { name, module, callable, file, root, path, is_script: false, served: None })
}

/// Returns the file of a module in a folder on `sys.path`.
fn find_module_file(root: &Path, name: &str) -> Option<PathBuf> {
    let path = root.join(name.replace('.', "/"));
    [path.with_extension("py"), path.join("__init__.py")].into_iter().find(|file| file.is_file())
}

/// Returns the file of a module that the import finder of an editable install serves, and the folder of its
/// package.
fn find_editable_module(top: &str, path: &Path, name: &str) -> Option<(PathBuf, PathBuf)> {
    let inside = name.strip_prefix(top)?;
    let file = match inside.strip_prefix('.') {
        Some(inside) => find_module_file(path, inside)?,
        None if !inside.is_empty() => return None,
        None if path.is_file() => path.to_owned(),
        None => Some(path.join("__init__.py")).filter(|file| file.is_file())?,
    };
    Some((path.parent()?.to_owned(), file))
}

fn application_from_file(
    spec: &str,
    callable: &str,
    file: PathBuf,
    python_path: &[PathBuf],
) -> Result<ResolvedApplication> {
    let root = find_import_root(&file)?;
    let inside = file.strip_prefix(&root).unwrap_or(&file).with_extension("");
    let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let module = parts.join(".");
    let path = SearchPath { first: vec![root.clone()], plain: python_path.to_vec(), ..SearchPath::NONE };
    let mut application = ResolvedApplication {
        name: spec.to_owned(),
        module: module.strip_suffix(".__init__").unwrap_or(&module).to_owned(),
        callable: callable.to_owned(),
        file,
        root,
        path,
        is_script: false,
        served: None,
    };
    let stem = application.file_stem();
    let is_identifier = !stem.is_empty()
        && stem.chars().all(|letter| letter == '_' || letter.is_alphanumeric())
        && !stem.starts_with(|letter: char| letter.is_numeric());
    if !is_identifier || application.file.extension().is_none_or(|extension| extension != "py") {
        application.run_as_script();
    }
    Ok(application)
}
