//! What generated the C code of an extension module.

use serde::{Deserialize, Serialize};

/// A generator or binding library, by which a maintainer changes what the module declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Toolchain {
    /// <https://cython.org>
    Cython,
    /// <https://pyo3.rs>
    Pyo3,
    /// <https://pybind11.readthedocs.io>
    Pybind11,
    /// <https://nanobind.readthedocs.io>
    Nanobind,
    /// <https://www.swig.org>
    Swig,
    /// <https://cffi.readthedocs.io>
    Cffi,
    /// <https://mypyc.readthedocs.io>
    Mypyc,
}

impl Toolchain {
    /// Every toolchain.
    pub const ALL: [Self; 7] =
        [Self::Cython, Self::Pyo3, Self::Pybind11, Self::Nanobind, Self::Swig, Self::Cffi, Self::Mypyc];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cython => "Cython",
            Self::Pyo3 => "PyO3",
            Self::Pybind11 => "pybind11",
            Self::Nanobind => "nanobind",
            Self::Swig => "SWIG",
            Self::Cffi => "cffi",
            Self::Mypyc => "mypyc",
        }
    }
}
