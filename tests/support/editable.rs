//! Editable installs by the real build backends, of small distributions that each hold a refused module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::corpus::run;
use super::venv::{Venv, site_packages};
use super::{backends_environment, c_compiler};

/// The source of a module that every own-GIL interpreter refuses.
pub(crate) fn refused(name: &str) -> String {
    format!(
        "#include <Python.h>\n\
         static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, \"{name}\", NULL, -1, NULL}};\n\
         PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&definition); }}\n"
    )
}

/// The sources of a distribution. They go away with the test.
pub(crate) struct Project(TempDir);

impl Project {
    /// A package `till` in this folder, which needs its module `_drawer`, in C and refused. The distribution's
    /// `pyproject.toml` begins with this backend.
    pub(crate) fn new(backend: &str, requires: &str, package: &str) -> Self {
        // Outside of the checkout, whose cargo settings would keep PyO3 from asking the Python.
        let folder = tempfile::tempdir().unwrap();
        let project = format!(
            "[build-system]\nrequires = [{requires:?}]\nbuild-backend = {backend:?}\n\n\
             [project]\nname = \"till\"\nversion = \"1.0\"\n"
        );
        Self(folder)
            .with("pyproject.toml", &project)
            .with(&format!("{package}/__init__.py"), "from . import _drawer\n")
            .with(&format!("{package}/_drawer.c"), &refused("_drawer"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, or goes on where there is one.
    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        let file = self.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let before = fs::read_to_string(&file).unwrap_or_default();
        fs::write(file, before + text).unwrap();
        self
    }

    /// Installs it, editable, into a virtualenv of its own.
    pub(crate) fn installed(&self, options: &[&str]) -> Venv {
        let venv = Venv::new();
        let backends = backends_environment();
        let path = std::env::join_paths(
            [backends.join("bin")]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        run(Command::new(venv.python())
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--no-index",
            ])
            .arg("--no-build-isolation")
            .args(options)
            .arg("--editable")
            .arg(self.path())
            .env("PYTHONPATH", site_packages(&backends))
            .env("PYTHONNOUSERSITE", "1")
            // Set for the probes, by .cargo/config.toml.
            .env_remove("PYO3_NO_PYTHON")
            .env("PATH", path.unwrap()));
        venv
    }
}

/// Compiles this source into an extension module, or library, for a virtualenv's Python.
pub(crate) fn compile(venv: &Venv, source: &str, file: &Path) -> PathBuf {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("source.c");
    fs::write(&text, source).unwrap();
    let ask = "import sysconfig; print(sysconfig.get_path('include'))";
    let said = Command::new(venv.python()).args(["-I", "-c", ask]).output().unwrap();
    let include = String::from_utf8(said.stdout).unwrap();
    run(c_compiler().args(["-shared", "-fPIC", "-w", "-I", include.trim()]).arg(&text).arg("-o").arg(file));
    file.to_owned()
}
