//! Exit statuses and notes for small documents.

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::{Acceptance, Decision, Gate, decide, parse_settings};
use crate::diff::compare_reports;
use crate::diff::test_documents::{application, distribution, document, exercise, one_verdict};
use crate::exit::Exit;
use crate::model::Mode;
use crate::report::Document;

const TODAY: Date = date(2026, 1, 31);

fn gate(required: &[Mode], is_strict: bool) -> Gate<'_> {
    Gate { required: required.to_vec(), is_strict, accepted: &[], since: None, today: TODAY }
}

fn exit_of(document: &Document, required: &[Mode], is_strict: bool) -> Exit {
    decide(document, &gate(required, is_strict)).exit
}

/// An acceptance of the distribution `one`, with these lines more.
fn acceptance(more: &str) -> Acceptance {
    let text = format!("[[accept]]\ndistribution = 'One'\nreason = 'known'\nexpires = 2026-01-31\n{more}");
    parse_settings(&text, false).unwrap().unwrap().accept.remove(0)
}

fn decide_accepted(document: &Document, accepted: &[Acceptance], today: Date) -> Decision {
    decide(document, &Gate { accepted, today, ..gate(&[Mode::OwnGil], false) })
}

#[test]
fn each_verdict_has_an_exit_status() {
    for (verdict, expected, strictly) in [
        ("unsafe", Exit::InTheWay, Exit::InTheWay),
        ("blocked", Exit::InTheWay, Exit::InTheWay),
        ("unknown", Exit::Incomplete, Exit::Incomplete),
        ("degraded", Exit::Ready, Exit::InTheWay),
        ("ready", Exit::Ready, Exit::Ready),
        // Nothing was judged.
        ("not-applicable", Exit::Incomplete, Exit::Incomplete),
    ] {
        let document = one_verdict(verdict);
        assert_eq!(exit_of(&document, &[Mode::OwnGil], false), expected, "{verdict}");
        assert_eq!(exit_of(&document, &[Mode::OwnGil], true), strictly, "{verdict}");
        assert_eq!(decide(&document, &gate(&[Mode::OwnGil], false)).sentences, [] as [String; 0]);
    }
}

#[test]
fn strictly_a_degraded_verdict_outweighs_an_unknown_one() {
    let rows = [distribution("a", &[("own-gil", "degraded")]), distribution("b", &[("own-gil", "unknown")])];
    let document = document(&json!({"distributions": rows}));
    assert_eq!(exit_of(&document, &[Mode::OwnGil], true), Exit::InTheWay);
    assert_eq!(exit_of(&document, &[Mode::OwnGil], false), Exit::Incomplete);
}

#[test]
fn the_worst_of_the_required_modes_counts() {
    let rows = [distribution("one", &[("shared-gil", "ready"), ("own-gil", "blocked")])];
    let document = document(&json!({"distributions": rows}));
    for (required, expected) in [
        (&[][..], Exit::Ready),
        (&[Mode::SharedGil], Exit::Ready),
        (&[Mode::FreeThreaded], Exit::Incomplete),
        (&[Mode::SharedGil, Mode::FreeThreaded], Exit::Incomplete),
        (&[Mode::FreeThreaded, Mode::SharedGil], Exit::Incomplete),
        (&[Mode::OwnGil, Mode::FreeThreaded], Exit::InTheWay),
        (&[Mode::FreeThreaded, Mode::OwnGil], Exit::InTheWay),
    ] {
        assert_eq!(exit_of(&document, required, false), expected, "{required:?}");
    }
}

#[test]
fn trouble_makes_an_audit_incomplete_unless_it_is_old() {
    let with = |trouble: &[&str]| {
        let rows = [distribution("one", &[("own-gil", "ready")])];
        document(&json!({"distributions": rows, "trouble": trouble}))
    };
    let (plain, troubled) = (with(&[]), with(&["a file cannot be read"]));
    assert_eq!(exit_of(&plain, &[Mode::OwnGil], false), Exit::Ready);
    assert_eq!(exit_of(&troubled, &[Mode::OwnGil], false), Exit::Incomplete);
    for (old, expected) in [(&plain, Exit::Incomplete), (&troubled, Exit::Ready)] {
        let since = compare_reports(old, &troubled);
        let gate = Gate { since: Some(&since), ..gate(&[Mode::OwnGil], false) };
        assert_eq!(decide(&troubled, &gate).exit, expected);
    }
}

#[test]
fn an_acceptance_applies_up_to_and_including_its_last_day() {
    let accepted = [acceptance("")];
    let until = "accepted until 2026-01-31: one is blocked in own-gil: known";
    let expired = "acceptance expired on 2026-01-31: one in own-gil: known";
    for (today, exit, sentence) in [
        (date(2026, 1, 30), Exit::Ready, until),
        (date(2026, 1, 31), Exit::Ready, until),
        (date(2026, 2, 1), Exit::InTheWay, expired),
    ] {
        let decision = decide_accepted(&one_verdict("blocked"), &accepted, today);
        assert_eq!((decision.exit, &decision.sentences[..]), (exit, &[sentence.to_owned()][..]), "{today}");
    }
}

#[test]
fn an_acceptance_applies_only_to_what_it_names() {
    for (more, applies) in [
        ("", true),
        ("mode = 'own-gil'", true),
        ("mode = 'shared-gil'", false),
        ("rule = 'refused'", true),
        ("rule = 'crashes'", false),
        ("module = 'core'", true),
        ("module = 'other'", false),
        ("mode = 'own-gil'\nrule = 'refused'\nmodule = 'other'", false),
    ] {
        let decision = decide_accepted(&one_verdict("unknown"), &[acceptance(more)], TODAY);
        let expected = if applies { Exit::Ready } else { Exit::Incomplete };
        assert_eq!(decision.exit, expected, "{more}");
        let is_unused = decision.sentences == ["unused acceptance for One: remove it"];
        assert_eq!(is_unused, !applies, "{more}");
    }
    let other = document(&json!({"distributions": [distribution("two", &[("own-gil", "blocked")])]}));
    assert_eq!(decide_accepted(&other, &[acceptance("")], TODAY).exit, Exit::InTheWay);
    let mut without_cause = distribution("one", &[("own-gil", "blocked")]);
    without_cause["modes"]["own-gil"]["cause"] = Value::Null;
    let document = document(&json!({"distributions": [without_cause]}));
    assert_eq!(decide_accepted(&document, &[acceptance("")], TODAY).exit, Exit::Ready);
    assert_eq!(decide_accepted(&document, &[acceptance("module = 'core'")], TODAY).exit, Exit::InTheWay);
}

#[test]
fn an_acceptance_of_a_good_verdict_is_unused() {
    let unused = ["unused acceptance for One: remove it"];
    for verdict in ["ready", "degraded", "not-applicable"] {
        let decision = decide_accepted(&one_verdict(verdict), &[acceptance("")], TODAY);
        assert_eq!(decision.sentences, unused, "{verdict}");
    }
    let accepted = [acceptance("")];
    let strict = Gate { accepted: &accepted, ..gate(&[Mode::OwnGil], true) };
    let decision = decide(&one_verdict("degraded"), &strict);
    let sentence = "accepted until 2026-01-31: one is degraded in own-gil: known".to_owned();
    assert_eq!(decision, Decision { exit: Exit::Ready, sentences: vec![sentence] });
}

#[test]
fn with_a_baseline_only_what_got_worse_fails() {
    let rows = |one: &str| {
        let rows = [distribution("one", &[("own-gil", one)]), distribution("two", &[("own-gil", "unknown")])];
        document(&json!({"distributions": rows}))
    };
    let now = rows("blocked");
    let decide_since = |old: &Document, accepted: &[Acceptance]| {
        let since = compare_reports(old, &now);
        decide(&now, &Gate { since: Some(&since), accepted, ..gate(&[Mode::OwnGil], false) })
    };
    let known = |number: usize| format!("{number} failing as in the baseline, and ignored");
    let decision = decide_since(&rows("blocked"), &[]);
    assert_eq!(decision, Decision { exit: Exit::Ready, sentences: vec![known(2)] });
    let decision = decide_since(&rows("ready"), &[]);
    let worse = "worse than in the baseline: one is blocked in own-gil".to_owned();
    assert_eq!(decision, Decision { exit: Exit::InTheWay, sentences: vec![worse, known(1)] });
    // An acceptance comes first; expired, it leaves the decision to the baseline.
    let until = "accepted until 2026-01-31: one is blocked in own-gil: known".to_owned();
    let decision = decide_since(&rows("ready"), &[acceptance("")]);
    assert_eq!(decision, Decision { exit: Exit::Ready, sentences: vec![until, known(1)] });
}

#[test]
fn a_served_application_counts_in_the_mode_of_its_mount() {
    let served = |verdict: &str, mode: &str| {
        let mount = json!({
            "host": "", "url": "/", "script": "x", "callable": "application", "process_group": "",
            "application_group": "", "mode": mode, "application": "shop", "file": "c", "line": 1,
        });
        let modes = [("main", "ready"), ("shared-gil", "unknown"), ("own-gil", verdict)];
        document(&json!({
            "applications": [application("shop", &modes)],
            "apache": {"file": "c", "landings": [mount], "findings": [], "not_told": []},
        }))
    };
    // A required mode that was tried is settled by the mounts.
    assert_eq!(exit_of(&served("blocked", "main"), &[Mode::OwnGil], false), Exit::Ready);
    assert_eq!(exit_of(&served("blocked", "own-gil"), &[], false), Exit::InTheWay);
    assert_eq!(exit_of(&served("ready", "own-gil"), &[Mode::OwnGil], false), Exit::Ready);
    assert_eq!(exit_of(&served("ready", "own-gil"), &[Mode::FreeThreaded], false), Exit::Incomplete);
    assert_eq!(exit_of(&served("ready", "shared-gil"), &[], false), Exit::Incomplete);
}

#[test]
fn an_exercise_decides_too() {
    let rows = [distribution("one", &[("own-gil", "ready")])];
    let of = |verdict: &str| exercise("try.py", &[("own-gil", verdict)]);
    for (verdict, expected) in [("blocked", Exit::InTheWay), ("ready", Exit::Ready)] {
        let document = document(&json!({"distributions": rows, "exercises": [of(verdict)]}));
        assert_eq!(exit_of(&document, &[Mode::OwnGil], false), expected, "{verdict}");
    }
}

#[test]
fn settings_are_read_from_either_file() {
    let own = parse_settings("require = ['own-gil']\nstrict = true\n", false).unwrap().unwrap();
    assert_eq!((own.require, own.strict), (Some(vec![Mode::OwnGil]), true));
    assert_eq!(parse_settings("", false).unwrap(), Some(super::ProjectSettings::default()));
    let project = parse_settings("[tool.wsgiaudit]\nrequire = ['main']\n", true).unwrap().unwrap();
    assert_eq!((project.require, project.strict), (Some(vec![Mode::Main]), false));
    assert_eq!(parse_settings("[tool.other]\nkey = 1\n", true).unwrap(), None);
    assert_eq!(parse_settings("[project]\n", true).unwrap(), None);
    for wrong in ["required = ['own-gil']", "require = ['own']", "strict = 1", "[tool.wsgiaudit]"] {
        assert!(parse_settings(wrong, false).is_err(), "{wrong}");
    }
}

#[test]
fn an_acceptance_needs_a_reason_and_a_date() {
    let accept = |reason: &str, expires: &str| {
        let text = format!("[[accept]]\ndistribution = 'a'\nreason = '{reason}'\nexpires = {expires}\n");
        parse_settings(&text, false).map(|settings| settings.unwrap().accept[0].expires)
    };
    for expires in ["2026-02-28", "'2026-02-28'"] {
        assert_eq!(accept("known", expires).unwrap(), date(2026, 2, 28));
    }
    assert!(accept(" ", "2026-02-28").unwrap_err().to_string().contains("say why it is accepted"));
    assert!(accept("known", "'soon'").unwrap_err().to_string().contains("\"soon\" is not a date"));
    assert!(parse_settings("[[accept]]\ndistribution = 'a'\nreason = 'b'\n", false).is_err());
}
