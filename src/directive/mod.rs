//! What a report supports, as configuration: a block for Apache ([`directives`]), options and a file for mod_wsgi-express
//! ([`express`]), a change of Apache's present configuration ([`Change`]), groups for `wsgiaudit serve` ([`groups`]).
//! Functions from a report to text.

mod applications;
mod blocks;
mod change;
mod edit;
mod express;
mod groups;
mod overlay;
mod plan;
mod process;
mod words;

pub use applications::{Directive, Mount};
pub use blocks::directives;
pub use change::{Change, Unchanged};
pub use express::express;
pub use groups::groups;
