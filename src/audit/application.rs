//! The applications that the environment is for: each is imported in every mode, and its sources are followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::around::import_root;
use super::deployment::Script;
use super::own_modules::Own;
use super::run::{Audited, Running};
use super::shadows;
use crate::app::{Finder, Known, sources};
use crate::model::{Interpreter, Mode, ModulePath, NOT_THERE, PathChange, Sources, Spot};
use crate::report::{ApplicationParts, ApplicationRow, Places, Report, application};
use crate::trial::{SearchPath, Subject};

/// An application, found.
#[derive(Debug)]
pub(super) struct Application {
    /// As it is named in the report.
    name: String,
    /// Under which it is imported.
    pub(super) module: String,
    /// The name in it.
    callable: String,
    /// Its file.
    file: PathBuf,
    /// The folder on `sys.path`.
    root: PathBuf,
    /// What is added to `sys.path` for it.
    path: SearchPath,
    /// Whether it is run by its path: its file's name is none that can be imported, as `shop.wsgi`, or mod_wsgi does.
    pub(super) is_script: bool,
    /// What the web server's configuration adds to `sys.path` for it, where one serves it.
    served: Option<ModulePath>,
}

impl Application {
    pub(super) fn callable(&self) -> &str {
        &self.callable
    }

    /// What holds its own files: its folder, or where it is installed its package.
    pub(super) fn package(&self, interpreter: &Interpreter) -> PathBuf {
        if !interpreter.site.contains(&self.root) {
            return self.root.clone();
        }
        let package = self.root.join(self.module.split('.').next().unwrap_or_default());
        if package.is_dir() { package } else { self.file.clone() }
    }

    fn stem(&self) -> String {
        self.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned()
    }

    /// Has it run as mod_wsgi runs a script: by its path, under a name of its own.
    fn run_by_path(&mut self) {
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        self.module = format!("_wsgi_script_{}", self.stem().chars().map(letter).collect::<String>());
        self.is_script = true;
    }

    /// Adds what a web server's configuration does.
    fn serve_with(&mut self, served: &ModulePath, python_path: &[PathBuf]) {
        let last = if served.folders.contains(&self.root) { Vec::new() } else { vec![self.root.clone()] };
        self.path = SearchPath {
            first: served.home.clone().into_iter().collect(),
            with_pth: served.folders.clone(),
            plain: python_path.to_vec(),
            // mod_wsgi does not add the script's own folder: what is found nowhere else may lie there all the same.
            last,
        };
        self.served = Some(served.clone());
    }

    /// What is added to `sys.path` for it and for what is in this folder: a script is put there under its own name.
    pub(super) fn path_with(&self, drivers: &Path) -> Result<SearchPath> {
        if self.is_script {
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
    scripts: &[Script],
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
    let applications = find_all(running, interpreter, scripts)?;
    for (index, each) in applications.iter().enumerate() {
        let name = if index == 0 { "application".to_owned() } else { format!("application {}", index + 1) };
        let is_apart =
            |folder: &Path| !environment.root.starts_with(folder) && !folder.starts_with(&environment.root);
        if is_apart(&each.root) {
            places.add(&name, &each.root);
        }
        let (row, folders) = row(running, first, interpreter, each, index, report)?;
        let others = folders.iter().filter(|folder| **folder != each.root && is_apart(folder));
        others
            .enumerate()
            .for_each(|(number, folder)| places.add(&format!("{name} path {}", number + 1), folder));
        report.applications.push(row);
    }
    Ok(())
}

/// Makes applications `unknown` that may still import something by a computed name. To be called after the requests.
pub(super) fn doubt_open_imports(report: &mut Report) {
    let Report { applications, modules, distributions, .. } = report;
    applications.iter_mut().for_each(|row| row.doubt_open_imports(modules, distributions));
}

/// Those that the plan names, in its order and as the web server serves them where it does, and then those that it serves
/// besides.
pub(super) fn find_all(
    running: &Running<'_>,
    interpreter: &Interpreter,
    scripts: &[Script],
) -> Result<Vec<Application>> {
    let python_path = running.plan.python_path.as_slice();
    let named = running.plan.apps.iter().map(|spec| find(spec, interpreter, python_path));
    let mut applications: Vec<Application> = named.collect::<Result<_>>()?;
    for Script { file, callable, path } in scripts {
        let spec = format!("{}:{callable}", file.display());
        let mut found = find(&spec, interpreter, python_path)?;
        let is_same = |each: &&mut Application| each.file == found.file && each.callable == *callable;
        let (mut served, open): (Vec<_>, Vec<_>) =
            applications.iter_mut().filter(is_same).partition(|each| each.served.is_some());
        if served.iter().any(|each| each.served.as_ref() == Some(path)) {
            continue;
        }
        if let Some(named) = open.into_iter().next() {
            named.serve_with(path, python_path);
            continue;
        }
        if !served.is_empty() {
            let folders: Vec<String> =
                path.folders.iter().map(|folder| folder.display().to_string()).collect();
            found.name = format!("{spec} (python-path={})", folders.join(":"));
        }
        served.clear();
        found.run_by_path();
        found.serve_with(path, python_path);
        applications.push(found);
    }
    Ok(applications)
}

/// Its row, and its own folders.
fn row(
    running: &Running<'_>,
    first: &Audited,
    interpreter: &Interpreter,
    application_: &Application,
    index: usize,
    report: &mut Report,
) -> Result<(ApplicationRow, Vec<PathBuf>)> {
    let modes = first.possible();
    let drivers = running.scratch.folder(&format!("application-{index}"))?;
    let path = application_.path_with(&drivers)?;
    let mut own = Own::see(running, interpreter, application_, &path, &drivers)?;
    let mut sources = read(first, interpreter, application_, &own);
    let reached = sources.reached.iter().filter_map(|each| each.name.split('.').next());
    let reached: BTreeSet<String> = reached.map(str::to_owned).collect();
    own.find(running, first, interpreter, &path, &reached);
    if let Some(audited) = &own.audited {
        // Their control tells what their C code imports.
        sources = read(audited, interpreter, application_, &own);
    }
    let audited = own.audited.as_ref().unwrap_or(first);
    let mut all = audited.trials.clone();
    if interpreter.no_trials.is_none() {
        let subject = Subject::name(application_.module.clone());
        all.extend(running.try_subjects(interpreter, &path, &[subject], &modes));
    }
    let mut facts = first.facts();
    facts.extend(audited.facts());
    let case = first.case(&all, &facts);
    let name = application_.module.as_str();
    let (doubts, notes) = doubts(&own, &sources, interpreter);
    let is_open = |(spot, what): &&(Spot, String)| {
        !what.ends_with(NOT_THERE) && !own.ran.has(&spot.file, spot.line, spot.line)
    };
    let open_imports = sources.not_followed.iter().filter(is_open).cloned().collect();
    for shadow in own.folders.iter().flat_map(|folder| shadows::of_folder(folder, interpreter)) {
        report.note(shadow);
    }
    for note in notes.into_iter().chain(doubts.iter().map(|doubt| format!("{}: {doubt}", application_.name)))
    {
        report.note(note);
    }
    let found = own.audited.as_ref().map(|audited| audited.report(None));
    let parts = ApplicationParts {
        name: &application_.name,
        file: &application_.file.to_string_lossy(),
        callable: &application_.callable,
        served: application_.served.clone(),
        sources,
        trials: modes.iter().filter_map(|mode| Some((*mode, all.get(name, *mode)?.clone()))).collect(),
        judgements: first.modes.iter().map(|mode| (*mode, case.name(name, *mode))).collect(),
        own: found.as_ref().map(|found| found.modules.as_slice()).unwrap_or_default(),
        doubts,
        open_imports,
    };
    let row = application(parts, &report.modules, &report.distributions);
    report.extend(found);
    Ok((row, own.folders))
}

/// Modules that a server puts into its interpreters: mod_wsgi's, and those of `wsgiaudit serve`.
const OF_SERVERS: [&str; 3] = ["apache", "mod_wsgi", "wsgiaudit"];

/// What keeps the application from being called ready, and what a reader must know.
fn doubts(own: &Own, sources: &Sources, interpreter: &Interpreter) -> (Vec<String>, Vec<String>) {
    let (mut doubts, mut notes) = (own.doubts.clone(), Vec::new());
    // What an installed application brings along is the environment's matter.
    let is_installed = |spot: &Spot| interpreter.site.iter().any(|site| spot.file.starts_with(site));
    let unseen = |change: &&PathChange| !own.shows(change) && !is_installed(&change.spot);
    for change in sources.path_changes.iter().filter(unseen) {
        let PathChange { spot, text, lines } = change;
        let (file, line) = (spot.file.display(), spot.line);
        doubts.push(match lines {
            Some(_) => format!("{file}:{line} changes sys.path ({text}), and did not run at import"),
            None => format!(
                "{file}:{line} changes where modules are looked for ({text}): what that adds is not known"
            ),
        });
    }
    for (spot, what) in sources.not_followed.iter().filter(|(spot, _)| !is_installed(spot)) {
        let Some(name) = what
            .strip_suffix(NOT_THERE)
            .filter(|name| !own.imported.contains(*name) && !OF_SERVERS.contains(name))
        else {
            continue;
        };
        doubts.push(format!("{}:{} imports {name}, which is not here", spot.file.display(), spot.line));
    }
    let computed = sources.not_followed.iter().find(|(_, what)| !what.ends_with(NOT_THERE));
    for folder in &own.partly {
        let folder = folder.display();
        match computed {
            Some((spot, what)) => doubts.push(format!(
                "{folder} holds much, so that only what is imported by name was looked at, and {}:{} has {what}",
                spot.file.display(),
                spot.line
            )),
            None => notes.push(format!(
                "{folder} holds much beside the application: of it only what the application imports was looked at"
            )),
        }
    }
    (doubts, notes)
}

/// Follows its sources. The control of each extension module tells what its C code imports.
fn read(audited: &Audited, interpreter: &Interpreter, application: &Application, own: &Own) -> Sources {
    let loads: BTreeMap<String, BTreeSet<String>> = audited
        .trials
        .of(Mode::Main)
        .map(|trial| (trial.subject.clone(), trial.loaded().map(|load| load.name.clone()).collect()))
        .collect();
    let (major, minor, _) = interpreter.version;
    let known = Known {
        loads,
        by_framework: own.by_framework.clone(),
        // PEP 810.
        has_lazy_modules: (major, minor) >= (3, 15),
    };
    let build = if interpreter.free_threaded { "t" } else { "" };
    let library = interpreter.base_prefix.as_ref();
    let library = library.map(|prefix| prefix.join(format!("lib/python{major}.{minor}{build}")));
    let mut folders = own.folders.clone();
    let package = application.package(interpreter);
    if !folders.contains(&package) {
        folders.push(package);
    }
    let mut finder =
        Finder::new(folders, own.path.clone(), &interpreter.editable, &interpreter.suffixes, library);
    if application.is_script {
        finder.editable.insert(0, (application.module.clone(), application.file.clone()));
    }
    sources(&finder, &application.module, &known)
}

/// Finds `module:callable` or `path/to/file.py:callable`; `python_path` is that of the deployment.
fn find(spec: &str, interpreter: &Interpreter, python_path: &[PathBuf]) -> Result<Application> {
    let (named, callable) = spec.rsplit_once(':').unwrap_or((spec, "application"));
    let path = Path::new(named);
    if named.contains('/') || path.is_file() {
        let file = path.canonicalize().with_context(|| format!("cannot read {named} (--app {spec})"))?;
        return of_file(spec, callable, file, python_path);
    }
    let here = std::env::current_dir().context("there is no current folder")?;
    let source = here.join("src");
    // As for `python -m`: this folder first. A project with its packages in `src/` is deployed with that on the path.
    let roots = [&here].into_iter().chain(python_path).chain(&interpreter.site);
    let found = roots.chain([&source]).find_map(|root| Some((root.clone(), module_in(root, named)?)));
    let served = || interpreter.editable.iter().find_map(|(top, path)| served_by(top, path, named));
    let Some((root, file)) = found.or_else(served) else {
        bail!(
            "no module {named} in this folder, in PYTHONPATH or in the environment (--app {spec})\n\
             hint: a path to its file will do"
        )
    };
    let is_here = root == here || root == source;
    let root = root.canonicalize().unwrap_or(root);
    let first = if is_here { vec![root.clone()] } else { Vec::new() };
    let path = SearchPath { first, plain: python_path.to_vec(), ..SearchPath::NONE };
    let (name, module) = (spec.to_owned(), named.to_owned());
    let callable = callable.to_owned();
    Ok(Application { name, module, callable, file, root, path, is_script: false, served: None })
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

fn of_file(spec: &str, callable: &str, file: PathBuf, python_path: &[PathBuf]) -> Result<Application> {
    let root = import_root(&file)?;
    let inside = file.strip_prefix(&root).unwrap_or(&file).with_extension("");
    let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let module = parts.join(".");
    let path = SearchPath { first: vec![root.clone()], plain: python_path.to_vec(), ..SearchPath::NONE };
    let mut application = Application {
        name: spec.to_owned(),
        module: module.strip_suffix(".__init__").unwrap_or(&module).to_owned(),
        callable: callable.to_owned(),
        file,
        root,
        path,
        is_script: false,
        served: None,
    };
    let stem = application.stem();
    let is_identifier = !stem.is_empty()
        && stem.chars().all(|letter| letter == '_' || letter.is_alphanumeric())
        && !stem.starts_with(|letter: char| letter.is_numeric());
    if !is_identifier || application.file.extension().is_none_or(|extension| extension != "py") {
        application.run_by_path();
    }
    Ok(application)
}
