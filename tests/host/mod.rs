//! `wsgiaudit serve`.

mod application_groups;
mod frameworks;
mod guard;
mod serving;
mod soak;
mod telemetry;
