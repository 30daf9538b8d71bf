//! Comparisons of pairs of small documents.

use serde_json::{Value, json};

use super::test_documents::{application, distribution, document, exercise, module, one_verdict};
use super::{Comparison, Direction, SubjectChange, compare_reports};
use crate::model::{Mode, Verdict};
use crate::report::Document;

fn compare(old: &Value, new: &Value) -> Comparison {
    compare_reports(&document(old), &document(new))
}

/// Describes changes as `name: from version -> to version; mode from -> to direction`.
fn describe(changes: &[SubjectChange]) -> Vec<String> {
    let version = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let verdict = |verdict: Option<Verdict>| verdict.map_or("none", Verdict::name);
    let each = changes.iter().map(|change| {
        let steps = change.modes.iter().map(|(mode, step)| {
            format!("; {mode} {} -> {} {:?}", verdict(step.from), verdict(step.to), step.direction)
        });
        let name = change.name.as_deref().unwrap_or("none");
        format!("{name}: {} -> {}{}", version(&change.from), version(&change.to), steps.collect::<String>())
    });
    each.collect()
}

#[test]
fn a_verdict_gets_worse_or_better_or_neither() {
    let of = |verdict: &str| match verdict {
        "absent" => document(&json!({})),
        verdict => one_verdict(verdict),
    };
    for (from, to, expected) in [
        ("ready", "ready", None),
        ("absent", "absent", None),
        ("ready", "degraded", Some(Direction::Worse)),
        ("ready", "unknown", Some(Direction::Worse)),
        ("degraded", "unknown", Some(Direction::Worse)),
        ("unknown", "blocked", Some(Direction::Worse)),
        ("blocked", "unsafe", Some(Direction::Worse)),
        ("not-applicable", "degraded", Some(Direction::Worse)),
        ("unsafe", "blocked", Some(Direction::Better)),
        ("blocked", "degraded", Some(Direction::Better)),
        ("unknown", "ready", Some(Direction::Better)),
        ("blocked", "not-applicable", Some(Direction::Other)),
        ("ready", "not-applicable", Some(Direction::Other)),
        ("not-applicable", "ready", Some(Direction::Other)),
        ("absent", "ready", Some(Direction::Other)),
        ("absent", "not-applicable", Some(Direction::Other)),
        ("absent", "degraded", Some(Direction::Worse)),
        ("absent", "unknown", Some(Direction::Worse)),
        ("absent", "blocked", Some(Direction::Worse)),
        ("absent", "unsafe", Some(Direction::Worse)),
        ("blocked", "absent", Some(Direction::Other)),
    ] {
        let comparison = compare_reports(&of(from), &of(to));
        let change = comparison.distributions.first();
        let direction = change.map(|change| change.modes[&Mode::OwnGil].direction);
        assert_eq!(direction, expected, "{from} -> {to}");
        assert_eq!(change.map(SubjectChange::overall_direction), expected, "{from} -> {to}");
        let sum = &comparison.modes[&Mode::OwnGil];
        let wanted = [Direction::Worse, Direction::Better].map(|each| usize::from(expected == Some(each)));
        assert_eq!([sum.worse, sum.better], wanted, "{from} -> {to}");
        let blocks = |verdict: &str| usize::from(["unsafe", "blocked"].contains(&verdict));
        assert_eq!([sum.in_the_way_before, sum.in_the_way_now], [blocks(from), blocks(to)], "{from} -> {to}");
    }
}

#[test]
fn only_modes_that_both_reports_have_are_compared() {
    let with = |modes: &[&str], verdict: &str| {
        let rows = [distribution("one", &[("shared-gil", verdict), ("own-gil", verdict), ("main", verdict)])];
        document(&json!({"modes": modes, "distributions": rows}))
    };
    let old = with(&["main", "shared-gil"], "ready");
    let new = with(&["main", "shared-gil", "own-gil"], "blocked");
    let comparison = compare_reports(&old, &new);
    assert_eq!(describe(&comparison.distributions), ["one: 1.0 -> 1.0; shared-gil ready -> blocked Worse"]);
    assert_eq!(comparison.modes.keys().copied().collect::<Vec<_>>(), [Mode::SharedGil, Mode::OwnGil]);
    assert_eq!(comparison.modes[&Mode::SharedGil].from, Some(Verdict::Ready));
    assert_eq!(comparison.modes[&Mode::OwnGil].from, None);
    assert_eq!(comparison.modes[&Mode::OwnGil].to, Verdict::Blocked);
}

#[test]
fn rows_of_one_name_are_one_subject() {
    let old = json!({"distributions": [distribution("My_One", &[("own-gil", "ready")])]});
    let twice =
        [distribution("my-one", &[("own-gil", "blocked")]), distribution("my.one", &[("own-gil", "ready")])];
    let comparison = compare(&old, &json!({"distributions": twice}));
    assert_eq!(
        describe(&comparison.distributions),
        ["my.one: 1.0 -> 1.0, 1.0; own-gil ready -> blocked Worse"]
    );
    // The same verdict for another reason is a change, and so is another version alone.
    let mut other = distribution("My_One", &[("own-gil", "ready")]);
    other["modes"]["own-gil"]["reason"] = "another".into();
    let comparison = compare(&old, &json!({"distributions": [other]}));
    assert_eq!(describe(&comparison.distributions), ["My_One: 1.0 -> 1.0; own-gil ready -> ready Other"]);
    let mut newer = distribution("My_One", &[("own-gil", "ready")]);
    newer["version"] = "2.0".into();
    let comparison = compare(&old, &json!({"distributions": [newer]}));
    assert_eq!(describe(&comparison.distributions), ["My_One: 1.0 -> 2.0"]);
    assert_eq!(comparison.distributions[0].overall_direction(), Direction::Other);
    assert!(compare(&old, &old).distributions.is_empty());
}

#[test]
fn applications_exercises_and_modules_are_compared_too() {
    let rows = |verdict: &str, decided_by: &str| {
        let modes = [("own-gil", verdict)];
        document(&json!({
            "applications": [application("shop:app", &modes)], "exercises": [exercise("try.py", &modes)],
            "modules": [module("_Core", "one", &modes)], "decided_by": decided_by,
        }))
    };
    let (old, new) = (rows("ready", "distributions"), rows("blocked", "distributions"));
    let comparison = compare_reports(&old, &new);
    let step = " -> ; own-gil ready -> blocked Worse";
    assert_eq!(describe(&comparison.applications), [format!("shop:app: {step}")]);
    assert_eq!(describe(&comparison.exercises), [format!("try.py: {step}")]);
    assert_eq!(describe(&comparison.modules), [] as [String; 0]);
    // In a report about modules they are the subject. Their names are not normalized.
    let modules = |name: &str, verdict: &str| {
        let rows = [module(name, "one", &[("own-gil", verdict)])];
        document(&json!({"modules": rows, "decided_by": "modules"}))
    };
    let comparison = compare_reports(&modules("_core", "ready"), &modules("_core", "blocked"));
    assert_eq!(describe(&comparison.modules), [format!("_core: {step}")]);
    let comparison = compare_reports(&modules("core", "ready"), &modules("_core", "ready"));
    assert_eq!(comparison.modules.len(), 2);
}

#[test]
fn a_module_that_got_worse_makes_its_distribution_worse() {
    let of = |modules: &[(&str, &str)]| {
        let rows: Vec<Value> =
            modules.iter().map(|(name, verdict)| module(name, "One", &[("own-gil", verdict)])).collect();
        json!({"distributions": [distribution("one", &[("own-gil", "blocked")])], "modules": rows})
    };
    let worse = |old: &[(&str, &str)], new: &[(&str, &str)]| {
        let comparison = compare(&of(old), &of(new));
        let change = comparison.distributions.first()?.modes[&Mode::OwnGil].clone();
        assert_eq!(change.direction, Direction::Worse);
        Some(change.worse_modules.join(" "))
    };
    let none = None::<String>;
    for (from, to, is_worse) in [
        ("ready", "blocked", true),
        ("degraded", "unsafe", true),
        ("blocked", "unsafe", true),
        ("blocked", "blocked", false),
        ("unsafe", "blocked", false),
        ("ready", "unknown", false),
        ("ready", "degraded", false),
    ] {
        let expected = if is_worse { Some("m".to_owned()) } else { none.clone() };
        assert_eq!(worse(&[("m", from)], &[("m", to)]), expected, "{from} -> {to}");
    }
    // A new module counts only if it is unsafe.
    assert_eq!(worse(&[("m", "ready")], &[("m", "ready"), ("n", "blocked")]), none);
    assert_eq!(worse(&[("m", "ready")], &[("m", "ready"), ("n", "unsafe")]), Some("n".to_owned()));
    // Of two files with one module the worse one is compared.
    assert_eq!(worse(&[("m", "ready"), ("m", "blocked")], &[("m", "blocked")]), none);
}

#[test]
fn root_causes_that_appear_and_disappear_are_listed() {
    let blockers = |owner: &str, module: &str, what: &str| {
        let root = json!({"module": module, "what": what, "rule": "refused"});
        let blocked = json!({"distribution": "other", "chain": [], "also_needs": []});
        json!({"blockers": {
            "own-gil": [{"distribution": owner, "roots": [root], "blocks": [blocked]}],
            "free-threaded": [{"distribution": owner, "roots": [root], "blocks": []}],
        }})
    };
    let comparison = compare(&blockers("One", "core", "is refused"), &blockers("one", "core", "crashes"));
    assert_eq!((comparison.new_roots.len(), comparison.gone_roots.len()), (0, 0));
    let comparison = compare(&blockers("one", "core", "is refused"), &blockers("one", "fast", "crashes"));
    let names = |roots: &[super::RootCauseChange]| {
        let each =
            roots.iter().map(|root| format!("{} {} {} {}", root.mode, root.module, root.what, root.blocks));
        each.collect::<Vec<_>>()
    };
    assert_eq!(names(&comparison.new_roots), ["own-gil fast crashes 1"]);
    assert_eq!(names(&comparison.gone_roots), ["own-gil core is refused 1"]);
}

#[test]
fn trouble_that_was_there_before_is_not_new() {
    let comparison = compare(&json!({"trouble": ["a", "b"]}), &json!({"trouble": ["b", "c"]}));
    assert_eq!(comparison.new_trouble, ["c"]);
}

#[test]
fn a_verdict_is_worse_by_the_kind_of_the_report() {
    let is_worse = |old: &Document, new: &Document, name: &str, mode| {
        compare_reports(old, new).is_worse(new, Some(name), mode)
    };
    let (ready, blocked) = (one_verdict("ready"), one_verdict("blocked"));
    assert!(is_worse(&ready, &blocked, "One", Mode::OwnGil));
    assert!(!is_worse(&ready, &blocked, "one", Mode::SharedGil));
    assert!(!is_worse(&ready, &blocked, "two", Mode::OwnGil));
    assert!(!is_worse(&blocked, &ready, "one", Mode::OwnGil));
    assert!(!is_worse(&blocked, &blocked, "one", Mode::OwnGil));
    // In a mode that the earlier report did not try, everything counts as worse.
    let untried = document(&json!({"modes": ["main"]}));
    assert!(is_worse(&untried, &blocked, "one", Mode::OwnGil));
    assert!(is_worse(&ready, &blocked, "one", Mode::FreeThreaded));
    let of = |verdict: &str, fields: &Value| {
        let modes = [("own-gil", verdict)];
        let mut all = json!({
            "modules": [module("_Core", "x", &modes)], "exercises": [exercise("try.py", &modes)],
        });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        document(&all)
    };
    let modules = json!({"decided_by": "modules"});
    let (old, new) = (of("ready", &modules), of("blocked", &modules));
    assert!(is_worse(&old, &new, "_Core", Mode::OwnGil));
    assert!(!is_worse(&old, &new, "core", Mode::OwnGil));
    assert!(is_worse(&old, &new, "try.py", Mode::OwnGil));
    let applications = |verdict| json!({"applications": [application("shop", &[("own-gil", verdict)])]});
    let (old, new) = (of("ready", &applications("ready")), of("ready", &applications("unsafe")));
    assert!(is_worse(&old, &new, "Shop", Mode::OwnGil));
    assert!(!is_worse(&old, &new, "_Core", Mode::OwnGil));
}
