//! Modules that reach beyond their trial: for permissions, times and owners of files, and for the system.

use std::os::unix::fs::MetadataExt;

use walkdir::WalkDir;

use super::compile::with_module;
use super::{audit_attacked, innocents, verdicts};
use crate::support::running::Running;
use crate::support::venv::Venv;

/// Path, permissions, owner, times and size of everything in the environment.
pub(super) fn state(venv: &Venv) -> Vec<String> {
    let entries = WalkDir::new(venv.path()).sort_by_file_name().into_iter().map(Result::unwrap);
    let line = |entry: walkdir::DirEntry| {
        let found = entry.metadata().unwrap();
        let times = (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec());
        format!("{} {:o} {} {times:?} {}", entry.path().display(), found.mode(), found.uid(), found.size())
    };
    entries.map(line).collect()
}

#[test]
fn a_trial_changes_no_metadata_of_its_neighbours() {
    let source = "import os, sys\n\
        here = os.path.dirname(__file__)\n\
        for name in os.listdir(here):\n    \
            path = os.path.join(here, name)\n    \
            for change in (lambda: os.chmod(path, 0), lambda: os.utime(path, (0, 0)),\n        \
                lambda: os.chown(path, 65534, 65534), lambda: os.setxattr(path, 'user.x', b'y'),\n        \
                lambda: os.fchmod(os.open(path, os.O_RDONLY), 0)):\n        \
                try:\n            change()\n        \
                except OSError:\n            pass\n";
    let venv = innocents().with_python("changes", source);
    let before = state(&venv);
    let report = audit_attacked(&venv, &[]);
    assert_eq!(state(&venv), before);
    assert_eq!(verdicts(&report, "corpus-no-slot"), ["ready", "blocked"]);
}

#[test]
fn a_trial_reaches_nothing_beyond_it() {
    let name = "reaches_beyond_its_trial";
    let report = audit_attacked(&with_module(innocents(), name), &[]);
    assert_eq!(verdicts(&report, name), ["ready", "ready"], "{report}");
}

#[test]
fn a_change_of_the_environment_is_said() {
    let source = "import os\nos.chmod(os.path.join(os.path.dirname(__file__), 'plain.py'), 0o600)\n";
    let venv = innocents().with_python("changes", source);
    let options = ["--no-sandbox", "--jobs", "1"];
    let (_, report) = Running::start(&venv, &options).end();
    assert!(report.to_string().contains("the environment changed while it was audited"), "{report}");
    let (_, report) = Running::start(&innocents(), &options).end();
    assert!(!report.to_string().contains("the environment changed"), "{report}");
}
