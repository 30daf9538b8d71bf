//! `wsgiaudit` tells whether the C extensions of a virtualenv are fit for a per-interpreter GIL
//! (`WSGIPerInterpreterGIL` in mod_wsgi 6): it reads what each declares, tries each under the very
//! interpreter configurations that mod_wsgi uses, and judges by that evidence.
//!
//! In reading order, which is a module's way from file to verdict:
//!
//! - [`model`]: the nouns. No I/O.
//! - [`venv`]: an environment on disk: its python, distributions, candidates for extension modules.
//! - [`image`]: a file's bytes to its declaration ([`model::Facts`]), without running it.
//! - [`app`]: an application's sources: what it imports and when, and hazards in them.
//! - [`apache`]: a web server's configuration: where it puts applications, and what of it does not do what it says.
//! - [`shadow`]: the same distributions once more, for the free-threaded build of the environment's Python.
//! - [`digest`]: files by their SHA-256.
//! - [`regular_file`]: reads files from outside.
//! - [`installer`]: uv or pip, for what an index has.
//! - [`upgrades`]: what newer versions of what stands in the way declare.
//! - [`cache`]: answers of earlier audits, for as long as what led to them is the same.
//! - [`trial`]: each module in children of a zygote, in each [`model::Mode`]: [`model::Trial`]s.
//! - [`rules`]: evidence to [`model::Judgement`]s. Pure.
//! - [`report`]: the sorted result, and its JSON document.
//! - [`diff`]: what changed between two documents.
//! - [`gate`]: the report to an exit status: what is required, accepted, and was so before; [`settings`] finds
//!   what a project says of that.
//! - [`render`]: the report as text.
//! - [`directive`]: what a report supports, as configuration: for Apache, mod_wsgi-express or `serve`.
//! - [`audit`]: the run that strings these together; [`plan`], [`cli`] and [`exit`] around it.
//! - [`serve`]: the other way round: hosts an application in the environment's own python.
//! - [`manual`]: shell completions and manual pages, from [`cli`].
//!
//! Dependencies point one way, and peers (`venv`, `image`, `trial`) do not use each other; `tests/house.rs`
//! checks both. Absent on purpose: libpython (the audited environment's own python runs the probes, built
//! from the workspace member `probes`), and `unsafe`.
#![forbid(unsafe_code)]

pub mod apache;
pub mod app;
pub mod audit;
pub mod cache;
pub mod cli;
pub mod command;
pub mod diff;
pub mod digest;
pub mod directive;
pub mod exit;
pub mod free_threaded_env;
pub mod gate;
pub mod image;
pub mod installer;
pub mod manual;
pub mod model;
pub mod plan;
pub mod regular_file;
pub mod render;
pub mod report;
pub mod rules;
pub mod serve;
pub mod settings;
pub mod trial;
pub mod upgrades;
pub mod venv;
