//! The way out by upgrading: what newer versions of the distributions that stand in the way declare. Wheels are
//! fetched by uv or pip and only read. A declaration is no trial: the words say to audit again.

mod ask;
mod wheel;

pub use ask::{Asking, Question, ask};
