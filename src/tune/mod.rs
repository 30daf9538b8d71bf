//! `wsgiaudit tune`: finds out by measuring how to serve an application, among the configurations that an audit allows.
//!
//! Each configuration is served by `wsgiaudit serve`, in a process of its own, and loaded in rounds, all configurations in
//! each round. Ranks of the rounds decide what is better; where nothing is, the simplest configuration is recommended.

mod access_log;
mod allowed_modes;
mod build_document;
mod candidates;
mod configuration;
mod decision;
mod document;
mod equivalents;
mod goal;
mod latencies;
mod load;
mod load_outcome;
mod load_request;
mod measurement;
mod rank_test;
mod reasons;
mod render_html;
mod render_markdown;
mod render_table;
mod request_source;
mod run;
mod search;
#[cfg(test)]
mod search_tests;
mod selection;
mod serve_measurer;
mod server_arguments;
mod server_metrics;
mod server_process;
mod transport;
mod tried;

pub use allowed_modes::is_unknown;
pub use configuration::ServerConfiguration;
pub use decision::Sureness;
pub use document::{
    CloseConfiguration, Recommendation, ServerSettings, Standing, TimeSummary, TuneDocument, TuneLoad,
    TuneTarget, TunedConfiguration,
};
pub use render_html::render_html;
pub use render_markdown::render_markdown;
pub use render_table::render_table;
pub use request_source::RequestSource;
pub use run::{prepare_requests, run_comparison};
