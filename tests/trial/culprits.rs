//! Who is to blame for a failure: what has raised, refused, or has what is missing; never what merely failed before.

use std::fs;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// Audits an environment, with a script that uses it.
fn exercise(venv: &Venv, script: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("use.py"), script).unwrap();
    let audit = Wsgiaudit::new().arg(venv.path()).args(["--exercise", "use.py"]);
    audit.within(folder.path()).run()
}

/// What a report says of a module or name in a mode: verdict, reason and the module at the root.
#[track_caller]
fn told(venv: &Venv, name: &str, mode: &str) -> (String, String, String) {
    let report = Wsgiaudit::new().arg(venv.path()).args(["--format", "json"]).run().body();
    let distributions = report["distributions"].as_array().unwrap();
    let names = distributions.iter().flat_map(|each| each["top_level"].as_array().unwrap());
    let mut all = report["modules"].as_array().unwrap().iter().chain(names);
    let judged = &all.find(|each| each["name"] == name).unwrap()["modes"][mode];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&judged["verdict"]), text(&judged["reason"]), text(&judged["cause"]["module"]))
}

#[test]
fn a_missing_symbol_is_its_owners_who_was_refused() {
    let venv = Venv::new().with("missing-symbol");
    let (verdict, reason, root) = told(&venv, "missing_symbol._user", "own-gil");
    assert_eq!((verdict.as_str(), root.as_str()), ("blocked", "missing_symbol_owner._core"), "{reason}");
    assert_eq!(reason, "needs missing_symbol_owner._core, refused: no slot 3");
    let said = exercise(&venv, "import missing_symbol._user\n").ended_with(1);
    let line = "  own-gil: blocked: needs missing_symbol_owner._core, refused: no slot 3\n";
    assert!(said.out.contains(line), "{}", said.out);
}

#[test]
fn a_missing_symbol_without_an_owner_blames_nobody() {
    let venv = Venv::new().with("missing-symbol").with("no-slot");
    // In the control the owner makes the symbol known. Elsewhere another module is refused first, and so nobody asks it.
    let script = "\
import sys
try:
    import no_slot, missing_symbol_owner
except ImportError:
    sys.modules['missing_symbol_owner'] = sys
import missing_symbol._user
";
    let said = exercise(&venv, script).ended_with(1);
    let line = said.out.lines().find(|line| line.starts_with("  own-gil: ")).unwrap_or_default().to_owned();
    assert!(line.contains("undefined symbol: missing_symbol_answer"), "{}", said.out);
    assert!(line.ends_with("cause not known") && !line.contains("no_slot"), "{}", said.out);
}

#[test]
fn an_innocent_neighbour_is_not_blamed() {
    let source = "\
import signal
try:
    import no_slot
except ImportError:
    no_slot = None
def buy():
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
";
    let venv = Venv::new().with("no-slot").with_python("shop", source);
    let said = exercise(&venv, "import shop\nshop.buy()\n").ended_with(1);
    let line = "  own-gil: blocked: needs shop, raises ValueError: signal only works in main thread of the main interpreter";
    assert!(said.out.contains(line), "{}", said.out);
    assert!(!said.out.contains("needs no_slot, raises"), "{}", said.out);
}

#[test]
fn what_a_script_itself_raises_has_no_known_cause() {
    let venv = Venv::new().with("no-slot");
    let script = "\
try:
    import no_slot
except ImportError:
    no_slot = None
assert no_slot, 'nothing to sell'
";
    let said = exercise(&venv, script).ended_with(1);
    let line = "  own-gil: blocked: raises AssertionError: nothing to sell at import; cause not known\n";
    assert!(said.out.contains(line), "{}", said.out);
}

#[test]
fn an_exception_raised_from_a_refusal_or_in_its_handling_is_the_refuseds() {
    for raise in ["raise RuntimeError('no shelf') from error", "raise RuntimeError('no shelf')"] {
        let source = format!("try:\n    import no_slot\nexcept ImportError as error:\n    {raise}\n");
        let venv = Venv::new().with("no-slot").with_python("shop", &source);
        let (verdict, reason, root) = told(&venv, "shop", "own-gil");
        assert_eq!((verdict.as_str(), root.as_str()), ("blocked", "no_slot"), "{raise}: {reason}");
    }
}

#[test]
fn what_fails_in_the_control_too_is_not_blamed_for_what_fails_in_its_stead() {
    let source = "\
try:
    import missing_library
except ImportError:
    import no_slot
";
    let venv = Venv::new().with("no-slot").with("missing-library").with_python("shop", source);
    let (verdict, reason, root) = told(&venv, "shop", "own-gil");
    assert_eq!((verdict.as_str(), root.as_str()), ("blocked", "no_slot"), "{reason}");
}

#[test]
fn a_lazy_import_that_fails_in_the_second_interpreter_alone_is_found() {
    let source = "def __getattr__(name):\n    import guard_declared\n    return guard_declared\n";
    let venv = Venv::new().with("guard-declared").with_python("shop", source);
    let said = exercise(&venv, "import shop\nshop.engine\n").ended_with(1);
    let line = "  own-gil: blocked: needs guard_declared, refuses a second interpreter by itself: ";
    assert!(said.out.contains(line), "{}", said.out);
}

#[test]
fn what_an_init_function_raises_in_the_main_interpreter_is_told_with_its_culprit() {
    let venv = Venv::new().with("imports-at-init").with("once-per-process");
    let (verdict, reason, root) = told(&venv, "imports_at_init", "shared-gil");
    assert_eq!((verdict.as_str(), root.as_str()), ("blocked", "once_per_process"), "{reason}");
    assert!(reason.ends_with("cannot load module more than once per process"), "{reason}");
}

#[test]
fn what_can_still_be_used_is_not_lost() {
    let venv = Venv::new().with("side-import").with("side-import-fallback");
    assert_eq!(told(&venv, "side_import", "shared-gil").0, "ready");
    let (verdict, reason, root) = told(&venv, "side_import_fallback", "shared-gil");
    assert_eq!((verdict.as_str(), root.as_str()), ("degraded", "side_import_fallback._back"), "{reason}");
}

#[test]
fn what_is_kept_of_an_ended_interpreter_is_unsafe_in_use() {
    let venv = Venv::new().with("made-with-swig");
    let script = "\
import made_with_swig
item = made_with_swig.Item(3)
assert item.get() == 3
assert made_with_swig.total([made_with_swig.Item(1), made_with_swig.Item(2)]) == 3
items = made_with_swig.Items()
items.append(item)
assert items[0].get() == 3
";
    let said = exercise(&venv, script).ended_with(1);
    assert!(said.out.contains("  shared-gil: unsafe: "), "{}", said.out);
    assert!(
        said.out.contains("  own-gil: blocked: needs _made_with_swig, refused: no slot 3\n"),
        "{}",
        said.out
    );
}

#[test]
fn what_a_script_cannot_do_twice_is_no_fault_of_an_end() {
    let script = "import sys\nassert not hasattr(sys, 'done'), 'twice'\nsys.done = True\n";
    let said = exercise(&Venv::new(), script).ended_with(1);
    let line =
        "  shared-gil: blocked: raises AssertionError: twice in the second interpreter; cause not known\n";
    assert!(said.out.contains(line), "{}", said.out);
}

#[test]
fn an_object_that_only_memory_of_c_leads_to_is_unsafe_in_another_interpreters_use() {
    let venv = Venv::new().with("heap-map").with("heap-struct").with("heap-apart");
    let (verdict, reason, root) = told(&venv, "heap_map", "own-gil");
    assert_eq!((verdict.as_str(), root.as_str()), ("unsafe", "heap_map"), "{reason}");
    assert!(reason.starts_with("shares a dict (C heap, used by "), "{reason}");
    let (verdict, reason, _) = told(&venv, "heap_struct", "own-gil");
    let wanted = "shares a list (C heap, used by setup of heap_struct -> list) between interpreters";
    assert_eq!((verdict.as_str(), reason.as_str()), ("unsafe", wanted));
    assert_eq!(told(&venv, "heap_apart", "own-gil").0, "ready");
    let said = Wsgiaudit::new().arg(venv.path()).run().ended_with(1);
    assert!(said.out.contains("WSGIPerInterpreterGIL On: no"), "{}", said.out);
}

#[test]
fn what_memory_of_c_leads_to_is_seen_in_an_exercise_too() {
    let venv = Venv::new().with("heap-at-use").with("heap-apart");
    assert_eq!(told(&venv, "heap_at_use", "own-gil").0, "ready");
    let said = exercise(&venv, "import heap_at_use\nheap_at_use.count()\n").ended_with(1);
    let line = "  own-gil: unsafe: needs heap_at_use, shares a dict (C heap, used by count of heap_at_use -> dict) between interpreters\n";
    assert!(said.out.contains(line), "{}", said.out);
    exercise(&venv, "import heap_apart\nrepr(vars(heap_apart))\n").ended_with(0);
}
