//! Other shared objects that a module leans on.

use std::rc::Rc;

use super::source::Source;

/// How to get at the shared objects beside a module: on disk, in a wheel, or not at all.
pub trait Library {
    /// The file of a needed library (`DT_NEEDED` and its like), by the name and the search folders written in
    /// the file that needs it. System libraries are not wanted.
    fn needed(&self, name: &str, search: &[String]) -> Option<Rc<dyn Source>>;

    /// The file of another extension module, by its dotted name.
    fn module(&self, name: &str) -> Option<Rc<dyn Source>>;
}

/// No other file can be had.
pub struct Alone;

impl Library for Alone {
    fn needed(&self, _: &str, _: &[String]) -> Option<Rc<dyn Source>> {
        None
    }

    fn module(&self, _: &str) -> Option<Rc<dyn Source>> {
        None
    }
}
