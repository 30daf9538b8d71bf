//! Renders what a report supports as configuration: lines for Apache ([`render_apache_configuration`]),
//! options and an include file for mod_wsgi-express ([`render_express_options`]), a change of an existing
//! Apache configuration ([`ConfigurationChange`]), groups for `wsgiaudit serve`
//! ([`render_serve_groups`]), and lines for given numbers of processes and threads ([`render_tuned_process`]).

mod apache_configuration;
mod apache_syntax;
mod application_mounts;
mod change_plan;
mod configuration_change;
mod copies_steps;
mod express_options;
mod file_edit;
mod overlaid_source;
mod own_gil_modes;
mod process_options;
mod serve_groups;
mod tuned_process;

pub use apache_configuration::render_apache_configuration;
pub use application_mounts::{ApplicationMount, GeneratedConfiguration};
pub use configuration_change::{ChangeError, ConfigurationChange};
pub use express_options::render_express_options;
pub use own_gil_modes::{OwnGilModes, find_objection_in};
pub use serve_groups::render_serve_groups;
pub use tuned_process::{TunedProcess, render_tuned_process};
