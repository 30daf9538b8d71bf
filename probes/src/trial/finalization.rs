//! Finalizes Python (`Py_FinalizeEx`) like mod_wsgi when its process exits (`wsgi_python_term`).

use super::crash_handler;
use crate::python;

/// Ends the main interpreter after all others. If this crashes or hangs, the record ends with this phase.
///
/// # Safety
/// The thread is the first of the process and detached from the main interpreter; no other interpreter is left.
/// No Python code runs in this process afterwards.
pub(super) unsafe fn finalize_python() {
    // SAFETY: guaranteed by the caller. The thread stays attached: there is nothing left to detach from.
    unsafe {
        python::PyGILState_Ensure();
        // Finalization restores the signal handlers from before `faulthandler`, and with that removes the
        // ones of `crash_handler`. So `faulthandler` is disabled first and the handlers are installed again.
        python::run_source(c"import faulthandler\nfaulthandler.disable()");
        crash_handler::reinstall_handlers();
        python::Py_FinalizeEx();
    }
}
