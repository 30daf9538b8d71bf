//! `wsgiaudit serve`: the supervisor of the host processes.
//!
//! The supervisor binds the sockets and starts the environment's python with the probes' library, whose
//! `probes/src/host` serves requests there. Signals tell the supervisor to replace or end the host process.
//!
//! [`ServeOptions`] reads the options, from the command line, the environment and `serve.toml`.

mod application;
mod error_log;
mod guard;
mod host;
mod host_config;
mod listening_socket;
mod live_page;
mod mod_wsgi_rules;
mod option_kind;
mod option_settings;
mod private_copies;
mod process_settings;
mod reload;
mod restart_delay;
mod serve_options;
mod serve_settings;
mod serve_user;
mod service_manager;
mod socket_access;
mod source_watch;
mod supervisor;
mod tls_files;

pub use option_kind::{ServeOption, list_options};
pub use serve_options::ServeOptions;
pub use supervisor::{ServerEnd, supervise};
