//! An application's sources: what it imports, from where and when, and what in them does not suit an interpreter
//! with its own GIL; and the requests that it is to be asked. Nothing is run.

#![expect(clippy::wildcard_enum_match_arm, reason = "ruff's enums name every piece of Python")]

mod called;
mod calls;
mod computed;
mod conditions;
mod find;
mod graph;
mod hazards;
mod imports;
mod names;
mod path_changes;
mod requests;
mod scan;
mod variables;

pub use find::Finder;
pub use graph::{Known, sources};
pub use requests::{BodyPart, Piece, Request, Requests, Source, Step, Text, requests};
