//! Module-level variables that functions change, locks, and changes of process-wide state. All locations of
//! one variable in a file form one hazard.
//!
//! The flow: `module_scope` finds the variables, `collect` visits the functions and records accesses
//! (`writes`, `locks`, `process_state`) in the `collector` with what the values derive from
//! (`expression_origins`), `classify` decides how a variable is used, and `grouped_hazards` puts the hazards together.
//!
//! Not detected: changes through another name (`mine = CACHE; mine[key] = value`), through `globals()` or
//! `sys.modules`, from another module (`shop.CACHE[key] = value`), and of objects other than containers
//! (`settings.debug = True`).

mod accesses;
mod bindings;
mod bound_names;
mod classify;
mod collect;
mod collector;
mod expression_origins;
mod external_effects;
mod grouped_hazards;
mod locks;
mod module_scope;
mod origins;
mod process_state;
#[cfg(test)]
mod tests;
mod write_context;
mod writes;

pub(super) use grouped_hazards::{GroupedHazard, find_variable_hazards};
