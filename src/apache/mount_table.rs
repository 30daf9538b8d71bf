//! Where Apache mounts scripts, as `mounts` finds it.

use std::collections::BTreeSet;

use super::served_request::{RequestRefusal, ServedRequest};
use crate::model::ConfigLocation;

/// The mounts of a configuration, and what could not be determined.
#[derive(Clone, Debug, Default)]
pub(super) struct MountTable {
    pub(super) all: Vec<MountPoint>,
    pub(super) not_told: Vec<(ConfigLocation, String)>,
    /// Directives that no request reaches, with the reason.
    pub(super) shadowed: Vec<(ConfigLocation, String)>,
    /// Requests that Apache rejects before mod_wsgi handles them.
    pub(super) refused: Vec<RequestRefusal>,
    /// Sections that apply to at least one request.
    pub(super) sections: BTreeSet<ConfigLocation>,
}

/// A URL prefix or expression, and how its requests are served.
#[derive(Clone, Debug)]
pub(super) struct MountPoint {
    pub(super) host: String,
    pub(super) url: String,
    pub(super) served: ServedRequest,
    /// Whether every URL gets its own application group.
    pub(super) is_one_for_each_url: bool,
    /// URLs below it that something else answers.
    pub(super) except: Vec<String>,
}
