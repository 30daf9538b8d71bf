//! The applications that the environment is for: each is imported in every mode, and its sources are followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::around::{import_root, in_front};
use super::run::{Audited, Running};
use crate::app::{Finder, sources};
use crate::model::{Interpreter, Mode, Sources};
use crate::report::{ApplicationParts, ApplicationRow, Places, Report, application};
use crate::trial::{Subject, Trials};

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
    /// Whether its file's name is none that can be imported, as `shop.wsgi`: it is run by its path.
    is_script: bool,
}

impl Application {
    pub(super) fn callable(&self) -> &str {
        self.name.rsplit_once(':').map_or("application", |(_, callable)| callable)
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
    let Some(interpreter) = environment.interpreter.as_ref() else {
        bail!("an application needs an environment with a Python that can be asked")
    };
    let mut applications: Vec<Application> =
        running.plan.apps.iter().map(|spec| find(spec, interpreter)).collect::<Result<_>>()?;
    for (script, callable) in scripts {
        let spec = format!("{}:{callable}", script.display());
        let found = find(&spec, interpreter)?;
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
        let root = running.scratch.path().join(format!("application-{index}"));
        around(interpreter, application_, &root)?;
        let python = root.join("bin/python");
        let subject = Subject::name(application_.module.clone());
        trials = running.try_subjects(&python, &[subject], &modes);
    }
    let mut all = first.trials.clone();
    all.extend(trials);
    let facts = first.facts();
    let case = first.case(&all, &facts);
    let name = application_.module.as_str();
    let parts = ApplicationParts {
        name: &application_.name,
        file: &application_.file.to_string_lossy(),
        sources,
        trials: modes.iter().filter_map(|mode| Some((*mode, all.get(name, *mode)?.clone()))).collect(),
        judgements: first.modes.iter().map(|mode| (*mode, case.name(name, *mode))).collect(),
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

/// Makes a virtualenv that imports the application's folder first, and then what the environment does, and returns
/// its `site-packages`.
pub(super) fn around(interpreter: &Interpreter, application: &Application, root: &Path) -> Result<PathBuf> {
    let site = in_front(interpreter, &application.root, root)?;
    if application.is_script {
        // As mod_wsgi runs a script: by its path, under a name of its own.
        let text = format!(
            "__file__ = {:?}\nexec(compile(open(__file__, 'rb').read(), __file__, 'exec'), globals())\n",
            application.file.to_string_lossy()
        );
        fs::write(site.join(format!("{}.py", application.module)), text).context("cannot write a script")?;
    }
    Ok(site)
}

/// Finds `module:callable` or `path/to/file.py:callable`.
pub(super) fn find(spec: &str, interpreter: &Interpreter) -> Result<Application> {
    let (named, _) = spec.rsplit_once(':').unwrap_or((spec, "application"));
    let path = Path::new(named);
    if named.contains('/') || path.is_file() {
        let file = path.canonicalize().with_context(|| format!("cannot read {named} (--app {spec})"))?;
        return of_file(spec, file);
    }
    let here = std::env::current_dir().context("there is no current folder")?;
    let relative = named.replace('.', "/");
    for root in [here].iter().chain(&interpreter.site) {
        for file in [format!("{relative}.py"), format!("{relative}/__init__.py")] {
            let file = root.join(file);
            if file.is_file() {
                let root = root.canonicalize().unwrap_or_else(|_| root.clone());
                let module = named.to_owned();
                return Ok(Application { name: spec.to_owned(), module, file, root, is_script: false });
            }
        }
    }
    bail!(
        "no module {named} in this folder or in the environment (--app {spec})\nhint: a path to its file will do"
    )
}

fn of_file(spec: &str, file: PathBuf) -> Result<Application> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let is_identifier = !stem.is_empty()
        && stem.chars().all(|letter| letter == '_' || letter.is_alphanumeric())
        && !stem.starts_with(|letter: char| letter.is_numeric());
    let root = import_root(&file)?;
    let is_python = file.extension().is_some_and(|extension| extension == "py");
    let name = spec.to_owned();
    if !is_python || !is_identifier {
        let letters = stem.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' });
        let module = format!("_wsgi_script_{}", letters.collect::<String>());
        return Ok(Application { name, module, file, root, is_script: true });
    }
    let inside = file.strip_prefix(&root).unwrap_or(&file).with_extension("");
    let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let module = parts.join(".");
    let module = module.strip_suffix(".__init__").unwrap_or(&module).to_owned();
    Ok(Application { name, module, file, root, is_script: false })
}
