//! Finalizes Python (`Py_FinalizeEx`) like mod_wsgi when its process exits (`wsgi_python_term`).

use wsgiaudit_probes_core::interpreter_names::MAIN;
use wsgiaudit_probes_core::protocol::ProtocolPhase;

use super::crash_handler;
use super::record::record_phase;
use crate::python;

/// Ends the main interpreter after all others. If this crashes or hangs, the record ends with this phase.
///
/// # Safety
/// The thread is the first of the process and holds the main interpreter's GIL; no other interpreter is left.
/// No Python code runs in this process afterwards.
pub(super) unsafe fn finalize_python() {
    record_phase(MAIN, ProtocolPhase::Exit);
    // SAFETY: guaranteed by the caller.
    unsafe {
        // Finalization restores the signal handlers from before `faulthandler`, and with that removes the
        // ones of `crash_handler`. So `faulthandler` is disabled first and the handlers are installed again.
        python::run_source(c"import faulthandler\nfaulthandler.disable()");
        crash_handler::reinstall_handlers();
        python::Py_FinalizeEx();
    }
}
