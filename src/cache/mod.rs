//! Caches trial results across audits. A result is valid as long as all its inputs are unchanged.

mod content;
mod dist_info_paths;
mod environment_digest;
mod file_cache;
mod storage;
mod trial_cache;

pub use content::CoInstalledEntries;
pub use environment_digest::digest_of_system;
pub use file_cache::FileCache;
pub use trial_cache::{CacheOptions, TrialCache};
