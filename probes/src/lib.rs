//! What runs inside an audited interpreter. One library for every CPython, with and without a GIL: it calls
//! functions of the stable ABI only and touches no struct layout. The audited environment's own python loads
//! it: to try modules with its import system, which calls [`trial::zygote::PyInit_wsgiaudit_probes`]; to host an
//! application with `ctypes.PyDLL`, and calls [`host::serve::wsgiaudit_serve`].

mod host;
mod interpreter;
mod protocol;
mod python;
mod sandbox;
mod trial;
