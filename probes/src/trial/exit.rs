//! The end of Python in this process (`Py_FinalizeEx`), as mod_wsgi ends it when its process goes (`wsgi_python_term`).

use super::crash;
use super::steps::step;
use crate::protocol::Step;
use crate::python;

/// Ends the main interpreter, after all others. What crashes or hangs here leaves the record at this step.
///
/// # Safety
/// The thread is the process's first and holds the main interpreter's GIL, and no other interpreter is left. No Python runs
/// in this process from then on.
pub(super) unsafe fn end_python() {
    step("main", Step::Exit);
    // SAFETY: the caller's promise.
    unsafe {
        // The end of Python puts back the handlers of fatal signals that were there before its own: ours among those that go.
        python::run(c"import faulthandler\nfaulthandler.disable()");
        crash::watch_again();
        python::Py_FinalizeEx();
    }
}
