//! `--exercise-tests`: the tests that a distribution brings along, in each kind of interpreter.

use crate::support::applications_environment;
use crate::support::command::{Said, Wsgiaudit};
use crate::support::pythons;
use crate::support::venv::Venv;

fn audit(venv: &Venv, options: &[&str]) -> Said {
    Wsgiaudit::new().arg(venv.path()).args(["--exercise-tests", "Shop_Kit"]).args(options).run()
}

/// `shop` with these tests, and pytest.
fn venv(shop: &str, tests: &str) -> Venv {
    with_shop(Venv::new(), shop, tests)
}

fn with_shop(venv: Venv, shop: &str, tests: &str) -> Venv {
    let mut venv = venv
        .with_file("shop/__init__.py", shop)
        .with_file("shop/tests/test_shop.py", tests)
        .with_file("shop_kit-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shop-kit\nVersion: 1.0\n")
        .with_file("shop_kit-1.0.dist-info/RECORD", "shop/__init__.py,,\nshop/tests/test_shop.py,,\n");
    for name in ["pytest", "pluggy", "iniconfig", "packaging", "pygments"] {
        venv = venv.with_distribution(&applications_environment(), name);
    }
    venv
}

#[test]
fn tests_that_pass_everywhere_are_ready() {
    let venv = venv(
        "answer = 42\n",
        "import shop\ndef test_answer():\n    assert shop.answer == 42\ndef test_never():\n    assert False\n",
    );
    let said = audit(&venv, &[]).ended_with(0);
    let rows = "\nExercise tests of shop-kit\n  shared-gil: ready\n  own-gil: ready\n";
    assert!(said.out.contains(rows), "{}", said.out);
    assert!(
        said.out.contains("note: tests of shop-kit: 1 that pass in the main interpreter were run\n"),
        "{}",
        said.out
    );
}

#[test]
fn a_test_that_fails_in_another_interpreter_alone_is_told_with_its_cause() {
    let shop = "def pay():\n    import no_slot\n";
    let tests = "import shop\ndef test_shop():\n    assert shop\ndef test_pay():\n    shop.pay()\n";
    let venv = venv(shop, tests).with("no-slot");
    let said = audit(&venv, &["--format", "json"]).ended_with(1);
    let report = said.body();
    let own = &report["exercises"][0]["modes"]["own-gil"];
    assert_eq!(own["verdict"], "blocked", "{own}");
    assert_eq!(own["cause"]["module"], "no_slot", "{own}");
    let text = own.to_string();
    assert!(text.contains("1 of 2 tests that pass in the main interpreter fail: shop/tests/test_shop.py::test_pay: ImportError"), "{text}");
    assert_eq!(report["exercises"][0]["modes"]["shared-gil"]["verdict"], "ready");
}

#[test]
fn what_no_sub_interpreter_has_is_left_out_and_told() {
    let tests = "\
import os, signal
def test_answer():
    assert True
def test_fork():
    if os.fork() == 0:
        os._exit(0)
    os.wait()
def test_signal():
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
";
    let said = audit(&venv("", tests), &[]).ended_with(0);
    assert!(said.out.contains("\n  own-gil: ready\n"), "{}", said.out);
    let told = "note: tests of shop-kit: 2 need what sub-interpreters do not support (own-gil): shop/tests/test_shop.py::test_fork: fork not supported";
    assert!(said.out.contains(told), "{}", said.out);
}

#[test]
fn what_only_interpreters_at_the_same_time_show_is_found_by_tests() {
    let tests = "import own_gil_race\ndef test_race():\n    assert own_gil_race\n";
    let said = audit(&venv("", tests).with("own-gil-race"), &[]).ended_with(1);
    assert!(said.out.contains("  own-gil: unsafe: needs own_gil_race, crashes when threads"), "{}", said.out);
}

#[test]
fn where_no_test_passes_nothing_is_known() {
    let said = audit(&venv("", "def test_never():\n    assert False, 'no database'\n"), &[]).ended_with(3);
    assert!(said.out.contains("  own-gil: unknown: fails in the main interpreter too"), "{}", said.out);
}

#[test]
fn what_cannot_be_run_is_an_error_that_says_what_to_do() {
    let bare = Venv::new().with("no-slot").with_python("shop_kit", "");
    for (venv, told) in [
        (&bare, "--exercise-tests runs tests with pytest, which is not installed in the environment\nhint: "),
        (&Venv::new(), "Shop_Kit is not installed in the environment"),
    ] {
        let said = audit(venv, &[]).ended_with(2);
        assert!(said.err.contains(told), "{}", said.err);
    }
    let without = bare.with_distribution(&applications_environment(), "pytest");
    let said = audit(&without, &[]).ended_with(2);
    assert!(said.err.contains("Shop_Kit contains no tests"), "{}", said.err);
}

#[test]
fn without_a_gil_they_are_not_run_and_that_is_told() {
    let venv = with_shop(
        Venv::on(pythons::free_threaded()),
        "answer = 42\n",
        "import shop\ndef test_answer():\n    assert shop.answer == 42\n",
    );
    let said = audit(&venv, &[]).ended_with(0);
    assert!(said.out.contains("tests of shop-kit: not run in free-threaded modes"), "{}", said.out);
    assert!(!said.out.contains("  free-threaded: "), "{}", said.out);
}
