//! The Python that mod_wsgi is built for.

/// The Python build that mod_wsgi embeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonBuild {
    /// E.g. `3.14.7`.
    pub release: String,
    /// Built with `--disable-gil`.
    pub is_free_threaded: bool,
    /// Whether it supports per-interpreter GILs (Python 3.12 or later).
    pub has_own_gil: bool,
}
