//! From evidence to verdicts. Pure: everything here depends on its arguments only.

mod asked;
mod behind;
mod case;
mod catalog;
mod cause;
mod control;
mod declare_gil;
mod declare_slot;
mod declared;
mod distribution;
mod done_without;
mod free_threading;
mod inventory;
mod left_in_main;
mod left_in_statics;
mod misread_declaration;
mod missing;
mod module;
mod native_threads;
mod python_defect;
mod words;

pub use asked::AskedRequest;
pub use behind::behind;
pub use case::{Beside, Case};
pub use catalog::{Confidence, RULES, Rule, Severity};
pub use declare_gil::declare_gil;
pub use declare_slot::declare_slot;
pub use distribution::{DistributionParts, distribution};
pub use done_without::done_without;
pub use left_in_main::left_in_main;
pub use left_in_statics::left_in_statics;
pub use misread_declaration::misread_declaration;
pub use module::module;
pub use native_threads::native_threads;
pub use python_defect::python_defect;
pub use words::{declaration, gil_declaration, refused_by_declaration};
