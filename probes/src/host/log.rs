//! Lines for the operator, on standard error.

use std::io::Write;

/// One line. A closed standard error is no reason to stop.
pub(super) fn say(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "wsgiaudit: {line}"));
}
