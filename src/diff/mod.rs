//! Compares an earlier and a later report of one environment: what changed, and what got worse. No I/O.

mod compare;
mod comparison;
mod root_causes;
#[cfg(test)]
pub(crate) mod test_documents;
#[cfg(test)]
mod tests;
mod worse_modules;

pub use compare::compare_reports;
pub use comparison::{Comparison, Direction, ModeComparison, RootCauseChange, SubjectChange, VerdictChange};
