//! Apache's configuration, as mod_wsgi reads it: which application lands in which interpreter, and what of it has
//! no effect, the wrong one or a hidden one. Nothing is run; files come through a [`Source`].
//!
//! In reading order: [`read`] gives a tree of directives, conditions, macros and includes resolved as Apache does while it
//! reads; `walk` makes a [`Site`] of the tree, and refuses what mod_wsgi of this version would (`directives` is the table); `request`
//! follows a request through it; `landings` asks for samples of URLs; [`findings`] is what to say of it.

mod access;
mod allowed;
mod check;
mod conditions;
mod directives;
mod disk;
mod dispatch;
mod express;
mod expression;
mod landings;
mod launch;
mod line;
mod located;
mod macros;
mod mappings;
mod module_file;
mod names;
mod of_mod_wsgi;
mod options;
mod read;
mod release;
mod request;
mod rewrite;
mod sections;
mod served;
mod settings;
mod site;
mod source;
mod values;
mod walk;

pub use check::{Applied, Build, findings, name_interpreter};
pub use disk::Disk;
pub use read::{Definitions, Directive, read};
pub use release::Release;
pub use site::{Server, Site};
pub use source::{Problem, Source};
