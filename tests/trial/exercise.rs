//! `--exercise`: a script that uses what is installed, in each kind of interpreter, and in several at the same time.

use std::fs;
use std::path::Path;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::pythons;
use crate::support::venv::Venv;

fn run(venv: &Venv, script: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("requests.py"), script).unwrap();
    audit(venv.path(), folder.path(), &[])
}

fn audit(environment: &Path, folder: &Path, more: &[&str]) -> Said {
    Wsgiaudit::new().arg(environment).args(["--exercise", "requests.py"]).args(more).within(folder).run()
}

#[test]
fn what_is_only_imported_at_first_use_is_found() {
    let venv = Venv::new().with("no-slot").with_python("shop", "def buy():\n    import no_slot\n");
    let said = run(&venv, "import shop\n").ended_with(1);
    assert!(
        said.out.contains("\nExercise requests.py\n  shared-gil: ready\n  own-gil: ready\n"),
        "{}",
        said.out
    );
    let said = run(&venv, "import shop\nshop.buy()\n").ended_with(1);
    assert!(said.out.contains("  own-gil: blocked: needs no_slot, refused: no slot 3\n"), "{}", said.out);
}

#[test]
fn a_failing_exercise_decides_where_every_distribution_is_ready() {
    let venv = Venv::new().with("well-behaved");
    let said =
        run(&venv, "import well_behaved, sys\nassert __name__ == '__main__'\nsys.exit(0)\n").ended_with(0);
    assert!(said.out.contains("  own-gil: ready\n"), "{}", said.out);
    let said = run(&venv, "import faulthandler\n").ended_with(1);
    assert!(
        said.out.contains("  own-gil: blocked: needs faulthandler, refused by CPython\n"),
        "{}",
        said.out
    );
    assert!(said.out.contains("WSGIPerInterpreterGIL On: no. 1 exercise is in the way"), "{}", said.out);
}

#[test]
fn a_script_that_fails_in_the_main_interpreter_too_tells_nothing() {
    let said = run(&Venv::new(), "import sys\nsys.exit('no database')\n").ended_with(3);
    assert!(said.out.contains("  own-gil: unknown: fails in the main interpreter too"), "{}", said.out);
    let folder = tempfile::tempdir().unwrap();
    let said = audit(Venv::new().path(), folder.path(), &[]).ended_with(2);
    assert!(said.err.contains("cannot read requests.py"), "{}", said.err);
}

#[test]
fn a_module_that_answers_for_names_that_it_has_not_is_no_exercise() {
    let venv =
        Venv::new().with_python("lazy", "def __getattr__(name):\n    raise RuntimeError('no ' + name)\n");
    let said = run(&venv, "import lazy\n").ended_with(0);
    assert!(said.out.contains("  own-gil: ready\n"), "{}", said.out);
}

#[test]
fn what_only_interpreters_at_the_same_time_show_is_found() {
    let venv = Venv::new().with("own-gil-race");
    let said = run(&venv, "import own_gil_race\n").ended_with(1);
    assert!(said.out.contains("  own-gil: unsafe: needs own_gil_race, crashes when threads"), "{}", said.out);
}

#[test]
fn a_free_threaded_build_runs_it_on_several_threads_at_the_same_time() {
    let venv = Venv::on(pythons::free_threaded()).with("well-behaved");
    let script = "\
import sys, time
running = sys.__dict__.setdefault('running', [])
running.append(0)
time.sleep(0.05)
assert len(running) == 1, 'two at the same time'
running.pop()
";
    let said = run(&venv, script).ended_with(0);
    let fails = "  free-threaded: unknown: fails when threads import and use it at the same time, with the GIL on too";
    assert!(said.out.contains(fails), "{}", said.out);
}

#[test]
fn every_form_tells_of_a_failing_exercise() {
    let venv = Venv::new().with("well-behaved");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("requests.py"), "import faulthandler\n").unwrap();
    audit(venv.path(), folder.path(), &["--json", "report.json"]).ended_with(1);
    for (format, told) in [
        ("html", "needs faulthandler, refused by CPython"),
        ("markdown", "- own-gil: blocked <code>needs faulthandler, refused by CPython</code>"),
        ("junit", "<testcase name=\"requests.py\" classname=\"wsgiaudit.own-gil\">"),
    ] {
        let render =
            Wsgiaudit::new().args(["render", "report.json", "--format", format]).within(folder.path());
        let said = render.run().ended_with(1);
        assert!(said.out.contains(told), "{format}: {}", said.out);
    }
    // And a later report without it is better.
    fs::write(folder.path().join("requests.py"), "import sys\n").unwrap();
    audit(venv.path(), folder.path(), &["--json", "later.json"]).ended_with(0);
    let diff = |old, new| Wsgiaudit::new().args(["diff", old, new]).within(folder.path()).run();
    assert!(diff("later.json", "report.json").ended_with(1).out.starts_with("Worse:\n- requests.py\n"));
    assert!(diff("report.json", "later.json").ended_with(0).out.starts_with("Better:\n- requests.py\n"));
}
