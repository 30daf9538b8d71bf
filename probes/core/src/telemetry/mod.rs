//! mod_wsgi's telemetry datagrams: their format, and what the host measures for them.
//!
//! - [`datagram`]: the format, with the table of its fields.
//! - [`datagram_lines`]: datagrams in a file.
//! - [`request_trace`]: what is measured for one request.
//! - [`interpreter_meter`]: the figures of an interpreter and its threads; [`phase_meter`]: one of its times.
//! - [`process_telemetry`]: the figures of a process, and its slow requests.
//! - [`slow_request`]: a slow request; [`slow_log`]: the last ones; [`stack`]: their Python stacks, and [`stack_requests`]: who asks for them.
//! - [`report`]: the datagrams of an interval; [`lifecycle`]: those of a process's start and end.

pub mod datagram;
pub mod datagram_lines;
pub mod interpreter_meter;
pub mod lifecycle;
pub mod phase_meter;
pub mod process_telemetry;
pub mod report;
pub mod request_trace;
pub mod slow_log;
pub mod slow_request;
pub mod stack;
pub mod stack_requests;
