//! What the auditor and its probes share, and the parts of the probes that need no Python.
//!
//! The probes are a library that is loaded into the audited Python, so they cannot be linked into a test. What
//! they decide, parse and format without Python is in this crate, where unit tests reach it.
//!
//! Shared with the auditor, so that both sides always agree:
//!
//! - [`protocol`]: the wire protocol of trials; [`record_format`]: what a trial's process sends;
//!   [`trial_files`]: the names of its files.
//! - [`interpreter_names`]: the names of a trial's interpreters.
//! - [`module_slots`]: the slots of module definitions.
//! - [`mapping`]: lines of `/proc/PID/maps`.
//! - [`sandbox`]: the sandbox of a trial.
//! - [`host_config`]: the configuration of the host of `wsgiaudit serve`; [`log_line`]: lines of its error log.
//! - [`tls`]: certificates and keys of that host.
//!
//! For trials:
//!
//! - [`observed_event`]: what `observe.py` reports; [`accessed_path`]: how the files that a trial reads are
//!   recorded.
//! - [`memory_map`]: ranges of memory, pages and object headers; [`process_stat`]: files of `/proc`.
//! - [`isolation`]: what C code does beyond its own interpreter; [`elf_relocation`]: relocations of loaded files.
//!
//! For private copies of extension modules:
//!
//! - [`import_check`]: when CPython's check of extension modules is off.
//! - [`export_function`]: the functions that a shared object exports for a module.
//!
//! For the host:
//!
//! - [`request_framing`]: where requests begin and end on a connection; [`request_check`]: which are refused;
//!   [`body_pace`]: how slowly a client may send a body.
//! - [`proxy_protocol`]: what a proxy says before the first request.
//! - [`peer`]: the client of a request; [`request_path`] and [`request_headers`]: what it asks for.
//! - [`static_file`]: static files and conditional requests.
//! - [`response_head`]: the head of an application's response; [`latin1`]: how its texts are encoded;
//!   [`error_response`]: the responses of the server itself.
//! - [`application_result`]: the tagged values that `glue.py` returns.
//! - [`module_admission`]: whether an extension module may be loaded.
//! - [`group_meter`] and [`histogram`]: metrics of an application group; [`metrics`] exports them.
//! - [`access_log_line`]: a line of the access log.
//! - [`telemetry`]: mod_wsgi's telemetry datagrams. The auditor reads what the host sends.
//! - [`figures`]: what they say, and what that means.
#![forbid(unsafe_code)]

// Unit tests share a file with another crate.
#[cfg(test)]
extern crate self as wsgiaudit_probes_core;

pub mod access_log_line;
pub mod accessed_path;
pub mod application_result;
pub mod body_pace;
pub mod elf_relocation;
pub mod error_response;
pub mod export_function;
pub mod figures;
pub mod group_meter;
pub mod histogram;
pub mod host_config;
pub mod import_check;
pub mod interpreter_names;
pub mod isolation;
pub mod latin1;
pub mod lock;
pub mod log_line;
pub mod malloc_chunk;
pub mod mapping;
pub mod memory_map;
pub mod metrics;
pub mod module_admission;
pub mod module_slots;
pub mod observed_event;
pub mod peer;
pub mod process_stat;
pub mod protocol;
pub mod proxy_protocol;
pub mod record_format;
pub mod request_check;
pub mod request_framing;
pub mod request_headers;
pub mod request_path;
pub mod response_head;
pub mod sandbox;
pub mod static_file;
pub mod telemetry;
pub mod tls;
pub mod trial_files;
