//! Compiles the modules of this folder into a virtualenv.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::c_compiler;
use crate::support::venv::Venv;

/// A folder of sources: `modules`, or `cases`.
pub(super) fn sources(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(folder)
}

/// What the environment's Python says in answer to an expression over `sysconfig`.
fn ask(venv: &Venv, expression: &str) -> String {
    let program = format!("import sysconfig; print({expression})");
    let output = Command::new(venv.python()).args(["-I", "-c", &program]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn run_compiler(venv: &Venv, source: &Path, target: &Path, options: &[&str]) {
    let mut compiler = c_compiler();
    compiler.args([
        "-std=gnu11",
        "-O1",
        "-fPIC",
        "-shared",
        "-Wall",
        "-Werror",
        "-Wno-missing-field-initializers",
    ]);
    compiler.args(["-Wno-format-truncation", "-Wno-infinite-recursion", "-Wno-nonnull-compare"]);
    compiler.arg("-I").arg(ask(venv, "sysconfig.get_path('include')"));
    compiler.arg("-I").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"));
    compiler.arg(source).arg("-o").arg(target).args(options);
    let output = compiler.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Adds a module of `modules`, as a distribution of the same name.
pub(super) fn with_module(venv: Venv, name: &str) -> Venv {
    with_module_in(venv, name, "", &[])
}

/// The same within a package, and with options for the compiler.
pub(super) fn with_module_in(venv: Venv, name: &str, package: &str, options: &[&str]) -> Venv {
    with_source(venv, &sources("modules").join(format!("{name}.c")), package, options)
}

/// The same for a source anywhere.
pub(super) fn with_source(venv: Venv, source: &Path, package: &str, options: &[&str]) -> Venv {
    let name = source.file_stem().unwrap().to_str().unwrap();
    let file = format!("{name}{}", ask(&venv, "sysconfig.get_config_var('EXT_SUFFIX')"));
    let folder = venv.site_packages().join(package);
    std::fs::create_dir_all(&folder).unwrap();
    run_compiler(&venv, source, &folder.join(&file), options);
    let top = if package.is_empty() { name } else { package };
    let inside = Path::new(package).join(file);
    venv.with_file(
        &format!("{top}-1.0.dist-info/METADATA"),
        &format!("Metadata-Version: 2.1\nName: {top}\nVersion: 1.0\n"),
    )
    .with_file(&format!("{top}-1.0.dist-info/RECORD"), &format!("{},,\n", inside.display()))
}

/// Adds a library of this folder beside the modules.
pub(super) fn with_library(venv: Venv, source: &str, file: &str) -> Venv {
    let soname = format!("-Wl,-soname,{file}");
    run_compiler(&venv, &sources("modules").join(source), &venv.site_packages().join(file), &[&soname]);
    venv
}
