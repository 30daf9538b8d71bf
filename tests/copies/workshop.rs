//! Compiles small libraries and loads them.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::c_compiler;

/// A folder of sources and libraries.
pub(crate) struct Workshop {
    folder: tempfile::TempDir,
}

/// A program that loads each library of its arguments with `RTLD_LOCAL` and prints what its function `answer`
/// returns.
const LOADER: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **paths) {
    for (int i = 1; i < count; i++) {
        void *library = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL);
        if (!library) { printf("%s\n", dlerror()); return 1; }
        int (*answer)(void) = (int (*)(void))dlsym(library, "answer");
        printf("%d ", answer ? answer() : -1);
    }
    return 0;
}
"#;

/// Compiles a source into a shared object.
pub(super) fn compile_into(out: &Path, source: &str, options: &[&str]) {
    let done = run_compiler(c_compiler(), out, "c", source, options).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn run_compiler(
    mut compiler: Command,
    out: &Path,
    extension: &str,
    source: &str,
    options: &[impl AsRef<OsStr>],
) -> io::Result<Output> {
    fs::create_dir_all(out.parent().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("source").with_extension(extension);
    fs::write(&file, source).unwrap();
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(out).arg(&file).args(options).output()
}

/// The inode of a file, which tells whether two paths are one file.
pub(super) fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

impl Workshop {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Compiles a source into a shared object below the folder. Options may name other files of the folder as
    /// `@name`.
    pub(crate) fn compile(&self, out: &str, source: &str, options: &[&str]) -> PathBuf {
        self.try_compile("cc", out, "c", source, options).unwrap()
    }

    /// `None` if the compiler cannot do it.
    pub(crate) fn try_compile(
        &self,
        compiler: &str,
        out: &str,
        extension: &str,
        source: &str,
        options: &[&str],
    ) -> Option<PathBuf> {
        let out = self.path(out);
        let folder = format!("{}/", self.folder.path().display());
        let options: Vec<String> = options.iter().map(|option| option.replace('@', &folder)).collect();
        let done = run_compiler(Command::new(compiler), &out, extension, source, &options).ok()?;
        done.status.success().then_some(out)
    }

    /// What `answer` of each library returns, all loaded in one process; or why they cannot be loaded.
    pub(crate) fn load(&self, libraries: &[PathBuf]) -> String {
        self.load_with("cc", &[], libraries).unwrap()
    }

    /// The same for a loader of another compiler, run by another program. `None` if there is no such program.
    pub(crate) fn load_with(&self, compiler: &str, runner: &[&str], libraries: &[PathBuf]) -> Option<String> {
        let (source, program) = (self.path("loader.c"), self.path("loader"));
        if !program.exists() {
            fs::write(&source, LOADER).unwrap();
            let mut command = Command::new(compiler);
            assert!(command.arg("-o").args([&program, &source]).arg("-ldl").status().unwrap().success());
        }
        let mut command = match runner {
            [] => Command::new(program),
            [runner, options @ ..] => {
                let mut command = Command::new(runner);
                command.args(options).arg(program);
                command
            }
        };
        let done = command.args(libraries).env_remove("LD_LIBRARY_PATH").output().ok()?;
        Some(String::from_utf8(done.stdout).unwrap().trim_end().to_owned())
    }
}

/// What `readelf` prints, which has to understand the file without a warning.
pub(crate) fn readelf(options: &[&str], file: &Path) -> String {
    let done = Command::new("readelf").env("LC_ALL", "C").args(options).arg(file).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    String::from_utf8(done.stdout).unwrap()
}
