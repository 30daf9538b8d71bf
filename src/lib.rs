//! Audits the C extension modules of a Python environment for mod_wsgi: do they work in sub-interpreters,
//! with a per-interpreter GIL (`WSGIPerInterpreterGIL` in mod_wsgi 6), and with free threading?
//!
//! The audit reads what each module declares, runs it in the interpreter configurations that mod_wsgi uses,
//! and decides by that evidence.
//!
//! # Modules
//!
//! In reading order, which follows an extension module from its file to its verdict:
//!
//! - [`model`]: the data types of the domain. No I/O.
//! - [`venv`]: an environment on disk: its interpreter, distributions, and files that may be extension
//!   modules.
//! - [`image`]: static analysis of a shared object: what its module declares ([`model::BinaryFacts`]).
//!   Nothing is run.
//! - [`app`]: static analysis of an application's Python sources: what it imports, and hazards.
//! - [`apache`]: Apache's configuration: where it mounts applications, and directives that do not work as
//!   intended.
//! - [`free_threaded_env`]: makes an environment with the same distributions for a free-threaded Python.
//! - [`digest`]: SHA-256 digests.
//! - [`copies`]: private copies of an environment's shared objects, a tree for each interpreter.
//! - [`platform`]: what depends on the operating system.
//! - [`regular_file`], [`bounded_walk`] and [`foreign_archive`]: safe reading of files, folders and zip files that
//!   others have written.
//! - [`python_source`]: parses Python sources that others have written.
//! - [`project_files`]: the lines of a project that require its distributions.
//! - [`output_file`]: output files that are complete or untouched.
//! - [`closed_socket`]: Unix sockets that are closed at first.
//! - [`shell_word`]: words of the commands that messages suggest.
//! - [`installer`]: installs and downloads packages with uv or pip.
//! - [`upgrades`]: what newer versions of blocking distributions declare.
//! - [`cache`]: results of earlier audits, valid as long as their inputs are unchanged.
//! - [`trial`]: runs each module in child processes of a zygote, in each [`model::Mode`].
//! - [`rules`]: decides verdicts from evidence, and the pages of the rules. No I/O.
//! - [`report`]: the sorted results, and their JSON document.
//! - [`diff`]: compares two documents.
//! - [`gate`]: decides the exit status from a report; [`settings`] finds a project's settings for that.
//! - [`render`]: formats a report for terminals, browsers and other tools.
//! - [`directive`]: generates configuration that a report supports, for Apache, mod_wsgi-express or `serve`.
//! - [`audit`]: runs an audit from start to end.
//! - [`command`], [`cli`], [`plan`] and [`exit`]: subcommands, command line, resolved arguments and exit
//!   statuses.
//! - [`serve`]: hosts a WSGI application in the environment's own Python.
//! - [`top`]: shows the telemetry of running servers.
//! - [`tune`]: compares, under load, the configurations in which an application may be served.
//! - [`manual`]: shell completions and manual pages, generated from [`cli`].
//!
//! Dependencies point in one direction, and the peers `venv`, `image` and `trial` do not use each other;
//! `tests/repository/tests/house.rs` checks both. The program does not link libpython: the audited environment's own Python
//! runs the probes, a library built from the workspace member `probes`. There is no `unsafe` code in this
//! crate.
//!
//! # Glossary
//!
//! Terms of an audit, in the order in which they occur:
//!
//! - *Extension module*: a Python module in a shared object ([`model::ExtensionFile`]). Its *declaration* is
//!   what it states about sub-interpreters and the GIL, in its slots ([`model::SlotDeclaration`]) and flags.
//! - *Mode* ([`model::Mode`]): a kind of interpreter that mod_wsgi can run an application in: `shared-gil`,
//!   `own-gil`, `own-gil-copies`, `free-threaded`, `free-threaded-group`, or `main`, the control.
//! - *Subject* ([`trial::TrialSubject`]): what a trial imports and uses: an extension module, a top-level
//!   name of a distribution, an application, or an *exercise* (a script that uses installed packages as a
//!   request would).
//! - *Trial* ([`model::Trial`]): one run of a subject in a child process. Its *scenario* says which
//!   interpreters are created; each step of its protocol is a *phase* ([`model::TrialPhase`]).
//! - *Control*: the trial in the main interpreter. What fails there too says nothing about a mode.
//! - *Probes*: the library that runs inside Python in a trial ([`trial::ProbeLibrary`]).
//! - *Zygote*: a process with Python initialized, from which the children of trials are forked.
//! - *Worker*: a zygote and the connection to it. A *session* is one thread's worker, with its cached results
//!   and its retries (`trial::session`).
//! - *Batch*: several subjects tried in one child, to share the cost of common imports (`trial::batch`).
//! - *Stress test* ([`trial::StressTest`]): a trial that imports and uses a subject in several threads or
//!   interpreters at the same time.
//! - *Record*: the events that a trial's process writes while it runs, which survive a crash.
//! - *Retained objects*: objects of an interpreter that something still refers to after that interpreter
//!   ended.
//! - *Outcome* ([`model::TrialOutcome`]): what a trial showed. *Evidence* ([`report::AuditEvidence`]) is
//!   everything that verdicts are decided from: outcomes, declarations, and what trials loaded.
//! - *Rule* ([`model::Rule`]): a documented reason for a verdict or a finding, with an id.
//! - *Verdict* ([`model::Verdict`]): how a module, distribution or application fares in one mode: `unsafe`,
//!   `blocked`, `unknown`, `degraded`, `ready` or `not-applicable`. With its reason it is a
//!   [`model::Judgement`]; a failure has a *root cause* ([`model::RootCause`]).
//! - *Finding* ([`model::ModuleFinding`], [`model::DeploymentFinding`]): a rule, a location and a message. It
//!   does not change a verdict.
//! - *Hazard* ([`model::SourceHazard`]): a pattern in Python source code that fails or misbehaves in some
//!   modes. A [`model::BinaryHazard`] is a property of a shared object that matters beside its declaration.
//! - *Mount* ([`model::ScriptMount`]): where Apache serves a WSGI script: URL, process group and application
//!   group, and so the mode. A whole configuration is a [`model::Deployment`].
//! - *Report* ([`report::Report`]): the sorted results of an audit. The [`report::Document`] is its stored
//!   JSON form.
//! - *Blocker* ([`report::v1::Blocker`]): a distribution whose modules are the root cause of failures, with
//!   the distributions that it blocks.
//! - *Gate* ([`gate::Gate`]): the conditions that decide the exit status ([`exit::Exit`]). An *acceptance*
//!   ([`gate::Acceptance`]) tolerates a verdict until an expiry date; a *baseline* is an older report,
//!   compared with which only verdicts that got worse fail ([`diff::Comparison`]).
//! - *Private copy* ([`copies::PlannedCopy`]): a shared object of the environment with a library name of its own, for
//!   one interpreter. A *tree* is all copies for an interpreter; a *set* is the trees of a process
//!   ([`copies::CopySet`]).
//! - *Workaround*: what to do about a verdict: an upgrade ([`model::AvailableUpgrade`]), another mode, or a
//!   directive.
#![forbid(unsafe_code)]

pub mod apache;
pub mod app;
pub mod audit;
pub mod bounded_walk;
pub mod cache;
pub mod cli;
pub mod closed_socket;
pub mod command;
pub mod copies;
pub mod diff;
pub mod digest;
pub mod directive;
pub mod exit;
pub mod foreign_archive;
pub mod free_threaded_env;
pub mod gate;
pub mod image;
pub mod installer;
pub mod manual;
pub mod model;
pub mod output_file;
pub mod plan;
pub mod platform;
pub mod project_files;
pub mod python_source;
pub mod regular_file;
pub mod render;
pub mod report;
pub mod rules;
pub mod serve;
pub mod settings;
pub mod shell_word;
pub mod top;
pub mod trial;
pub mod tune;
pub mod upgrades;
pub mod venv;
