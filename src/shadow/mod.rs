//! A shadow environment: the distributions of an environment, by exact name and version, once more for the
//! free-threaded build of its Python, from wheels only. It lives in the user's cache; nothing is ever built.

mod make;
mod python;

pub use make::{Absent, Shadow, Wanted, make};
