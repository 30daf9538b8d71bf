//! What changed between two reports, and the gate that lets pass what was there before.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// A report that says this of own-gil: distribution, version, verdict, reason.
fn report(folder: &Path, name: &str, rows: &[(&str, &str, &str, &str)]) -> PathBuf {
    let distributions: Vec<Value> = rows
        .iter()
        .map(|(name, version, verdict, reason)| {
            json!({"name": name, "version": version, "extension_modules": 1, "declaration": "", "top_level": [],
                "modes": {"own-gil": {"verdict": verdict, "reason": reason}}})
        })
        .collect();
    let bad = |row: &&(&str, &str, &str, &str)| row.2 == "blocked";
    let roots: Vec<Value> = rows
        .iter()
        .filter(bad)
        .map(|(name, ..)| {
            json!({"distribution": name, "blocks": [], "roots": [
                {"module": format!("{name}._core"), "what": "refused: no slot 3", "rule": "refused"}]})
        })
        .collect();
    let document = json!({"schema": 1, "tool": {"name": "wsgiaudit", "version": "0"}, "environment": null,
        "modes": ["main", "own-gil"], "answers": {"own-gil": "blocked"}, "distributions": distributions,
        "modules": [], "blockers": {"own-gil": roots}, "notes": [], "trouble": []});
    write(folder, name, &document)
}

fn write(folder: &Path, name: &str, document: &Value) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, document.to_string()).unwrap();
    file
}

fn edited(file: &Path, edit: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    edit(&mut document);
    fs::write(file, document.to_string()).unwrap();
}

fn diff(old: &Path, new: &Path, more: &[&str]) -> Said {
    let command = Wsgiaudit::new().arg("diff").arg(old).arg(new);
    more.iter().fold(command, |command, arg| command.arg(arg)).run()
}

/// The two gates agree: `diff`, and `render --baseline`.
#[track_caller]
fn ends(old: &Path, new: &Path, more: &[&str], status: i32) -> String {
    let gate = Wsgiaudit::new().arg("render").arg(new).arg("--baseline").arg(old);
    more.iter().fold(gate, |gate, arg| gate.arg(arg)).run().ended_with(status);
    diff(old, new, more).ended_with(status).out
}

#[test]
fn what_changed_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let old = report(
        folder.path(),
        "old.json",
        &[
            ("numpy", "2.4", "ready", ""),
            ("lxml", "6.0", "blocked", "refused: no slot 3"),
            ("gone", "1.0", "blocked", "refused: no slot 3"),
            ("same", "1.0", "blocked", "refused: no slot 3"),
            ("plain", "1.0", "ready", ""),
        ],
    );
    let new = report(
        folder.path(),
        "new.json",
        &[
            ("NumPy", "2.5", "blocked", "refused: slot 3 = 0"),
            ("lxml", "6.1", "ready", ""),
            ("same", "1.0", "blocked", "refused: no slot 3"),
            ("plain", "1.1", "ready", ""),
            ("added", "3.0", "blocked", "single-phase"),
        ],
    );
    let expected = "\
Worse:
- added 3.0 (new)
  - own-gil: blocked: single-phase
- NumPy 2.4 -> 2.5
  - own-gil: ready -> blocked: refused: slot 3 = 0

Better:
- lxml 6.0 -> 6.1
  - own-gil: blocked -> ready (was: refused: no slot 3)

Otherwise changed:
- gone 1.0 (removed)
- plain 1.0 -> 1.1

New root causes:
- own-gil: added: added._core: refused: no slot 3
- own-gil: NumPy: NumPy._core: refused: no slot 3

Root causes gone:
- own-gil: gone: gone._core: refused: no slot 3
- own-gil: lxml: lxml._core: refused: no slot 3

own-gil: 2 distributions got worse, 1 better; 3 distributions in the way, 3 before.
";
    assert_eq!(ends(&old, &new, &[], 1), expected);

    let comparison: Value =
        serde_json::from_str(&diff(&old, &new, &["--format", "json"]).ended_with(1).out).unwrap();
    assert_eq!(comparison["modes"]["own-gil"]["worse"], 2);
    assert_eq!(comparison["distributions"][0]["modes"]["own-gil"]["direction"], "worse");
}

#[test]
fn only_what_got_worse_in_a_required_mode_fails() {
    let folder = tempfile::tempdir().unwrap();
    let one = |name: &str, verdict| report(folder.path(), name, &[("one", "1.0", verdict, "why")]);
    for (from, to, status, strict) in [
        ("blocked", "blocked", 0, 0),
        ("unsafe", "blocked", 0, 0),
        ("blocked", "unknown", 0, 0),
        ("blocked", "unsafe", 1, 1),
        ("unknown", "blocked", 1, 1),
        ("ready", "unknown", 3, 3),
        ("ready", "degraded", 0, 1),
        ("not-applicable", "blocked", 1, 1),
        // Nothing is left that was judged.
        ("ready", "not-applicable", 3, 3),
    ] {
        let (old, new) = (one("old.json", from), one("new.json", to));
        ends(&old, &new, &[], status);
        ends(&old, &new, &["--strict"], strict);
    }
    let (old, new) = (one("old.json", "ready"), one("new.json", "blocked"));
    ends(&old, &new, &["--require", "shared-gil"], 3);

    // What the earlier report did not ask is new as a whole.
    let (old, new) = (one("old.json", "blocked"), one("new.json", "blocked"));
    edited(&old, |report| report["modes"] = json!(["main"]));
    assert!(
        ends(&old, &new, &[], 1)
            .contains("own-gil: 1 distribution in the way; the earlier report did not ask")
    );
    // New trouble makes it incomplete; old trouble does not.
    let old = one("old.json", "blocked");
    edited(&new, |report| report["trouble"] = json!(["cannot read x"]));
    assert!(ends(&old, &new, &[], 3).contains("- cannot read x"));
    edited(&old, |report| report["trouble"] = json!(["cannot read x"]));
    ends(&old, &new, &[], 0);
}

#[test]
fn a_module_that_got_worse_in_what_was_as_bad_before_fails() {
    let folder = tempfile::tempdir().unwrap();
    let with = |name: &str, verdict: &str| {
        let file = report(folder.path(), name, &[("one", "1.0", "unsafe", "one._a: crashes")]);
        edited(&file, |report| {
            report["modules"] = json!([{"name": "one._b", "file": "one/_b.so", "distribution": "one",
                "kind": "extension-module", "declaration": null,
                "modes": {"own-gil": {"verdict": verdict, "reason": "crashes"}}}]);
        });
        file
    };
    let said = ends(&with("old.json", "ready"), &with("new.json", "unsafe"), &[], 1);
    assert!(said.contains("own-gil: unsafe as before: one._a: crashes; worse in it: one._b"), "{said}");
    ends(&with("old.json", "unsafe"), &with("new.json", "unsafe"), &[], 0);
}

#[test]
fn an_application_decides_in_place_of_the_distributions() {
    let folder = tempfile::tempdir().unwrap();
    let with = |name: &str, verdict: &str| {
        let file = report(folder.path(), name, &[("one", "1.0", verdict, "why")]);
        edited(&file, |report| {
            report["applications"] = json!([{"name": "shop:app", "file": "shop.py", "files": 1, "modules": [],
                "hazards": [], "hazards_elsewhere": [], "not_followed": [], "not_followed_elsewhere": [],
                "modes": {"own-gil": {"verdict": "ready"}}}]);
        });
        file
    };
    let said = ends(&with("old.json", "ready"), &with("new.json", "blocked"), &[], 0);
    assert!(said.contains("- one 1.0\n  - own-gil: ready -> blocked: why"), "{said}");
    let (old, new) = (with("old.json", "ready"), with("new.json", "ready"));
    edited(&new, |report| report["applications"][0]["modes"]["own-gil"]["verdict"] = json!("blocked"));
    let said = ends(&old, &new, &[], 1);
    assert!(said.starts_with("Worse:\n- shop:app\n  - own-gil: ready -> blocked\n"), "{said}");
}

#[test]
fn strangers_strings_do_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "\u{1b}[31m\n@all <script>|`x`\u{202e}";
    let old = report(folder.path(), "old.json", &[]);
    let new = report(folder.path(), "new.json", &[(hostile, hostile, "blocked", hostile)]);
    for format in ["text", "markdown", "json"] {
        let said = diff(&old, &new, &["--format", format]).ended_with(1).out;
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{format}: {said}");
        assert!(
            format != "markdown" || !said.contains(['@', '|', '`']) && !said.contains("<script"),
            "{said}"
        );
    }
}

#[test]
fn an_audit_takes_a_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.json");
    let audit = |venv: &Venv| Wsgiaudit::new().arg(venv.path());
    let venv = Venv::new().with("no-slot");
    audit(&venv).arg("--json").arg(&old).run().ended_with(1);
    let said = audit(&venv).arg("--baseline").arg(&old).run().ended_with(0);
    assert!(said.err.contains("1 failing as in the baseline, and ignored"), "{}", said.err);
    let venv = venv.with("single-phase");
    let said = audit(&venv).arg("--baseline").arg(&old).run().ended_with(1);
    let worse = "worse than in the baseline: corpus-single-phase is blocked in own-gil";
    assert!(said.err.contains(worse), "{}", said.err);
    let missing = folder.path().join("missing.json");
    let said = audit(&venv).arg("--baseline").arg(missing).run().ended_with(2);
    assert!(said.err.contains("cannot read") && said.out.is_empty(), "{}", said.err);
}
