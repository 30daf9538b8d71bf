//! Renders a report in each output format. Every renderer is a function from a report to text.

mod advice;
mod answer;
mod apache;
mod application;
pub mod copies;
pub mod details;
pub mod diff;
pub mod error;
pub mod escape;
pub mod github;
#[cfg(test)]
mod golden_tests;
pub mod grid;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod progress;
mod reasons;
mod requests;
pub mod sarif;
mod sarif_log;
pub mod style;
pub mod table;
mod untried_files;
