//! Renders groups for `wsgiaudit serve --config`. Pure functions.

use std::fmt::Write;

use super::application_mounts::{
    ApplicationMount, GeneratedConfiguration, group_name, render_header, resolve_mounts,
};
use super::own_gil_modes::{OwnGilModes, explain_verdict, find_objection};
use crate::model::Mode;
use crate::report::Document;

/// Renders a group for each application: in an interpreter with its own GIL if it can have one, else in the
/// main interpreter. The main interpreter costs only parallelism, so there is always a result.
///
/// # Errors
/// A message if an application is not in the report, none is named, or the report has no trials in an allowed mode.
pub fn render_serve_groups(
    report: &Document,
    mounts: &[ApplicationMount],
    allowed: OwnGilModes,
) -> Result<GeneratedConfiguration, String> {
    allowed.check_trials(report)?;
    let parts = resolve_mounts(report, mounts)?;
    if parts.is_empty() {
        return Err("the report contains no applications to make groups for: audit with --app".to_owned());
    }
    let mut text = render_header(report);
    let objection = find_objection(report, allowed);
    for why in objection.iter().flat_map(|why| why.lines()) {
        let _ = writeln!(text, "# {why}");
    }
    for (mount, each) in parts {
        let own_gil = allowed.choose_mode(report, each).filter(|_| objection.is_none());
        let mode = own_gil.unwrap_or(Mode::Main);
        let _ = writeln!(text, "\n# {}", explain_verdict(report, each, allowed));
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        let (name, application) = (quote(&group_name(each)), quote(&each.name));
        let _ = writeln!(text, "[[group]]\nname = {name}\nmode = \"{mode}\"\napplication = {application}");
        if mount.prefix != "/" {
            let _ = writeln!(text, "routes = [{}]", quote(&mount.prefix));
        }
    }
    Ok(GeneratedConfiguration::Lines(text))
}
