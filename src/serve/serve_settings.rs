//! Reads the application groups of `serve.toml`.

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use wsgiaudit_probes_core::host_config::{GroupConfig, InterpreterMode};

use super::application::parse_application;
use crate::regular_file;

/// Size limit of the file.
const MAX_SIZE: u64 = 4 << 20;

/// The key of the groups. The other keys of the file are options.
pub(super) const GROUP: &str = "group";

/// The groups in the file.
#[derive(Debug, Deserialize)]
struct ServeSettings {
    group: Vec<GroupSettings>,
}

/// A `[[group]]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GroupSettings {
    name: String,
    mode: InterpreterMode,
    #[serde(default = "default_count")]
    interpreters: NonZeroUsize,
    #[serde(default = "default_count")]
    threads: NonZeroUsize,
    queue: Option<usize>,
    /// Default: the application that the command line names.
    application: Option<String>,
    /// Default: every path that belongs to no other group.
    #[serde(default)]
    routes: Vec<String>,
    /// Whether a route is a mount: `SCRIPT_NAME`, with the rest of the path as `PATH_INFO`.
    #[serde(default = "default_mount")]
    mount: bool,
    switch_interval: Option<f64>,
}

/// Default of `interpreters` and `threads`: 1.
fn default_count() -> NonZeroUsize {
    NonZeroUsize::MIN
}

/// Default of `mount`.
fn default_mount() -> bool {
    true
}

/// Reads the text of a settings file.
///
/// # Errors
/// If it cannot be read.
pub(super) fn read_settings_text(path: &Path) -> Result<String> {
    regular_file::read_text(path, MAX_SIZE).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads the groups of a file. `application` and `queue` are defaults from the command line.
///
/// # Errors
/// If it cannot be read, or contradicts itself.
pub(super) fn read_groups(path: &Path, application: &str, queue: usize) -> Result<Vec<GroupConfig>> {
    let shown = path.display();
    let text = read_settings_text(path)?;
    let settings: ServeSettings = toml::from_str(&text).with_context(|| format!("{shown} is not valid"))?;
    let mut groups = Vec::new();
    for written in settings.group {
        let name = &written.name;
        if let Some(bad) = written.routes.iter().find(|route| !route.starts_with('/')) {
            bail!("{shown}: group {name}: route {bad:?} does not begin with /");
        }
        let routes = match written.routes.is_empty() {
            true => vec![String::new()],
            false => written.routes.clone(),
        };
        groups.push(GroupConfig {
            mode: written.mode,
            interpreters: written.interpreters.get(),
            threads: written.threads.get(),
            queue: written.queue.unwrap_or(queue),
            application: parse_application(written.application.as_deref().unwrap_or(application))?,
            routes,
            is_mounted: written.mount,
            processes: 1,
            switch_interval: written.switch_interval,
            reads_stacks: false,
            name: written.name,
        });
    }
    for (index, group) in groups.iter().enumerate() {
        for other in groups.iter().skip(index + 1) {
            if group.name == other.name {
                bail!("{shown}: two groups are named {}", group.name);
            }
            if let Some(route) = group.routes.iter().find(|route| other.routes.contains(route)) {
                let what = if route.is_empty() { "every path" } else { route };
                bail!("{shown}: groups {} and {} both have {what}", group.name, other.name);
            }
        }
    }
    match groups.is_empty() {
        true => bail!("{shown} has no [[group]]"),
        false => Ok(groups),
    }
}
