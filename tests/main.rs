//! End to end: the command as a process, on real environments. One file a theme; one binary, since each
//! would build and link the whole again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod apache_config;
mod apache_config_proof;
mod apache_directive;
mod apache_guard;
mod apache_judge;
mod application;
mod application_groups;
mod blockers;
mod cache;
mod cli;
mod corpus;
mod crashes;
mod declarations;
mod declarations_elsewhere;
mod demo;
mod diff;
mod directive;
mod exercise;
mod formats;
mod frameworks;
mod free_threading;
mod gate;
mod guard;
mod hard_cases;
mod hazards;
mod hostile;
mod hostile_files;
mod house;
mod interruption;
mod module;
mod packaging;
mod page;
mod reports;
mod requests;
mod rules;
mod sandbox;
mod serving;
mod soak;
mod standard_library;
mod suites;
mod support;
mod survey;
mod telemetry;
mod upgrades;
