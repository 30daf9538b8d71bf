//! Errors of looking up versions and wheels.

/// Why a version or its wheel could not be looked up.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    #[error("it is not in the cache, and --offline allows no query")]
    NotInCache,
    #[error("the index has no wheel for this Python")]
    NoWheel,
    #[error("the index has no project of this name")]
    NoProject,
    /// The installer's message.
    #[error("{0}")]
    Installer(String),
    #[error(transparent)]
    Scratch(#[from] std::io::Error),
}
