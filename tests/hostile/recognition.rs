//! What a module sees of the audit that tries it.

use super::compile::sources;
use super::{audit_attacked, innocents, verdicts};

/// Looks at its environment, its command line, its memory map, its frames, the import system and what is in its folders, and
/// raises an ImportError if anything names this program.
#[test]
fn nothing_that_a_module_sees_names_the_audit() {
    let source = std::fs::read_to_string(sources("modules").join("looks_for_its_audit.py")).unwrap();
    let venv = innocents().with_python("looks_for_its_audit", &source);
    for options in [&[][..], &["--no-cache"][..], &["--no-sandbox"][..]] {
        let report = audit_attacked(&venv, options);
        assert_eq!(verdicts(&report, "looks_for_its_audit"), ["ready", "ready"], "{report}");
    }
}
