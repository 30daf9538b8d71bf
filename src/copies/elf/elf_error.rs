//! Why the bytes of a shared object cannot be read or rewritten.

/// What is wrong with the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// The file has no ELF header, or one with an unknown class or byte order.
    #[error("not an ELF file")]
    NotElf,
    /// An ELF file of another type: an executable, a core file, an object file.
    #[error("not a shared object")]
    NotSharedObject,
    /// A table extends beyond the file, or beyond the loadable segments.
    #[error("the {0} lies outside the file")]
    OutsideFile(&'static str),
    /// A table has more entries than any real file.
    #[error("the {0} has too many entries")]
    TooLong(&'static str),
    /// A number does not fit into its field.
    #[error("no room for the {0}")]
    NoRoom(&'static str),
}
