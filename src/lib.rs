//! `wsgiaudit` tells whether the C extensions of a virtualenv are fit for a per-interpreter GIL.
#![forbid(unsafe_code)]

pub mod model;
pub mod trial;
pub mod venv;
