//! A small virtualenv of a test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use walkdir::WalkDir;

use super::corpus;
use super::pythons::{self, Python};

/// A virtualenv that goes away with the test.
pub(crate) struct Venv {
    folder: TempDir,
    python: Python,
}

impl Venv {
    /// An empty one, for the first Python at hand.
    pub(crate) fn new() -> Self {
        Self::on(pythons::all().remove(0))
    }

    /// An empty one for this Python.
    pub(crate) fn on(python: Python) -> Self {
        let folder =
            tempfile::Builder::new().prefix("venv-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let status = Command::new(&python.executable)
            .args(["-I", "-m", "venv", "--without-pip"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(status.success());
        Self { folder, python }
    }

    pub(crate) fn python(&self) -> PathBuf {
        self.path().join("bin/python")
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Copies a corpus case into it, with its metadata.
    pub(crate) fn with(self, case: &str) -> Self {
        let environment = corpus::environment(&self.python);
        self.with_distribution(&environment, &corpus::distribution(case).replace('-', "_"))
    }

    /// Copies what another environment has installed under this name.
    pub(crate) fn with_distribution(self, environment: &Path, name: &str) -> Self {
        let from = site_packages(environment);
        let infos = fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().path());
        let is_it = |path: &PathBuf| {
            let folder = path.file_name().unwrap().to_str().unwrap();
            folder.ends_with(".dist-info") && folder.split('-').next() == Some(name)
        };
        let info =
            infos.into_iter().find(is_it).unwrap_or_else(|| panic!("{name} is not in {}", from.display()));
        let record = fs::read_to_string(info.join("RECORD")).unwrap();
        let inside = |file: &&str| !file.starts_with("..") && from.join(file).is_file();
        for file in record.lines().filter_map(|line| line.split(',').next()).filter(inside) {
            let target = self.site_packages().join(file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(from.join(file), target).unwrap();
        }
        self
    }

    /// Writes a file into its site-packages.
    pub(crate) fn with_file(self, name: &str, text: &str) -> Self {
        let target = self.site_packages().join(name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, text).unwrap();
        self
    }

    /// Copies an extension module that is in it already into one of its packages.
    pub(crate) fn with_copy(self, module: &str, package: &str) -> Self {
        let file = self.file(module);
        fs::copy(&file, self.site_packages().join(package).join(file.file_name().unwrap())).unwrap();
        self
    }

    /// Writes a distribution of pure Python: one module.
    pub(crate) fn with_python(self, module: &str, source: &str) -> Self {
        let info = format!("{module}-1.0.dist-info");
        self.with_file(&format!("{module}.py"), source)
            .with_file(
                &format!("{info}/METADATA"),
                &format!("Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n"),
            )
            .with_file(&format!("{info}/RECORD"), &format!("{module}.py,,\n"))
    }

    /// The file of an extension module at the top.
    pub(crate) fn file(&self, module: &str) -> PathBuf {
        module_file(&self.site_packages(), module)
    }

    pub(crate) fn site_packages(&self) -> PathBuf {
        site_packages(self.path())
    }

    /// Every file in it with its size and time, to see that an audit leaves it alone.
    pub(crate) fn listing(&self) -> Vec<String> {
        let entries = WalkDir::new(self.path()).sort_by_file_name().into_iter().map(Result::unwrap);
        let line = |entry: walkdir::DirEntry| {
            let metadata = entry.metadata().unwrap();
            format!("{} {} {:?}", entry.path().display(), metadata.len(), metadata.modified().unwrap())
        };
        entries.map(line).collect()
    }
}

/// The file of an extension module in this folder.
pub(super) fn module_file(folder: &Path, module: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|suffix| suffix == "so"))
        .find(|file| file.file_name().unwrap().to_str().unwrap().starts_with(&format!("{module}.")))
        .unwrap()
}

pub(super) fn site_packages(environment: &Path) -> PathBuf {
    let versions = fs::read_dir(environment.join("lib")).unwrap();
    versions
        .map(|version| version.unwrap().path().join("site-packages"))
        .find(|folder| folder.is_dir())
        .unwrap()
}
