//! Apache configurations, and a real Apache as the judge.

mod configuration_change;
mod configurations;
mod configurations_in_apache;
mod directive;
mod directive_in_apache;
mod guard_in_apache;
mod main_interpreter;
mod sites;
mod telemetry_in_apache;
pub(crate) mod verdicts_in_apache;
