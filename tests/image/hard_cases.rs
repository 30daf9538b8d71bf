//! Init functions that are hard to read, from each optimisation of the compiler: what the static reader says
//! is what the running init function returned, or `undetermined`, and never anything else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::Value;
use wsgiaudit::image::{inspect_file, module_stem};
use wsgiaudit::model::TargetPython;

use crate::image::declarations::{Judgement, judge};
use crate::support::c_compiler;
use crate::support::pythons::{self, Python};

const OPTIMISATIONS: [&str; 4] = ["-O0", "-O2", "-Os", "-O3"];

#[test]
fn hard_cases_are_exact_or_undetermined() {
    let pythons = pythons::all();
    // The compiler is the same for all: one with a GIL, one without, and the newest are enough.
    let newest = pythons.iter().rev().find(|python| python.version.starts_with("3.15"));
    let free = pythons.iter().find(|python| python.is_free_threaded());
    let mut chosen: Vec<&Python> = pythons.first().into_iter().chain(free).chain(newest).collect();
    chosen.dedup_by(|a, b| a.version == b.version);
    let mut complaints = Vec::new();
    for python in chosen {
        let folder = tempfile::tempdir().unwrap();
        let expected = compile(python, folder.path());
        complaints.extend(compare(python, folder.path(), &expected));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hard-cases")
}

/// Builds every case in a folder for each optimisation; what its first line asks for, by its name.
fn compile(python: &Python, folder: &Path) -> BTreeMap<String, String> {
    let ask = "import sysconfig; print(sysconfig.get_path('include'), end='')";
    let include = Command::new(&python.executable).args(["-c", ask]).output().unwrap().stdout;
    let include = String::from_utf8(include).unwrap();
    let mut sources: Vec<PathBuf> =
        std::fs::read_dir(cases()).unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    sources.sort();
    let mut expected = BTreeMap::new();
    for source in sources {
        let text = std::fs::read_to_string(&source).unwrap();
        let name = source.file_stem().unwrap().to_str().unwrap().to_owned();
        let compilers = OPTIMISATIONS.map(|optimisation| {
            let folder = folder.join(&optimisation[1..]);
            std::fs::create_dir_all(&folder).unwrap();
            let mut compiler = c_compiler();
            compiler.args([optimisation, "-fPIC", "-shared", "-I", &include]).arg(&source);
            compiler.arg("-o").arg(folder.join(format!("{name}.so"))).spawn().unwrap()
        });
        let built = |mut compiler: Child| compiler.wait().unwrap().success();
        assert!(compilers.map(built).iter().all(|built| *built), "{name} does not compile");
        let wanted = text.strip_prefix("/* ").and_then(|text| Some(text.split_once(':')?.0));
        expected.insert(name, wanted.unwrap().to_owned());
    }
    expected
}

fn compare(python: &Python, folder: &Path, expected: &BTreeMap<String, String>) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oracle/declared.py");
    let run = Command::new(&python.executable).arg(script).arg(folder).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let version = python.version.trim_end_matches('t').split_once('.').unwrap();
    let version = (version.0.parse().unwrap(), version.1.parse().unwrap());
    let target = TargetPython { version, free_threaded: python.is_free_threaded() };
    let mut complaints = Vec::new();
    let lines: Vec<Value> = String::from_utf8(run.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), expected.len() * OPTIMISATIONS.len(), "some case was not asked");
    for truth in lines {
        let path = truth["path"].as_str().unwrap();
        let name = module_stem(Path::new(path)).unwrap();
        let kind = truth["kind"].as_str().unwrap();
        assert!(matches!(kind, "multi" | "single" | "export"), "{path} did not tell: {truth}");
        let facts = inspect_file(&folder.join(path), name, Some(target));
        let complaint = match (judge(&facts, kind, &truth), expected[name].as_str()) {
            (Judgement::Equal, "exact" | "never wrong") | (Judgement::Open, "open" | "never wrong") => {
                continue;
            }
            (Judgement::Wrong, _) => "wrong",
            (Judgement::Open, "exact") => "not told",
            // A lucky answer to a question that the file does not answer.
            (Judgement::Equal, "open") => "told where it cannot be known",
            (_, other) => panic!("{name} asks for {other}"),
        };
        complaints.push(format!("{} {path}: {complaint}: {facts:?}, but {truth}", python.version));
    }
    complaints
}
