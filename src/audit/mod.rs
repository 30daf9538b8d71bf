//! A run, from the environment's folder to the report.

mod application;
mod around;
mod deployment;
mod disk;
mod exercise;
mod free_threaded;
mod modules;
mod named;
mod own_modules;
mod remembered;
mod request_list;
mod requests;
mod run;
mod scratch;
mod shadows;
mod suites;
mod unpack;
mod ways_out;

pub use run::run;
