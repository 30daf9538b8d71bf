//! Finds the applications to audit: their files, and how their server imports them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::deployment::ServedScript;
use super::synthetic_venv::find_import_root;
use crate::model::{Interpreter, PythonPathOptions};
use crate::plan::AuditPlan;
use crate::trial::SearchPath;

/// An application whose file and search path are resolved.
#[derive(Debug)]
pub(super) struct ResolvedApplication {
    /// Its name in the report.
    pub(super) name: String,
    /// The name under which it is imported.
    pub(super) module: String,
    /// The name of the WSGI callable in it.
    pub(super) callable: String,
    /// Its file.
    pub(super) file: PathBuf,
    /// The folder on `sys.path` that it is imported from.
    pub(super) root: PathBuf,
    /// What is added to `sys.path` for it.
    path: SearchPath,
    /// Whether it is run by its path: the name of its file cannot be imported, like `shop.wsgi`, or mod_wsgi
    /// runs it.
    pub(super) is_script: bool,
    /// What the Apache configuration adds to `sys.path` for it, if it serves the application.
    pub(super) served: Option<PythonPathOptions>,
}

impl ResolvedApplication {
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

/// Finds the applications that the plan names, in its order, and then the other scripts that Apache serves.
/// The search path of a served application is that of its configuration.
pub(super) fn find_applications(
    plan: &AuditPlan,
    interpreter: &Interpreter,
    scripts: &[ServedScript],
) -> Result<Vec<ResolvedApplication>> {
    let python_path = plan.python_path.as_slice();
    let named = plan.apps.iter().map(|spec| find_application(spec, interpreter, python_path));
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
