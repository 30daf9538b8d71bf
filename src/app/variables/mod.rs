//! Variables at a module's level that functions change, and how they are used; and what of the process they change.
//! One row stands for all places of a variable in its file.
//!
//! Not seen: a change through another name (`mine = CACHE; mine[key] = value`), through `globals()` or `sys.modules`,
//! from another module (`shop.CACHE[key] = value`), and of an object that is no container (`settings.debug = True`).

mod bindings;
mod collect;
mod context;
mod judge;
mod level;
mod locks;
mod origins;
mod process;
mod row;
mod scopes;
#[cfg(test)]
mod tests;
mod writes;

pub(super) use row::{Row, rows};
