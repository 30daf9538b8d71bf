//! Class 5: what PyO3 makes refuses a second interpreter by itself.
use pyo3::prelude::*;

#[pyclass]
#[derive(Default)]
struct Till {
    #[pyo3(get, set)]
    money: i32,
}

#[pymethods]
impl Till {
    #[new]
    fn new() -> Self {
        Self::default()
    }
}

#[pymodule(gil_used = false)]
fn made_with_pyo3(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Till>()?;
    module.add("answer", 42)
}
