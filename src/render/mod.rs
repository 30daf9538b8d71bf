//! A report as people and machines read it. Functions from a report to text.

mod answer;
pub mod details;
pub mod escape;
pub mod json;
pub mod progress;
pub mod table;
