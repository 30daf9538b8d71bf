//! Log messages for the operator, on standard error.

use std::io::Write;

/// Writes one log line. Errors are ignored: a closed standard error must not stop the server.
pub(super) fn log_message(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "wsgiaudit: {line}"));
}
