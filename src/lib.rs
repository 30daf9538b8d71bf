//! `wsgiaudit` tells whether the C extensions of a virtualenv are fit for a per-interpreter GIL.
#![forbid(unsafe_code)]

pub mod image;
pub mod model;
