//! The static reader against the truth: what the running init function of every module returned.
//!
//! `WSGIAUDIT_ENVIRONMENTS` lists virtualenvs (separated by `:`) whose modules are all compared;
//! `WSGIAUDIT_TRUTH` names a folder that keeps the answers of `tests/fixtures/oracle/declared.py`, which take minutes.
//! Without the first it is the demo environment (`WSGIAUDIT_TEST_DEMO`).
#![expect(clippy::print_stdout, reason = "a test that tells how much it compared")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;
use wsgiaudit::image::inspect_file;
use wsgiaudit::model::{BinaryFacts, InitKind, TargetPython};

/// Share of modules that must be decided: all, but for those that truly depend on something outside.
const LEAST_DECIDED: f64 = 0.995;

#[test]
fn declarations_equal_what_running_modules_return() {
    let environments = env::var("WSGIAUDIT_ENVIRONMENTS")
        .unwrap_or_else(|_| crate::support::demo_environment().to_string_lossy().into_owned());
    for environment in environments.split(':').filter(|path| !path.is_empty()) {
        compare(Path::new(environment));
    }
}

fn compare(environment: &Path) {
    let python = environment.join("bin/python");
    let ask = "import sys, sysconfig; print(*sys.version_info[:2], \
               int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))), sysconfig.get_path('platlib'))";
    let about = String::from_utf8(Command::new(&python).args(["-c", ask]).output().unwrap().stdout).unwrap();
    let [major, minor, free_threaded, folder] = about.trim().splitn(4, ' ').collect::<Vec<_>>()[..] else {
        panic!("{} did not tell about itself: {about}", python.display())
    };
    let version = (major.parse().unwrap(), minor.parse().unwrap());
    let target = TargetPython { version, free_threaded: free_threaded == "1" };
    let folder = Path::new(folder);

    let (mut wrong, mut open, mut known, mut untold) = (Vec::new(), Vec::new(), 0, 0);
    for line in truth(environment, &python, folder).lines() {
        let truth: Value = serde_json::from_str(line).unwrap();
        let path = truth["path"].as_str().unwrap();
        let stem = truth["name"].as_str().unwrap().rsplit('.').next().unwrap();
        let facts = inspect_file(&folder.join(path), stem, Some(target));
        let kind = truth["kind"].as_str().unwrap();
        if !matches!(kind, "multi" | "single" | "none") {
            untold += 1;
            continue;
        }
        known += 1;
        match judge(&facts, kind, &truth) {
            Judgement::Equal => {}
            Judgement::Open => open.push(format!("{path}: {:?} {:?}", facts.initialisation, facts.doubts)),
            Judgement::Wrong => wrong.push(format!("{path}: {facts:?} but {line}")),
        }
    }
    let decided = known - open.len();
    println!(
        "{}: {decided} of {known} decided, {} wrong, {untold} not told by running",
        environment.display(),
        wrong.len()
    );
    open.iter().for_each(|line| println!("  undetermined {line}"));
    assert!(wrong.is_empty(), "wrong:\n{}", wrong.join("\n"));
    assert!(known > 0, "nothing was compared");
    assert!(decided as f64 >= LEAST_DECIDED * known as f64, "only {decided} of {known} decided");
}

pub(crate) enum Judgement {
    Equal,
    Open,
    Wrong,
}

/// What a static answer is worth, beside the answer of the running module.
pub(crate) fn judge(facts: &BinaryFacts, kind: &str, truth: &Value) -> Judgement {
    let equal = match facts.initialisation {
        InitKind::Undetermined => return Judgement::Open,
        InitKind::SinglePhase => kind == "single" && size_agrees(facts, truth),
        InitKind::None => kind == "none",
        InitKind::MultiPhase if kind != "multi" => false,
        InitKind::ModExport if kind != "export" => false,
        InitKind::MultiPhase | InitKind::ModExport => {
            let Some(slots) = &facts.slots else { return Judgement::Open };
            let expected = truth["slots"].as_array().unwrap();
            let same = expected.iter().zip(slots).all(|(expected, slot)| {
                let value = expected[1].as_u64();
                expected[0].as_u64() == Some(slot.id.into()) && value.is_none_or(|value| value == slot.value)
            });
            same && expected.len() == slots.len() && facts.m_size == truth["m_size"].as_i64()
        }
    };
    if equal { Judgement::Equal } else { Judgement::Wrong }
}

/// A single-phase module's size is not always there to be read, in the file or in the running module.
fn size_agrees(facts: &BinaryFacts, truth: &Value) -> bool {
    match (facts.m_size, truth.get("m_size").and_then(Value::as_i64)) {
        (Some(read), Some(told)) => read == told,
        (_, _) => true,
    }
}

fn truth(environment: &Path, python: &Path, folder: &Path) -> String {
    let name = environment.file_name().unwrap().to_str().unwrap();
    let kept: Option<PathBuf> =
        env::var_os("WSGIAUDIT_TRUTH").map(|kept| Path::new(&kept).join(format!("{name}.jsonl")));
    if let Some(text) = kept.as_ref().and_then(|kept| fs::read_to_string(kept).ok()) {
        return text;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oracle/declared.py");
    let run = Command::new(python).arg(script).arg(folder).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = String::from_utf8(run.stdout).unwrap();
    if let Some(kept) = kept {
        fs::write(kept, &text).unwrap();
    }
    text
}
