//! Builds what of `corpus/` is not C: C++, with pybind11 and nanobind too, and what Cython, cffi, SWIG and PyO3 make.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::corpus::run;
use super::venv::{module_file, site_packages};
use super::{c_compiler, generators_environment};

/// What a source is built for.
pub(crate) struct Target<'a> {
    /// The Python's executable.
    pub(crate) python: &'a Path,
    /// The folder of its headers.
    pub(crate) include: &'a Path,
    /// The file to make.
    pub(crate) file: &'a Path,
    /// A folder to work in.
    pub(crate) scratch: &'a Path,
}

/// Whether this is a source of such a kind.
pub(crate) fn is_source(file: &Path) -> bool {
    file.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|suffix| ["cpp", "pyx", "cffi", "i", "rs"].contains(&suffix))
}

/// Makes a module of it. What it needs beside itself, e.g. cffi's backend, is put next to it and returned too.
pub(crate) fn build(source: &Path, target: &Target<'_>) -> Vec<PathBuf> {
    let stem = source.file_stem().unwrap().to_str().unwrap();
    let generated = target.scratch.join(format!("{stem}.c"));
    match source.extension().and_then(OsStr::to_str) {
        Some("cpp") => compile_cpp(source, target),
        Some("pyx") => {
            let program = generators_environment().join("bin/cython");
            run(Command::new(program).args(["-3", "-o"]).arg(&generated).arg(source));
            // As Cython's own build does (distutils directives).
            let text = fs::read_to_string(source).unwrap();
            let macros = text.lines().filter_map(|line| line.strip_prefix("# distutils: define_macros="));
            compile_c(&generated, target, macros.map(|each| format!("-D{each}")));
        }
        Some("cffi") => {
            let python = generators_environment().join("bin/python");
            run(Command::new(python).args(["-I", "-c", CFFI, stem]).arg(source).arg(&generated));
            compile_c(&generated, target, []);
            let backend = module_file(&package(""), "_cffi_backend");
            let copy = target.file.with_file_name(backend.file_name().unwrap());
            fs::copy(backend, &copy).unwrap();
            return vec![target.file.to_owned(), copy];
        }
        Some("i") => return swig(source, stem, target),
        Some("rs") => pyo3(source, stem, target),
        other => panic!("{} is of an unknown kind: {other:?}", source.display()),
    }
    vec![target.file.to_owned()]
}

/// Arguments: the module's name, its file, the file to write.
const CFFI: &str = "\
import cffi, sys
declarations, source = open(sys.argv[2]).read().split('---\\n')
ffi = cffi.FFI()
ffi.cdef(declarations)
ffi.set_source(sys.argv[1], source)
ffi.emit_c_code(sys.argv[3])
";

/// What such a generator makes has warnings.
const FLAGS: &[&str] = &["-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-w"];

fn compile_c(source: &Path, target: &Target<'_>, macros: impl IntoIterator<Item = String>) {
    let mut compiler = c_compiler();
    run(compiler
        .args(FLAGS)
        .args(macros)
        .arg("-I")
        .arg(target.include)
        .arg(source)
        .arg("-o")
        .arg(target.file));
}

/// The module of C++ that SWIG makes, and the Python module in front of it.
fn swig(source: &Path, stem: &str, target: &Target<'_>) -> Vec<PathBuf> {
    let generated = target.scratch.join(format!("{stem}.cpp"));
    let folder = target.file.parent().unwrap();
    let program = generators_environment().join("bin/swig");
    let mut swig = Command::new(program);
    run(swig.args(["-c++", "-python", "-outdir"]).arg(folder).arg("-o").arg(&generated).arg(source));
    compile_cpp(&generated, target);
    vec![target.file.to_owned(), folder.join(format!("{}.py", stem.trim_start_matches('_')))]
}

fn compile_cpp(source: &Path, target: &Target<'_>) {
    let mut compiler = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
    compiler.args(FLAGS).arg("-std=c++17").arg("-I").arg(target.include).arg(source);
    let text = fs::read_to_string(source).unwrap();
    if text.contains("<pybind11/") {
        compiler.arg("-I").arg(package("pybind11/include"));
    }
    if text.contains("<nanobind/") {
        for folder in ["nanobind/include", "nanobind/ext/robin_map/include"] {
            compiler.arg("-I").arg(package(folder));
        }
        compiler.arg("-DNB_COMPACT_ASSERTIONS").arg(package("nanobind/src/nb_combined.cpp"));
    }
    run(compiler.arg("-o").arg(target.file));
}

fn pyo3(source: &Path, name: &str, target: &Target<'_>) {
    // Outside of the checkout, whose cargo settings would keep PyO3 from asking the Python.
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // A workspace of its own: it is no part of this one.
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [lib]\npath = {source:?}\ncrate-type = [\"cdylib\"]\n\n[dependencies]\npyo3 = \"=0.30.1\"\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--target-dir"]).arg(folder.join("target")).current_dir(folder);
    cargo.env_remove("PYO3_NO_PYTHON").env("PYO3_PYTHON", target.python);
    run(cargo.env("PYO3_USE_ABI3_FORWARD_COMPATIBILITY", "1"));
    fs::copy(folder.join(format!("target/debug/lib{name}.so")), target.file).unwrap();
}

/// Below the generators' site-packages.
fn package(path: &str) -> PathBuf {
    site_packages(&generators_environment()).join(path)
}
