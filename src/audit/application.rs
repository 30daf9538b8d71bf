//! The applications that the environment is for: each is imported in every mode, and its sources are followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::around::import_root;
use super::run::{Audited, Running};
use crate::app::{Finder, sources};
use crate::model::{Interpreter, Mode, Sources};
use crate::report::{ApplicationParts, ApplicationRow, Places, Report, application};
use crate::rules::Case;
use crate::trial::{SearchPath, Subject, Trials};

/// An application, found.
#[derive(Debug)]
pub(super) struct Application {
    /// As it was named.
    name: String,
    /// Under which it is imported.
    pub(super) module: String,
    /// Its file.
    file: PathBuf,
    /// The folder on `sys.path`.
    root: PathBuf,
    /// What is added to `sys.path` for it.
    path: SearchPath,
    /// Whether its file's name is none that can be imported, as `shop.wsgi`: it is run by its path.
    is_script: bool,
}

impl Application {
    pub(super) fn callable(&self) -> &str {
        self.name.rsplit_once(':').map_or("application", |(_, callable)| callable)
    }

    /// What is added to `sys.path` for it and for what is in this folder: a script is put there under its own name.
    pub(super) fn path_with(&self, drivers: &Path) -> Result<SearchPath> {
        if self.is_script {
            // As mod_wsgi runs a script: by its path, under a name of its own.
            let text = format!(
                "__file__ = {:?}\nexec(compile(open(__file__, 'rb').read(), __file__, 'exec'), globals())\n",
                self.file.to_string_lossy()
            );
            let file = drivers.join(format!("{}.py", self.module));
            fs::write(file, text).context("cannot write a script")?;
        }
        Ok(self.path.and_last(drivers))
    }
}

/// Adds a row for each application that the plan names, and for each script that a web server serves.
///
/// # Errors
/// Where one of them is not to be found.
pub(super) fn add(
    running: &Running<'_>,
    first: &Audited,
    scripts: &[(PathBuf, String)],
    places: &mut Places,
    report: &mut Report,
) -> Result<()> {
    if running.plan.apps.is_empty() && scripts.is_empty() {
        return Ok(());
    }
    let environment = &first.environment;
    let python_path = running.plan.python_path.as_slice();
    let Some(interpreter) = environment.interpreter.as_ref() else {
        bail!("an application needs an environment with a Python that can be asked")
    };
    let mut applications: Vec<Application> =
        running.plan.apps.iter().map(|spec| find(spec, interpreter, python_path)).collect::<Result<_>>()?;
    for (script, callable) in scripts {
        let spec = format!("{}:{callable}", script.display());
        let found = find(&spec, interpreter, python_path)?;
        let is_same = |each: &Application| each.file == found.file && each.callable() == callable;
        if !applications.iter().any(is_same) {
            applications.push(found);
        }
    }
    for (index, each) in applications.iter().enumerate() {
        if !environment.root.starts_with(&each.root) && !each.root.starts_with(&environment.root) {
            places.add(if index == 0 { "application" } else { "application's" }, &each.root);
        }
        let row = row(running, first, interpreter, each, index, report)?;
        report.applications.push(row);
    }
    Ok(())
}

fn row(
    running: &Running<'_>,
    first: &Audited,
    interpreter: &Interpreter,
    application_: &Application,
    index: usize,
    report: &Report,
) -> Result<ApplicationRow> {
    let sources = read(first, interpreter, application_);
    let modes = first.possible();
    let mut trials = Trials::default();
    if interpreter.no_trials.is_none() {
        let drivers = running.scratch.folder(&format!("application-{index}"))?;
        let path = application_.path_with(&drivers)?;
        let subject = Subject::name(application_.module.clone());
        trials = running.try_subjects(interpreter, &path, &[subject], &modes);
    }
    let mut all = first.trials.clone();
    all.extend(trials);
    let facts = first.facts();
    let case = Case { trials: &all, facts: &facts, no_trials: &first.no_trials, beside: None };
    let name = application_.module.as_str();
    let parts = ApplicationParts {
        name: &application_.name,
        file: &application_.file.to_string_lossy(),
        sources,
        trials: modes.iter().filter_map(|mode| Some((*mode, all.get(name, *mode)?.clone()))).collect(),
        judgements: modes.iter().map(|mode| (*mode, case.name(name, *mode))).collect(),
    };
    Ok(application(parts, &report.modules, &report.distributions))
}

/// Follows its sources. The control of each extension module tells what its C code imports.
fn read(first: &Audited, interpreter: &Interpreter, application: &Application) -> Sources {
    let loads: BTreeMap<String, BTreeSet<String>> = first
        .trials
        .of(Mode::Main)
        .map(|trial| (trial.subject.clone(), trial.loaded().map(|load| load.name.clone()).collect()))
        .collect();
    let (major, minor, _) = interpreter.version;
    let build = if interpreter.free_threaded { "t" } else { "" };
    let library = interpreter.base_prefix.as_ref();
    let library = library.map(|prefix| prefix.join(format!("lib/python{major}.{minor}{build}")));
    let mut finder = Finder::new(
        application.root.clone(),
        &interpreter.site,
        &interpreter.editable,
        &interpreter.suffixes,
        library,
    );
    if interpreter.site.contains(&application.root) {
        let top = application.module.split('.').next().unwrap_or_default();
        let package = application.root.join(top);
        finder.own = if package.is_dir() { package } else { application.file.clone() };
    }
    if application.is_script {
        finder.editable.insert(0, (application.module.clone(), application.file.clone()));
    }
    sources(&finder, &application.module, &loads)
}

/// Finds `module:callable` or `path/to/file.py:callable`; `python_path` is that of the deployment.
pub(super) fn find(spec: &str, interpreter: &Interpreter, python_path: &[PathBuf]) -> Result<Application> {
    let (named, _) = spec.rsplit_once(':').unwrap_or((spec, "application"));
    let path = Path::new(named);
    if named.contains('/') || path.is_file() {
        let file = path.canonicalize().with_context(|| format!("cannot read {named} (--app {spec})"))?;
        return of_file(spec, file, python_path);
    }
    let here = std::env::current_dir().context("there is no current folder")?;
    let source = here.join("src");
    // As for `python -m`: this folder first. A project with its packages in `src/` is deployed with that on the path.
    let roots = [&here].into_iter().chain(python_path).chain(&interpreter.site);
    let installed = roots.chain([&source]).find_map(|root| Some((root.clone(), module_in(root, named)?)));
    let served = || interpreter.editable.iter().find_map(|(top, path)| served_by(top, path, named));
    let Some((root, file)) = installed.or_else(served) else {
        bail!(
            "no module {named} in this folder, in PYTHONPATH or in the environment (--app {spec})\n\
             hint: a path to its file will do"
        )
    };
    let root = root.canonicalize().unwrap_or(root);
    let mut first = vec![here];
    first.extend((root == source.canonicalize().unwrap_or_default()).then(|| root.clone()));
    let path = SearchPath { first, plain: python_path.to_vec(), ..SearchPath::NONE };
    Ok(Application { name: spec.to_owned(), module: named.to_owned(), file, root, path, is_script: false })
}

/// The file of a module below a folder on `sys.path`.
fn module_in(root: &Path, name: &str) -> Option<PathBuf> {
    let path = root.join(name.replace('.', "/"));
    [path.with_extension("py"), path.join("__init__.py")].into_iter().find(|file| file.is_file())
}

/// The file of a module that the finder of an editable install serves, and the folder that its package lies in.
fn served_by(top: &str, path: &Path, name: &str) -> Option<(PathBuf, PathBuf)> {
    let inside = name.strip_prefix(top)?;
    let file = match inside.strip_prefix('.') {
        Some(inside) => module_in(path, inside)?,
        None if !inside.is_empty() => return None,
        None if path.is_file() => path.to_owned(),
        None => Some(path.join("__init__.py")).filter(|file| file.is_file())?,
    };
    Some((path.parent()?.to_owned(), file))
}

fn of_file(spec: &str, file: PathBuf, python_path: &[PathBuf]) -> Result<Application> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let is_identifier = !stem.is_empty()
        && stem.chars().all(|letter| letter == '_' || letter.is_alphanumeric())
        && !stem.starts_with(|letter: char| letter.is_numeric());
    let root = import_root(&file)?;
    let is_python = file.extension().is_some_and(|extension| extension == "py");
    let name = spec.to_owned();
    let path = SearchPath { first: vec![root.clone()], plain: python_path.to_vec(), ..SearchPath::NONE };
    if !is_python || !is_identifier {
        let letters = stem.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' });
        let module = format!("_wsgi_script_{}", letters.collect::<String>());
        return Ok(Application { name, module, file, root, path, is_script: true });
    }
    let inside = file.strip_prefix(&root).unwrap_or(&file).with_extension("");
    let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let module = parts.join(".");
    let module = module.strip_suffix(".__init__").unwrap_or(&module).to_owned();
    Ok(Application { name, module, file, root, path, is_script: false })
}
