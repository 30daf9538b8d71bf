//! What decides the exit status: settings, what is accepted, what was so before.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::command::{Said, Wsgiaudit};

/// The stored report, in which an own GIL has blocked, unsafe and degraded distributions.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/report.json")
}

/// A report with no other distributions than these.
fn only(folder: &Path, names: &[&str]) -> PathBuf {
    let mut report: Value = serde_json::from_slice(&fs::read(golden()).unwrap()).unwrap();
    let rows = report["distributions"].as_array_mut().unwrap();
    rows.retain(|row| names.contains(&row["name"].as_str().unwrap()));
    assert_eq!(rows.len(), names.len());
    let file = folder.join("only.json");
    fs::write(&file, report.to_string()).unwrap();
    file
}

fn render(report: &Path, project: &Path) -> Wsgiaudit {
    Wsgiaudit::new().arg("render").arg(report).within(project)
}

/// With these settings in a pyproject.toml.
fn with(settings: &str, names: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pyproject.toml"), settings).unwrap();
    render(&only(folder.path(), names), folder.path()).run()
}

const ACCEPT: &str = "[[tool.wsgiaudit.accept]]\ndistribution = 'corpus-no-slot'\nreason = 'kept in main'\n";

#[test]
fn required_modes_and_strictness_are_settings_and_the_command_line_goes_before() {
    let require = "[tool.wsgiaudit]\nrequire = ['shared-gil']\n";
    with("", &["corpus-no-slot"]).ended_with(1);
    with(require, &["corpus-no-slot"]).ended_with(0);
    with("", &["corpus-lost-accelerator"]).ended_with(0);
    with("[tool.wsgiaudit]\nstrict = true\n", &["corpus-lost-accelerator"]).ended_with(1);

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("wsgiaudit.toml"), "require = ['shared-gil']\n").unwrap();
    let report = only(folder.path(), &["corpus-no-slot"]);
    render(&report, folder.path()).run().ended_with(0);
    render(&report, folder.path()).arg("--require").arg("own-gil").run().ended_with(1);
    render(&report, folder.path()).arg("--no-config").run().ended_with(1);
    // Found from below, up to where the repository begins.
    let below = folder.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    render(&report, &below).run().ended_with(0);
    fs::create_dir(folder.path().join("a/.git")).unwrap();
    render(&report, &below).run().ended_with(1);
    render(&report, &below).arg("--config").arg(folder.path().join("wsgiaudit.toml")).run().ended_with(0);
}

#[test]
fn what_is_accepted_does_not_count_until_it_expires() {
    let said = with(&format!("{ACCEPT}expires = 2999-12-31\n"), &["corpus-no-slot"]).ended_with(0);
    let words = "wsgiaudit: accepted until 2999-12-31: corpus-no-slot is blocked in own-gil: kept in main\n";
    assert_eq!(said.err, words);
    let said = with(&format!("{ACCEPT}expires = '2020-01-31'\n"), &["corpus-no-slot"]).ended_with(1);
    assert_eq!(
        said.err,
        "wsgiaudit: acceptance expired on 2020-01-31: corpus-no-slot in own-gil: kept in main\n"
    );
    // It accepts no other, and says when it is unused.
    with(&format!("{ACCEPT}expires = 2999-12-31\n"), &["corpus-no-slot", "needs_it"]).ended_with(1);
    let said = with(&format!("{ACCEPT}expires = 2999-12-31\n"), &["corpus-well-behaved"]).ended_with(0);
    assert_eq!(said.err, "wsgiaudit: unused acceptance for corpus-no-slot: remove it\n");
}

#[test]
fn an_acceptance_can_be_narrowed_to_mode_rule_and_module() {
    for (more, status) in [
        ("mode = 'own-gil'", 0),
        ("mode = 'shared-gil'", 1),
        ("rule = 'refused'", 0),
        ("rule = 'crashes'", 1),
        ("module = 'no_slot'", 0),
        ("module = 'other'", 1),
    ] {
        let settings = format!("{ACCEPT}expires = 2999-12-31\n{more}\n");
        let said = with(&settings, &["corpus-no-slot"]);
        assert_eq!(said.status, Some(status), "{more}: {}", said.err);
    }
}

#[test]
fn settings_that_are_not_understood_are_errors() {
    for settings in [
        "[tool.wsgiaudit]\nrequired = ['own-gil']\n",
        "[tool.wsgiaudit]\nrequire = ['own-gill']\n",
        ACCEPT,
        "[[tool.wsgiaudit.accept]]\ndistribution = 'a'\nreason = ' '\nexpires = 2999-12-31\n",
        "[[tool.wsgiaudit.accept]]\ndistribution = 'a'\nreason = 'b'\nexpires = 'soon'\n",
    ] {
        let said = with(settings, &["corpus-no-slot"]).ended_with(2);
        assert!(said.err.contains("pyproject.toml is not understood"), "{}", said.err);
    }
    with("[tool.other]\nkey = 1\n", &["corpus-well-behaved"]).ended_with(0);
}

#[test]
fn with_a_baseline_only_what_got_worse_counts() {
    let folder = tempfile::tempdir().unwrap();
    let report = only(folder.path(), &["corpus-no-slot", "corpus-lost-accelerator"]);
    let judged = |verdict: &str| {
        let mut older: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        for row in older["distributions"].as_array_mut().unwrap() {
            if row["name"] == "corpus-no-slot" {
                row["modes"]["own-gil"]["verdict"] = verdict.into();
            }
        }
        let file = folder.path().join(format!("{verdict}.json"));
        fs::write(&file, older.to_string()).unwrap();
        file
    };
    let against = |older: &Path| render(&report, folder.path()).arg("--baseline").arg(older).run();
    let said = against(&judged("blocked")).ended_with(0);
    assert_eq!(said.err, "wsgiaudit: 1 failing as in the baseline, and ignored\n");
    against(&judged("unsafe")).ended_with(0);
    against(&judged("ready")).ended_with(1);
    against(&only(&tempfile::tempdir().unwrap().keep(), &["corpus-lost-accelerator"])).ended_with(1);
    against(&folder.path().join("absent.json")).ended_with(2);
}
