//! What a maintainer adds to declare support, by what generates the module.

use crate::model::{BinaryFacts, RuleId, Toolchain};

/// The slot to add in C (CPython documentation, `Py_mod_multiple_interpreters`).
pub(super) const OWN_GIL_SLOT: &[&str] =
    &["{Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},"];
/// The slot to add in C (CPython documentation, `Py_mod_gil`).
pub(super) const NO_GIL_SLOT: &[&str] = &["{Py_mod_gil, Py_MOD_GIL_NOT_USED},"];
/// The call to add in C to a module without slots (`PyUnstable_Module_SetGIL`).
pub(super) const NO_GIL_CALL: &[&str] =
    &["#ifdef Py_GIL_DISABLED", "PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);", "#endif"];

/// What to add, or why there is nothing to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Lines of source code.
    Add(&'static [&'static str]),
    /// There is no such declaration; why, in a clause.
    None(&'static str),
}

/// Returns how to declare slot 3 = 2.
pub(super) fn advise_own_gil(toolchain: Option<Toolchain>) -> Advice {
    match toolchain {
        None => Advice::Add(OWN_GIL_SLOT),
        // Cython 3.1: Cython/Compiler/Options.py.
        Some(Toolchain::Cython) => Advice::Add(&["# cython: subinterpreters_compatible = own_gil"]),
        // pybind11 3.0: pybind11.h, `multiple_interpreters`.
        Some(Toolchain::Pybind11) => {
            Advice::Add(&["PYBIND11_MODULE(NAME, m, py::multiple_interpreters::per_interpreter_gil()) {"])
        }
        Some(Toolchain::Pyo3) => {
            Advice::None("PyO3 has no declaration for it (https://github.com/PyO3/pyo3/issues/576)")
        }
        Some(Toolchain::Nanobind) => {
            Advice::None("nanobind has no declaration for it: its modules do not support sub-interpreters")
        }
        Some(Toolchain::Swig) => {
            Advice::None("SWIG generates the slots, so the declaration must come from there")
        }
        Some(Toolchain::Cffi) => Advice::None("cffi generates the module, and has no declaration for it"),
        Some(Toolchain::Mypyc) => Advice::None("mypyc generates the module, and has no declaration for it"),
    }
}

/// Returns how to declare that no GIL is needed. `has_slots`: the module has multi-phase initialization.
pub(super) fn advise_no_gil(toolchain: Option<Toolchain>, has_slots: bool) -> Advice {
    match toolchain {
        None if has_slots => Advice::Add(NO_GIL_SLOT),
        None => Advice::Add(NO_GIL_CALL),
        // Cython 3.1.
        Some(Toolchain::Cython) => Advice::Add(&["# cython: freethreading_compatible = True"]),
        // pybind11 2.13.
        Some(Toolchain::Pybind11) => Advice::Add(&["PYBIND11_MODULE(NAME, m, py::mod_gil_not_used()) {"]),
        // nanobind 2.2: an option of its CMake function.
        Some(Toolchain::Nanobind) => Advice::Add(&["nanobind_add_module(NAME FREE_THREADED ...)"]),
        // PyO3 0.23.
        Some(Toolchain::Pyo3) => Advice::Add(&["#[pymodule(gil_used = false)]"]),
        Some(Toolchain::Swig) => {
            Advice::None("SWIG generates the slots, so the declaration must come from there")
        }
        Some(Toolchain::Cffi) => {
            Advice::None("cffi generates the module, so the declaration must come from there")
        }
        Some(Toolchain::Mypyc) => {
            Advice::None("mypyc generates the module, so the declaration must come from there")
        }
    }
}

/// Names the hazards in a file that an own GIL makes worse, and that its maintainer can remove. `None` if there are none.
/// pybind11 and nanobind bring their own use of the `PyGILState` functions into every module.
pub(super) fn list_own_gil_hazards(facts: &BinaryFacts, toolchain: Option<Toolchain>) -> Option<String> {
    let is_obstacle = |rule: RuleId| match rule {
        RuleId::GilStateApi => !matches!(toolchain, Some(Toolchain::Pybind11 | Toolchain::Nanobind)),
        rule => [RuleId::StaticType, RuleId::GlobalState, RuleId::StateFindModule].contains(&rule),
    };
    let found = facts.hazards.iter().filter(|hazard| is_obstacle(hazard.kind));
    let found: Vec<&str> = found.map(|hazard| hazard.kind.id()).collect();
    (!found.is_empty()).then(|| found.join(", "))
}
