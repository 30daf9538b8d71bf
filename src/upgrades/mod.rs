//! Upgrade advice: what newer versions of blocking distributions declare.
//!
//! Wheels are fetched by uv or pip, and only read. Since a declaration is no trial, the advice is to audit
//! again.

mod check;
mod context;
mod lookup_error;
mod wheel_declarations;

pub use check::{UpgradeQuery, check_upgrade};
pub use context::UpgradeContext;
