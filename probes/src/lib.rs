//! The probes: the library that runs inside an audited Python.
//!
//! One build serves every CPython, with and without a GIL: it calls exported C functions only and relies on
//! no private struct layout. The Python of the audited environment loads it in two ways: for trials, as an
//! extension module ([`trial::zygote::PyInit__zygote`]); for hosting an application, with
//! `ctypes.PyDLL` ([`host::server::wsgiaudit_serve`]).

mod copies;
mod host;
mod interpreter;
mod python;
mod trial;
