//! Names are tried in company where the extension modules that they load have passed by themselves: each has the verdict
//! that it has alone, whoever else is there.

use serde_json::Value;

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

/// Names with the source of each, and what they do in sub-interpreters.
const GOOD: [(&str, &str); 6] = [
    ("awning", "import json\n"),
    ("barrow", "import email.message\n"),
    ("crate", "import decimal\n"),
    ("drawer", "import awning, crate\n"),
    ("easel", "class Easel:\n    pass\n"),
    ("flask", "import well_behaved\n"),
];

/// Extension modules for them to load.
fn venv() -> Venv {
    Venv::new().with("well-behaved").with("no-slot")
}

const IN_A_SUB_INTERPRETER: &str = "import _interpreters\nif _interpreters.get_current()[0] != 0:\n    ";

fn verdicts(venv: &Venv) -> Vec<String> {
    let said = Wsgiaudit::new().arg(venv.path()).args(["--format", "json", "--no-cache"]).run();
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let rows = report["distributions"].as_array().unwrap();
    let row = |row: &Value| {
        let mode = |mode: &str| {
            let judgement = &row["modes"][mode];
            let outcome = &row["top_level"][0]["modes"][mode]["outcome"];
            format!(
                "{} {} {} {}",
                judgement["verdict"], judgement["reason"], outcome["kind"], outcome["place"]
            )
        };
        format!("{} {} {}", row["name"], mode("shared-gil"), mode("own-gil"))
    };
    rows.iter().map(row).filter(|row| !row.contains("corpus-")).collect()
}

/// What is said of this one beside the good ones is what is said of it alone, and the good ones are good.
#[track_caller]
fn spoils_nothing(name: &str, source: &str, expected: &str) {
    let good = GOOD.into_iter().fold(venv(), |venv, (name, source)| venv.with_python(name, source));
    let undisturbed = verdicts(&good);
    assert!(
        undisturbed.iter().all(|row| row.matches("\"ready\" null \"imported\"").count() == 2),
        "{undisturbed:?}"
    );
    let alone = verdicts(&venv().with_python(name, source));
    assert!(alone[0].contains(expected), "{alone:?}");
    let mut expected = [undisturbed, alone].concat();
    let mut found = verdicts(&good.with_python(name, source));
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn one_that_raises() {
    spoils_nothing("fence", &format!("{IN_A_SUB_INTERPRETER}raise RuntimeError('no')\n"), "blocked");
}

#[test]
fn one_that_is_refused() {
    spoils_nothing("gate", "import faulthandler\n", "blocked");
}

#[test]
fn one_whose_extension_module_is_refused() {
    spoils_nothing("mortar", "import no_slot\n", "blocked");
}

#[test]
fn one_that_does_without_it() {
    spoils_nothing("pestle", "try:\n    import no_slot\nexcept ImportError:\n    pass\n", "degraded");
}

#[test]
fn one_that_ends_the_process() {
    spoils_nothing("hatch", &format!("{IN_A_SUB_INTERPRETER}import os; os._exit(3)\n"), "unsafe");
}

#[test]
fn one_that_ends_it_as_if_all_were_well() {
    spoils_nothing("inlet", &format!("{IN_A_SUB_INTERPRETER}import os; os._exit(0)\n"), "unsafe");
}

#[test]
fn one_that_crashes_when_it_is_used() {
    let source = "\
import ctypes
class Jar:
    def __repr__(self):
        ctypes.string_at(0)
jar = Jar()
";
    spoils_nothing("jar", source, "unsafe");
}

#[test]
fn one_that_leaves_a_thread() {
    let source =
        "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n";
    spoils_nothing("kettle", source, "unsafe");
}

#[test]
fn one_that_takes_others_names() {
    spoils_nothing(
        "ladder",
        "import sys, types\nsys.modules['awning'] = types.ModuleType('awning')\n",
        "ready",
    );
}
