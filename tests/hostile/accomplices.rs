//! Modules that change the results of other names in the same trial.

use super::{audit_attacked, innocents, verdicts};

/// `helper` passes alone. In company it makes the failing import of `victim` succeed.
#[test]
fn foreign_c_code_is_no_company() {
    let venv = innocents()
        .with_python(
            "helper",
            "import sys, types, well_behaved\n\
             sys.modules['victim'] = types.ModuleType('victim')\n",
        )
        .with_python(
            "victim",
            "import _interpreters\n\
             if _interpreters.get_current()[0] != 0:\n    raise ImportError('victim is for the main interpreter')\n",
        );
    let report = audit_attacked(&venv, &[]);
    assert_eq!(verdicts(&report, "victim"), ["blocked", "blocked"], "{report}");
    assert_eq!(verdicts(&report, "helper"), ["ready", "ready"], "{report}");
}
