//! Names of a trial's interpreters, as the record and the report have them.

/// The main interpreter.
pub const MAIN: &str = "main";

/// The first sub-interpreter.
pub const FIRST: &str = "A";

/// The sub-interpreter that is created while the first one exists.
pub const SECOND: &str = "B";

/// The sub-interpreter that is created after the first one has ended.
pub const THIRD: &str = "C";

/// The sub-interpreter that is created after the second one has ended.
pub const FOURTH: &str = "D";

/// Any of the sub-interpreters of a stress test, which are too many to be told apart.
pub const STRESS_TEST: &str = "storm";

/// Whether this is the interpreter that imports the subject first.
pub fn is_first(name: &str) -> bool {
    [MAIN, FIRST].contains(&name)
}
