//! End to end: the command as a process, on real environments. A folder for each part of the program; one binary, since
//! each would build and link the whole again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod apache;
mod app;
mod cli;
mod copies;
mod documentation;
mod host;
mod hostile;
mod image;
mod inputs;
mod render;
mod support;
mod trial;
mod tune;
