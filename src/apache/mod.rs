//! Apache's configuration, as mod_wsgi reads it: which application lands in which interpreter, and what of it has
//! no effect, the wrong one or a hidden one. Nothing is run; files come through a [`Source`].
//!
//! In reading order: [`read`] gives a tree of directives, conditions and includes resolved as Apache does while it
//! reads; [`Site`] is what mod_wsgi makes of the tree; [`Site::landings`] places each application;
//! [`findings`] is what to say of it.

mod check;
mod conditions;
mod disk;
mod landings;
mod line;
mod options;
mod read;
mod sections;
mod site;
mod source;
mod values;

pub use check::{Applied, Build, findings};
pub use disk::Disk;
pub use read::{Definitions, Directive, read};
pub use site::{Server, Site};
pub use source::{Problem, Source};
