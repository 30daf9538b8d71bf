//! The settings of a request. Each section may set some of them; later sections win.

use std::collections::BTreeMap;

use super::access::AccessControl;
use super::rewrite::RewriteConfiguration;
use super::url_mappings::{ScriptOptions, UrlMapping};
use super::values::LocatedValue;
use crate::model::ConfigLocation;

/// Directives that decide which interpreter serves a request, and whether it is served at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RequestSettings {
    /// `WSGIProcessGroup`.
    pub(super) process: Option<LocatedValue<String>>,
    /// `WSGIApplicationGroup`.
    pub(super) application: Option<LocatedValue<String>>,
    /// `WSGICallableObject`.
    pub(super) callable: Option<LocatedValue<String>>,
    /// `WSGIRestrictProcess`.
    pub(super) allowed: Option<LocatedValue<Vec<String>>>,
    /// `WSGIDispatchScript`.
    pub(super) dispatch: Option<LocatedValue<String>>,
    /// `WSGIScriptReloading`.
    pub(super) reloading: Option<LocatedValue<bool>>,
    /// `WSGIHandlerScript`, by the handler's name.
    pub(super) handlers: BTreeMap<String, HandlerScript>,
    /// `SetHandler`.
    pub(super) handler: Option<LocatedValue<String>>,
    /// `AddHandler`: handlers by file name extension, without the dot.
    pub(super) by_extension: BTreeMap<String, LocatedValue<String>>,
    /// `SetEnv`; `None` for a value that depends on the request.
    pub(super) variables: BTreeMap<String, Option<String>>,
    /// `AllowOverride`.
    pub(super) overrides: Option<HtaccessOverrides>,
    /// `Options ExecCGI`.
    pub(super) runs_scripts: Option<bool>,
    /// `Require`.
    pub(super) access: Option<AccessControl>,
    /// `Order`, `Allow`, `Deny`.
    pub(super) old_access: Option<AccessControl>,
    /// `UseCanonicalName On`.
    pub(super) is_canonical: Option<bool>,
    /// `AcceptPathInfo`.
    pub(super) takes_path_info: Option<bool>,
    /// `Redirect` in a section.
    pub(super) redirects: Vec<UrlMapping>,
    /// mod_rewrite in a section.
    pub(super) rewriting: Option<RewriteConfiguration>,
    /// The error in a `.htaccess`, for which Apache answers with status 500.
    pub(super) refused: Option<LocatedValue<String>>,
}

/// `WSGIHandlerScript`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HandlerScript {
    pub(super) script: String,
    pub(super) process: Option<LocatedValue<String>>,
    pub(super) application: Option<LocatedValue<String>>,
    pub(super) place: ConfigLocation,
}

/// The directives allowed in a `.htaccess` (`AllowOverride`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HtaccessOverrides {
    pub(super) file_info: bool,
    pub(super) auth_config: bool,
    pub(super) limit: bool,
    pub(super) options: bool,
    pub(super) indexes: bool,
    /// `AllowOverrideList`, or an argument of `AllowOverride` that is not known here.
    pub(super) others: bool,
}

impl HtaccessOverrides {
    pub(super) const ALL: Self =
        Self { file_info: true, auth_config: true, limit: true, options: true, indexes: true, others: false };

    /// Whether `.htaccess` files are read.
    pub(super) fn allows_any(self) -> bool {
        self != Self::default()
    }

    /// Parses the arguments of `AllowOverride`.
    pub(super) fn new(names: &[String]) -> Self {
        let mut all = Self::default();
        for name in names {
            let name = name.to_ascii_lowercase();
            match name.split_once('=').map_or(name.as_str(), |(name, _)| name) {
                "all" => all = Self { others: all.others, ..Self::ALL },
                "none" => all = Self::default(),
                "fileinfo" => all.file_info = true,
                "authconfig" => all.auth_config = true,
                "limit" => all.limit = true,
                "options" => all.options = true,
                "indexes" => all.indexes = true,
                _ => all.others = true,
            }
        }
        all
    }
}

impl RequestSettings {
    /// Merges with the settings of an outer section; these settings win.
    pub(super) fn merge_over(mut self, base: &Self) -> Self {
        for (name, value) in &base.variables {
            self.variables.entry(name.clone()).or_insert_with(|| value.clone());
        }
        for (name, handler) in &base.handlers {
            self.handlers.entry(name.clone()).or_insert_with(|| handler.clone());
        }
        for (extension, handler) in &base.by_extension {
            self.by_extension.entry(extension.clone()).or_insert_with(|| handler.clone());
        }
        let mut redirects = self.redirects;
        redirects.extend(base.redirects.iter().cloned());
        let rewriting = match (self.rewriting, &base.rewriting) {
            (Some(mine), Some(theirs)) => Some(mine.merge_over(theirs)),
            (mine, theirs) => mine.or_else(|| theirs.clone()),
        };
        Self {
            process: self.process.or_else(|| base.process.clone()),
            application: self.application.or_else(|| base.application.clone()),
            callable: self.callable.or_else(|| base.callable.clone()),
            allowed: self.allowed.or_else(|| base.allowed.clone()),
            dispatch: self.dispatch.or_else(|| base.dispatch.clone()),
            reloading: self.reloading.or_else(|| base.reloading.clone()),
            handlers: self.handlers,
            handler: self.handler.or_else(|| base.handler.clone()),
            by_extension: self.by_extension,
            variables: self.variables,
            overrides: self.overrides.or(base.overrides),
            runs_scripts: self.runs_scripts.or(base.runs_scripts),
            access: self.access.or_else(|| base.access.clone()),
            old_access: self.old_access.or_else(|| base.old_access.clone()),
            is_canonical: self.is_canonical.or(base.is_canonical),
            takes_path_info: self.takes_path_info.or(base.takes_path_info),
            redirects,
            rewriting,
            refused: self.refused.or_else(|| base.refused.clone()),
        }
    }

    /// Replaces the groups and the callable by those that the options of a `WSGIScriptAlias` set.
    pub(super) fn apply_script_options(&mut self, options: ScriptOptions) {
        self.process = options.process.or(self.process.take());
        self.application = options.application.or(self.application.take());
        self.callable = options.callable.or(self.callable.take());
    }

    /// Whether it sets a group or a callable.
    pub(super) fn has_groups(&self) -> bool {
        self.process.is_some() || self.application.is_some() || self.callable.is_some()
    }
}
