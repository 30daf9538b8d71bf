//! A report as people and machines read it. Functions from a report to text.

pub mod escape;
pub mod json;
pub mod progress;
pub mod table;
