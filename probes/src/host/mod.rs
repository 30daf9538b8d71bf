//! The host: a WSGI server in the audited environment's own python.
//!
//! - [`config`]: what the auditor's side (`src/serve`) hands over. It includes that very file.
//! - [`serve`]: the process's life: start, ready, drain, end.
//! - [`http`]: HTTP/1.1 by hyper and tokio, on threads that never hold a GIL.
//! - [`socket`]: what listens; [`peer`]: who asks.
//! - [`exchange`]: one request on its way between the two sides.
//! - [`group`]: an application group: its queue, its interpreters, their threads.
//! - [`worker`]: a thread of an interpreter: attached to it only while it runs Python.
//! - [`environ`]: a request as PEP 3333's `environ`.
//! - [`meter`]: what is measured of a group, in [`histogram`]s; [`metrics`] tells it, [`scrape`] over HTTP.
//! - [`record`]: one request's record: its counts, and its line in the access log.
//! - [`guard`]: an extension module loads only if the report vetted it.
//! - [`glue`]: the C functions that `glue.py` calls, and the head of an answer.
//!
//! `glue.py` is the WSGI of each interpreter: `start_response`, `write`, iterables, `wsgi.input`.

pub(crate) mod config;
mod environ;
mod exchange;
mod glue;
mod group;
mod guard;
mod histogram;
mod http;
mod log;
mod meter;
mod metrics;
mod peer;
mod record;
mod scrape;
pub(crate) mod serve;
mod socket;
mod worker;
