//! Two reports of one environment, earlier and later: what changed, and what of that is worse. Pure.

mod change;
mod compare;
mod modules;
mod roots;

pub use change::{Change, Comparison, Direction, InMode, RootChange, Step};
pub use compare::compare;
