//! `wsgiaudit serve`.

mod application_groups;
mod clients;
mod error_log;
mod frameworks;
mod guard;
mod http_table;
mod operations;
mod options;
mod proxy_protocol;
mod reload;
mod serve_user;
mod serving;
mod soak;
mod static_files;
mod telemetry;
mod telemetry_sent;
mod tls;
mod workers;
