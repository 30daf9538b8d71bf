//! The host: a WSGI server in the audited environment's own python.
//!
//! - [`server`]: entry point and lifecycle: start, ready, drain, end.
//! - [`host_signals`]: signals to the host process.
//! - [`http`]: accepts connections; HTTP/1.1 is by hyper and tokio, on threads that never hold a GIL.
//! - [`inherited_descriptor`]: descriptors from the supervisor.
//! - [`listen_socket`]: listening sockets; [`client_stream`]: the bytes of a connection.
//! - [`proxied_client`]: the client that the PROXY protocol names.
//! - [`tls_identity`]: the certificates and the key; [`tls_handshake`]: the handshake of a connection.
//! - [`connection`]: the requests of a connection; [`dispatch`]: passes them to application groups.
//! - [`static_files`]: serves files of folders.
//! - [`request_body`]: receives the body of a request, before the application takes the request.
//! - [`server_state`]: what all connections share.
//! - [`request_exchange`]: one request and its response, between the HTTP side and the Python side.
//! - [`application_group`]: an application group: its queue, its interpreters, their threads.
//! - [`worker_thread`]: a thread of an interpreter: attached to it only while it runs Python.
//! - [`worker_watch`]: what such a thread works for, and what telemetry measures of it.
//! - [`gil`]: releases the GIL while a thread waits, and measures the wait for it.
//! - [`environ`]: the `environ` of a request (PEP 3333).
//! - [`supervisor_pipe`]: the pipe to the supervisor; [`process_usage`]: its use of processors and memory.
//! - [`source_reports`]: the sources that the application has loaded.
//! - [`slow_watch`]: finds slow requests; [`stack_sampler`]: reads their Python stacks.
//! - [`live_page`]: the live page; [`live_feed`]: what it shows; [`lifecycle_file`] and
//!   [`process_files`]: what it shows of the other processes.
//! - [`metrics`]: reads the metrics of the groups and the process; [`metrics_endpoint`] serves them over HTTP.
//! - [`access_log`]: accounting of a request: its metrics, and its line in the access log.
//! - [`telemetry_reporter`]: sends mod_wsgi's telemetry datagrams; [`telemetry_socket`]: where to.
//! - [`import_guard`]: loads extension modules only if the report vetted them.
//! - [`log`]: the error log; [`application_log`]: what an application says there.
//! - [`glue`]: the C functions that `glue.py` calls, and what it returns.
//!
//! What needs neither Python nor a socket is in the crate `wsgiaudit_probes_core`. `glue.py` implements WSGI
//! inside each interpreter: `start_response`, `write`, iterables, `wsgi.input`.

mod access_log;
mod application_group;
mod application_log;
mod client_stream;
mod connection;
mod dispatch;
mod environ;
mod gil;
mod glue;
mod host_signals;
mod http;
mod import_guard;
mod inherited_descriptor;
mod lifecycle_file;
mod listen_socket;
mod live_feed;
mod live_page;
mod log;
mod metrics;
mod metrics_endpoint;
mod process_files;
mod process_usage;
mod proxied_client;
mod request_body;
mod request_exchange;
pub(crate) mod server;
mod server_state;
mod slow_watch;
mod source_reports;
mod stack_sampler;
mod static_files;
mod supervisor_pipe;
mod telemetry_reporter;
mod telemetry_socket;
mod tls_handshake;
mod tls_identity;
mod worker_thread;
mod worker_watch;
