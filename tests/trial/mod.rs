//! What trials find out.

mod batches;
mod corpus;
mod crashes;
mod culprits;
mod exercise;
mod failed_control;
mod free_threading;
mod hostile;
mod python_defects;
mod refusals;
mod sandbox;
mod standard_library;
mod test_suites;
mod writable;
