//! What runs inside an audited interpreter. One library for every CPython, with and without a GIL: it calls
//! functions of the stable ABI only and touches no struct layout. The audited environment's own python loads
//! it with `ctypes.PyDLL` and calls [`trial::zygote::wsgiaudit_zygote`] to try modules, or
//! [`host::serve::wsgiaudit_serve`] to host an application.

mod host;
mod interpreter;
mod protocol;
mod python;
mod sandbox;
mod trial;
