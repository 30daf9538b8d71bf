//! `wsgiaudit serve`.

mod application_groups;
mod clients;
mod error_log;
mod frameworks;
mod guard;
mod http_table;
mod live_page;
mod operations;
mod options;
mod proxy_protocol;
mod reload;
mod serve_user;
mod serving;
mod slow_stacks;
mod soak;
mod static_files;
mod telemetry;
mod telemetry_sent;
mod telemetry_volume;
mod tls;
mod workers;
