//! Static analysis of an application's Python sources: what it imports, from where and when, and hazards for
//! sub-interpreters. Also parses the requests that trials send to an application. Nothing is run.

#![expect(clippy::wildcard_enum_match_arm, reason = "ruff's syntax enums have too many variants to list")]

mod conditions;
mod file_hazard;
mod function_calls;
mod hazardous_calls;
mod hazards;
mod import_aliases;
mod import_calls;
mod import_graph;
mod imports;
mod module_finder;
mod path_changes;
mod requests;
mod scan;
mod scanner;
#[cfg(test)]
mod tests;
mod variables;

pub use import_graph::{KnownImports, trace_application};
pub use module_finder::ModuleFinder;
pub use requests::{
    BodyPart, HttpRequest, JsonPathStep, ParsedRequests, TemplatePart, TextTemplate, ValueSource,
    parse_requests,
};
