//! Answers of earlier audits: used for as long as everything that led to them is the same, and not a moment longer.

use std::fs;

use serde_json::Value;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// A user's cache.
struct Cache(tempfile::TempDir);

/// A report, how many trials it wanted, and how many of them were not run again.
struct Audit {
    report: Value,
    said: Said,
    all: u64,
    remembered: u64,
}

impl Cache {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn audit(&self, venv: &Venv, options: &[&str]) -> Audit {
        // A file that changed a moment ago may change again unseen: nothing is kept of it.
        std::thread::sleep(std::time::Duration::from_millis(50));
        let command = Wsgiaudit::new().arg(venv.path()).args(["--format", "json"]).args(options);
        let said = command.env("XDG_CACHE_HOME", self.0.path()).run();
        let mut report: Value = serde_json::from_str(&said.out).unwrap();
        let trials = report.as_object_mut().unwrap().remove("header").unwrap()["trials"].take();
        let count = |name: &str| trials[name].as_u64().unwrap_or_default();
        Audit { report, said, all: count("all"), remembered: count("remembered") }
    }

    fn answers(&self) -> Vec<std::path::PathBuf> {
        let folders = fs::read_dir(self.0.path().join("wsgiaudit/trials")).unwrap();
        let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
        files.map(|file| file.unwrap().path()).filter(|path| path.is_file()).collect()
    }
}

impl Audit {
    fn own_gil(&self, distribution: &str) -> &str {
        let rows = self.report["distributions"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == distribution).unwrap();
        row["modes"]["own-gil"]["verdict"].as_str().unwrap()
    }
}

/// Whether changing something in this environment is noticed: the verdict on `shop` goes from ready to blocked.
#[track_caller]
fn is_noticed(venv: Venv, change: impl FnOnce(Venv) -> Venv) {
    let cache = Cache::new();
    assert_eq!(cache.audit(&venv, &[]).own_gil("shop"), "ready");
    let again = cache.audit(&venv, &[]);
    assert!(again.all > 0 && again.remembered == again.all, "{} of {}", again.remembered, again.all);
    let venv = change(venv);
    assert_eq!(cache.audit(&venv, &[]).own_gil("shop"), "blocked");
}

#[test]
fn the_same_files_are_not_tried_again_and_the_report_is_the_same() {
    let venv = Venv::new().with("well-behaved").with("no-slot").with("crash-in-second").with_python("a", "");
    let cache = Cache::new();
    let first = cache.audit(&venv, &[]);
    assert_eq!((first.remembered, first.said.err.as_str()), (0, ""));
    let again = cache.audit(&venv, &[]);
    assert_eq!(again.report, first.report);
    assert_eq!(again.remembered, again.all);
    let told =
        format!("wsgiaudit: {0} of {0} trials were answered from the cache of earlier audits", again.all);
    assert!(again.said.err.starts_with(&told), "{}", again.said.err);
    assert_eq!(again.said.status, first.said.status);
    // Where they are not wanted, and where a trial could have forged them.
    for option in ["--no-cache", "--no-sandbox"] {
        assert_eq!(cache.audit(&venv, &[option]).all, 0, "{option}");
    }
    // Asked in another way, it is another question.
    assert!(cache.audit(&venv, &["--thorough"]).remembered < again.all);
}

#[test]
fn one_distribution_changed_is_tried_again_alone() {
    let cache = Cache::new();
    let venv = Venv::new().with("well-behaved").with("no-slot").with_python("shop", "");
    let all = cache.audit(&venv, &[]).all;
    let venv = venv.with_file("shop.py", "import faulthandler\n");
    let again = cache.audit(&venv, &[]);
    assert_eq!(again.own_gil("shop"), "blocked");
    assert!(again.remembered > 0 && again.remembered < again.all && again.all <= all, "{}", again.remembered);
}

#[test]
fn what_is_needed_is_as_good_as_what_needs_it() {
    let venv = Venv::new().with_python("shop", "import till\n").with_python("till", "");
    is_noticed(venv, |venv| venv.with_file("till.py", "import faulthandler\n"));
}

#[test]
fn an_installation_is_noticed_by_who_would_have_imported_it() {
    let venv =
        Venv::new().with_python("shop", "try:\n    import till\nexcept ModuleNotFoundError:\n    pass\n");
    is_noticed(venv, |venv| venv.with_python("till", "import faulthandler\n"));
}

#[test]
fn what_is_imported_as_an_interpreter_starts_is_part_of_every_answer() {
    let shop = "import sys\nif hasattr(sys, 'till_is_open'):\n    import faulthandler\n";
    let venv = Venv::new().with_python("shop", shop).with_file("till.pth", "import till_start\n");
    is_noticed(venv.with_file("till_start.py", ""), |venv| {
        venv.with_file("till_start.py", "import sys\nsys.till_is_open = True\n")
    });
}

#[test]
fn what_the_main_interpreter_has_imported_as_it_starts_is_part_of_the_control() {
    let cache = Cache::new();
    let shop = "import sys\nif hasattr(sys, 'till_is_open'): raise OSError\n";
    let venv = Venv::new().with_python("shop", shop).with_file("till.pth", "import till_start\n");
    let venv = venv.with_file("till_start.py", "");
    assert_eq!(cache.audit(&venv, &[]).own_gil("shop"), "ready");
    let start =
        "import _interpreters, sys\nif _interpreters.get_current()[0] == 0: sys.till_is_open = True\n";
    let again = cache.audit(&venv.with_file("till_start.py", start), &[]);
    assert_eq!(again.own_gil("shop"), "unknown");
}

#[test]
fn what_could_be_imported_then_and_is_not_is_no_part_of_any() {
    let cache = Cache::new();
    let start = "import sys; exec('import os\\nif os.getenv(\"TILL_IS_OPEN\"): import till')\n";
    let venv = Venv::new().with_python("shop", "").with_python("till", "").with_file("till.pth", start);
    let venv = venv.with_file("till-1.0.dist-info/RECORD", "till.py,,\ntill.pth,,\n");
    let of_one = cache.audit(&Venv::new().with_python("till", ""), &[]).all;
    cache.audit(&venv, &[]);
    let again = cache.audit(&venv.with_file("till.py", "version = 2\n"), &[]);
    assert!(again.all - again.remembered <= of_one, "{} of {}", again.remembered, again.all);
}

#[test]
fn metadata_is_read_too() {
    let venv = Venv::new().with_python("shop", LOOKS_FOR_TILLS).with_python("till", "");
    is_noticed(venv, |venv| {
        venv.with_file("till-1.0.dist-info/entry_points.txt", "[tills]\none = faulthandler\n")
    });
}

/// Looks for plug-ins as fsspec and pytest do: in the metadata of every distribution.
const LOOKS_FOR_TILLS: &str = "\
from importlib.metadata import entry_points
for each in entry_points(group='tills'):
    each.load()
";

/// As an upgrade would leave it: another version in other files, and what else its metadata hold.
fn upgraded(venv: Venv, more: &[(&str, &str)]) -> Venv {
    let folder = venv.site_packages();
    fs::rename(folder.join("till-1.0.dist-info"), folder.join("till-2.0.dist-info")).unwrap();
    let metadata = "Metadata-Version: 2.1\nName: till\nVersion: 2.0\n";
    let files = [("till-2.0.dist-info/METADATA", metadata), ("till.py", "version = 2\n")];
    let files = files.iter().chain(more);
    files.fold(venv, |venv, (name, text)| venv.with_file(name, text))
}

#[test]
fn who_looks_for_plug_ins_is_not_tried_again_for_an_upgrade_of_what_has_none() {
    let cache = Cache::new();
    let venv = Venv::new().with_python("shop", LOOKS_FOR_TILLS).with_python("till", "");
    let of_one = cache.audit(&Venv::new().with_python("till", ""), &[]).all;
    let first = cache.audit(&venv, &[]);
    let again = cache.audit(&upgraded(venv, &[]), &[]);
    assert_eq!(again.own_gil("shop"), "ready");
    assert_eq!(again.all, first.all);
    assert!(again.all - again.remembered <= of_one, "{} of {}", again.remembered, again.all);
}

#[test]
fn an_upgrade_that_brings_a_plug_in_is_noticed() {
    let venv = Venv::new().with_python("shop", LOOKS_FOR_TILLS).with_python("till", "");
    let venv = venv.with_file("till-1.0.dist-info/entry_points.txt", "[counters]\none = faulthandler\n");
    is_noticed(venv, |venv| {
        upgraded(venv, &[("till-2.0.dist-info/entry_points.txt", "[tills]\none = faulthandler\n")])
    });
}

#[test]
fn an_upgrade_is_noticed_by_who_asks_for_the_version() {
    let shop = "\
from importlib.metadata import version
if version('till') != '1.0':
    import faulthandler
";
    is_noticed(Venv::new().with_python("shop", shop).with_python("till", ""), |venv| upgraded(venv, &[]));
}

#[test]
fn a_file_elsewhere_is_noticed_when_it_changes_and_when_it_comes() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("settings");
    let shop = format!(
        "try:\n    settings = open({:?}).read()\nexcept OSError:\n    settings = ''\n\
         if settings == 'open':\n    import faulthandler\n",
        file.to_str().unwrap()
    );
    is_noticed(Venv::new().with_python("shop", &shop), |venv| {
        fs::write(&file, "open").unwrap();
        venv
    });
    fs::write(&file, "shut").unwrap();
    is_noticed(Venv::new().with_python("shop", &shop), |venv| {
        fs::write(&file, "open").unwrap();
        venv
    });
}

#[test]
fn a_module_of_python_in_the_place_of_an_extension_module_is_noticed() {
    let venv = Venv::new().with("well-behaved").with("no-slot").with_python("shop", "import well_behaved\n");
    is_noticed(venv, |venv| {
        fs::remove_file(venv.file("well_behaved")).unwrap();
        venv.with_file("well_behaved.py", "import no_slot\n")
    });
}

#[test]
fn an_extension_module_that_changed_is_tried_again() {
    let cache = Cache::new();
    let venv = Venv::new().with("well-behaved").with("no-slot");
    cache.audit(&venv, &[]);
    let file = venv.file("well_behaved");
    fs::write(&file, [fs::read(&file).unwrap(), vec![0]].concat()).unwrap();
    let again = cache.audit(&venv, &[]);
    assert!(again.remembered > 0 && again.remembered < again.all, "{} of {}", again.remembered, again.all);
}

#[test]
fn a_digest_is_of_the_file_as_it_is() {
    let cache = Cache::new();
    let venv = Venv::new().with("well-behaved");
    let digest = |audit: Audit| audit.report["modules"][0]["sha256"].as_str().unwrap().to_owned();
    let before = digest(cache.audit(&venv, &[]));
    assert_eq!(digest(cache.audit(&venv, &[])), before);
    let file = venv.file("well_behaved");
    let (changed, mut bytes) = (fs::metadata(&file).unwrap().modified().unwrap(), fs::read(&file).unwrap());
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(changed).unwrap();
    let after = digest(cache.audit(&venv, &[]));
    assert_ne!(after, before);
    assert_eq!(after, digest(cache.audit(&venv, &["--no-cache"])));
}

#[test]
fn what_came_of_the_machine_is_not_kept() {
    let cache = Cache::new();
    let venv = Venv::new().with("hang-in-init");
    let hurried = cache.audit(&venv, &["--timeout", "1"]);
    let again = cache.audit(&venv, &["--timeout", "1"]);
    assert!(again.remembered < again.all, "{} of {}", again.remembered, again.all);
    assert_eq!(again.report, hurried.report);
}

#[test]
fn an_environment_whose_bytecode_was_deleted_is_remembered() {
    let cache = Cache::new();
    let venv = Venv::new().with_python("shop", "");
    let venv = venv.with_file("shop-1.0.dist-info/RECORD", "shop.py,,\n__pycache__/shop.cpython-314.pyc,,\n");
    let first = cache.audit(&venv, &[]);
    let again = cache.audit(&venv, &[]);
    assert!(first.all > 0 && again.remembered == again.all, "{} of {}", again.remembered, again.all);
}

#[test]
fn damaged_answers_are_none_and_those_of_an_environment_that_is_gone_go() {
    let cache = Cache::new();
    let venv = Venv::new().with("no-slot");
    let first = cache.audit(&venv, &[]);
    for file in cache.answers() {
        let text = fs::read(&file).unwrap();
        fs::write(&file, &text[..text.len() / 2]).unwrap();
    }
    let again = cache.audit(&venv, &[]);
    assert_eq!((&again.report, again.remembered), (&first.report, 0));
    let (folders, gone) = (|| fs::read_dir(cache.0.path().join("wsgiaudit/trials")).unwrap().count(), venv);
    assert_eq!(folders(), 1);
    drop(gone);
    cache.audit(&Venv::new(), &[]);
    assert_eq!(folders(), 1);
}
