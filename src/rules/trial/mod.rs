//! Rules about what trials show. A rule with findings about modules has its check beside its page.

mod behind;
mod changes_process;
mod declaration_advice;
mod declare_gil;
mod declare_slot;
mod evidence;
mod left_in_main;
mod left_in_statics;
mod misread_declaration;
mod native_threads;
mod python_defect;
mod shared_functions;

pub use evidence::{ModuleCheck, ModuleEvidence};
pub use python_defect::describe_python_defect;

/// The checks of an extension module, in the order of their findings in a report.
pub const MODULE_CHECKS: &[ModuleCheck] = &[
    declare_slot::check,
    behind::check,
    declare_gil::check,
    left_in_main::check,
    left_in_statics::check,
    native_threads::check,
    shared_functions::check,
    changes_process::check,
    misread_declaration::check,
];
