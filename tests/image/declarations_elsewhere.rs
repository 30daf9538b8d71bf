//! The same versions' wheels for other machines must say what the Linux modules said when they ran.
//!
//! `WSGIAUDIT_WHEELS` names a folder with a folder of wheels for each machine; `WSGIAUDIT_TRUTH` the folder
//! in which `tests/image/declarations.rs` left `popular-314.jsonl`: `make test-declarations`.
#![expect(clippy::print_stdout, reason = "a test that tells how much it compared")]

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use serde_json::Value;
use wsgiaudit::image::inspect_path;
use wsgiaudit::model::{BinaryFacts, InitKind, TargetPython};

const TARGET: TargetPython = TargetPython { version: (3, 14), free_threaded: false };
/// Share of modules that must be decided.
const LEAST_DECIDED: f64 = 0.985;
/// Windows' linker wants an init function of every library, and pycryptodome gives it one that returns nothing:
/// where there is none on Linux, that is the same.
const RETURNS_NOTHING: &str = "no path of the init function returns a module";

#[test]
#[ignore = "needs some 500 MB of other machines' wheels in WSGIAUDIT_WHEELS"]
fn other_machines_agree() {
    let (Ok(wheels), Ok(truth)) = (env::var("WSGIAUDIT_WHEELS"), env::var("WSGIAUDIT_TRUTH")) else {
        panic!("set WSGIAUDIT_WHEELS and WSGIAUDIT_TRUTH")
    };
    let truth = fs::read_to_string(Path::new(&truth).join("popular-314.jsonl")).unwrap();
    let lines = truth.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let truth: BTreeMap<String, Value> =
        lines.map(|line| (module(line["path"].as_str().unwrap()), line)).collect();
    for machine in folders(Path::new(&wheels)) {
        compare(&machine, &truth);
    }
}

fn folders(path: &Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

/// Path of a module without its suffix.
fn module(path: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    format!("{folder}/{}", file.split('.').next().unwrap())
}

fn compare(machine: &Path, truth: &BTreeMap<String, Value>) {
    let (mut same, mut open, mut different) = (0, Vec::new(), Vec::new());
    let mut wheels: Vec<_> = fs::read_dir(machine).unwrap().map(|entry| entry.unwrap().path()).collect();
    wheels.sort();
    for wheel in wheels {
        for (name, facts) in inspect_path(&wheel, Some(TARGET)) {
            let Some(expected) = truth.get(&module(&name)) else { continue };
            let line = format!(
                "{}: {name}: {:?} {:?} {:?} {:?}, on Linux {expected}",
                wheel.file_name().unwrap().display(),
                facts.initialisation,
                facts.m_size,
                facts.slots,
                facts.doubts
            );
            match agree(&facts, expected) {
                None => open.push(line),
                Some(true) => same += 1,
                Some(false) => different.push(line),
            }
        }
    }
    let all = same + open.len() + different.len();
    println!("{}: {} of {all} decided, {} differ", machine.display(), all - open.len(), different.len());
    open.iter().for_each(|line| println!("  undetermined {line}"));
    different.iter().for_each(|line| println!("  differs {line}"));
    assert!(all > 0, "nothing was compared");
    assert!(different.is_empty(), "{} differ", different.len());
    assert!((all - open.len()) as f64 >= LEAST_DECIDED * all as f64);
}

fn agree(facts: &BinaryFacts, truth: &Value) -> Option<bool> {
    let kind = truth["kind"].as_str().unwrap();
    Some(match (facts.initialisation, kind) {
        (InitKind::Undetermined, "none") if facts.doubts.iter().any(|doubt| doubt.0 == RETURNS_NOTHING) => {
            return Some(true);
        }
        (InitKind::Undetermined, _) => return None,
        (_, "died" | "null" | "raised") => return Some(true),
        (InitKind::SinglePhase, kind) => kind == "single",
        (InitKind::None, kind) => kind == "none",
        (InitKind::MultiPhase | InitKind::ModExport, "multi") => {
            let slots = facts.slots.as_ref()?;
            let numbers = |slots: &mut dyn Iterator<Item = (u64, Option<u64>)>| {
                let mut slots: Vec<_> = slots.collect();
                slots.sort_unstable();
                slots
            };
            let read = numbers(
                &mut slots
                    .iter()
                    .map(|slot| (u64::from(slot.id), matches!(slot.id, 3 | 4).then_some(slot.value))),
            );
            let ran = truth["slots"].as_array().unwrap();
            read == numbers(&mut ran.iter().map(|slot| (slot[0].as_u64().unwrap(), slot[1].as_u64())))
        }
        (InitKind::MultiPhase | InitKind::ModExport, _) => false,
    })
}
