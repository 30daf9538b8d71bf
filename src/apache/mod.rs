//! Analyzes Apache's configuration as mod_wsgi reads it: which interpreter serves each application, and which
//! directives have no effect, the wrong effect or a hidden one. Nothing is executed. Files are read through a
//! [`ConfigurationSource`].
//!
//! The steps, in order: [`read_configuration`] parses files into a tree of directives and resolves
//! conditions, macros and includes as Apache does while it reads. `site_builder` builds an [`ApacheSite`]
//! from the tree and rejects what the loaded version of mod_wsgi would reject (`directive_table`).
//! `request_trace` traces a request through the site, `mounts` probes it with sample URLs, and
//! [`analyze_deployment`] returns the mounts and findings.

mod access;
mod conditional_sections;
mod configuration_source;
mod directive_table;
mod directive_validation;
mod dispatch_script;
mod enclosing_sections;
mod express_handler;
mod file_system;
mod findings;
mod interpreter_options;
mod launch_environment;
mod lexer;
mod macros;
mod mod_wsgi_version;
mod mount_findings;
mod mount_table;
mod mounts;
mod name_resolution;
mod python_build;
mod reader;
mod regular_expression;
mod request_settings;
mod request_trace;
mod rewrite;
mod sections;
mod served_request;
mod site;
mod site_builder;
#[cfg(test)]
mod test_files;
#[cfg(test)]
mod tests;
mod url_mappings;
mod url_translation;
mod values;
mod wsgi_directives;
mod wsgi_module_file;

pub use configuration_source::{ConfigurationError, ConfigurationSource};
pub use file_system::FileSystem;
pub use findings::{AuditedApplication, analyze_deployment, describe_interpreter};
pub use mod_wsgi_version::ModWsgiVersion;
pub use mounts::build_site;
pub use python_build::PythonBuild;
pub use reader::{Definitions, Directive, read_configuration};
pub use site::{ApacheSite, Server};
