//! Small documents for the tests of `diff` and `gate`.

use serde_json::{Value, json};

use crate::report::Document;

/// Makes a document of an audit in `main`, `shared-gil` and `own-gil`, with these fields set.
pub(crate) fn document(fields: &Value) -> Document {
    let mut all = json!({
        "schema": 1, "tool": {"name": "wsgiaudit", "version": "0"}, "environment": null, "answers": {},
        "modes": ["main", "shared-gil", "own-gil"], "distributions": [], "modules": [], "blockers": {},
        "notes": [], "trouble": [],
    });
    for (name, value) in fields.as_object().unwrap() {
        all[name] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

/// Makes a document with one distribution, `one`, and its verdict in `own-gil`.
pub(crate) fn one_verdict(verdict: &str) -> Document {
    document(&json!({"distributions": [distribution("one", &[("own-gil", verdict)])]}))
}

/// Makes verdicts by mode. The reason is the verdict; the cause is the module `core`, by the rule `refused`.
pub(crate) fn verdicts(all: &[(&str, &str)]) -> Value {
    let cause = json!({"rule": "refused", "module": "core", "chain": [], "what": "is refused"});
    let judged = |verdict: &str| json!({"verdict": verdict, "reason": verdict, "cause": cause});
    all.iter().map(|(mode, verdict)| ((*mode).to_owned(), judged(verdict))).collect()
}

/// Makes a row of `distributions`, in version 1.0.
pub(crate) fn distribution(name: &str, modes: &[(&str, &str)]) -> Value {
    json!({
        "name": name, "version": "1.0", "extension_modules": 1, "declaration": "", "modes": verdicts(modes),
        "top_level": [],
    })
}

/// Makes a row of `modules`.
pub(crate) fn module(name: &str, distribution: &str, modes: &[(&str, &str)]) -> Value {
    json!({
        "name": name, "file": "x.so", "distribution": distribution, "kind": "extension-module",
        "declaration": null, "modes": verdicts(modes),
    })
}

/// Makes a row of `applications`.
pub(crate) fn application(name: &str, modes: &[(&str, &str)]) -> Value {
    json!({
        "name": name, "file": "x.py", "files": 1, "modes": verdicts(modes), "modules": [], "hazards": [],
        "hazards_elsewhere": [], "not_followed": [], "not_followed_elsewhere": [],
    })
}

/// Makes a row of `exercises`.
pub(crate) fn exercise(file: &str, modes: &[(&str, &str)]) -> Value {
    json!({"file": file, "modes": verdicts(modes)})
}
