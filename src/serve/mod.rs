//! Hosting: the supervisor's side. It binds the sockets, starts the environment's own python with the probes'
//! library (`probes/src/host` is what runs there), and replaces and ends it as signals ask.

mod application;
mod guard;
mod host;
mod host_config;
mod listening_socket;
mod mod_wsgi_rules;
mod serve_settings;
mod supervisor;

/// What the supervisor hands over: the host's own file, so that the two cannot disagree.
#[path = "../../probes/src/host/config.rs"]
mod protocol;

pub use supervisor::supervise;
