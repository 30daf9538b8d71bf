//! `wsgiaudit serve`.

mod application_groups;
mod clients;
mod frameworks;
mod guard;
mod http_table;
mod operations;
mod serving;
mod soak;
mod telemetry;
mod telemetry_sent;
mod workers;
