//! Finds the other shared objects that an extension module depends on.

use std::rc::Rc;

use super::byte_source::ByteSource;

/// Access to the shared objects that come with a module: on disk, in a wheel, or none.
pub trait DependencyResolver {
    /// Finds a library that a file needs (`DT_NEEDED` in ELF and its equivalents).
    ///
    /// `name` and the search folders `search` are as the file states them. System libraries are not looked
    /// for.
    fn find_library(&self, name: &str, search: &[String]) -> Option<Rc<dyn ByteSource>>;

    /// Finds the file of another extension module by its dotted name.
    fn find_module(&self, name: &str) -> Option<Rc<dyn ByteSource>>;
}

/// A resolver that finds nothing.
pub struct NoDependencies;

impl DependencyResolver for NoDependencies {
    fn find_library(&self, _: &str, _: &[String]) -> Option<Rc<dyn ByteSource>> {
        None
    }

    fn find_module(&self, _: &str) -> Option<Rc<dyn ByteSource>> {
        None
    }
}
