//! Groups for `wsgiaudit serve --config`. Pure.

use std::fmt::Write;

use super::applications::{Directive, Mount, group, head, is_fit, objection, parts, why};
use crate::model::Mode;
use crate::report::Document;

/// A group for each application, in an interpreter with its own GIL where that is fit, else in the main one. Of what stays there
/// nothing is lost but the parallelism, so there is always an answer.
///
/// # Errors
/// In words, where an application is not in the report, or none is named.
pub fn groups(report: &Document, mounts: &[Mount]) -> Result<Directive, String> {
    let parts = parts(report, mounts)?;
    if parts.is_empty() {
        return Err("groups need applications, and the report is about none: audit with --app".to_owned());
    }
    let mut text = head(report);
    let objection = objection(report);
    for why in objection.iter().flat_map(|why| why.lines()) {
        let _ = writeln!(text, "# {why}");
    }
    for (mount, each) in parts {
        let mode = if objection.is_none() && is_fit(report, each) { Mode::OwnGil } else { Mode::Main };
        let _ = writeln!(text, "\n# {}", why(report, each));
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        let (name, application) = (quote(&group(each)), quote(&each.name));
        let _ = writeln!(text, "[[group]]\nname = {name}\nmode = \"{mode}\"\napplication = {application}");
        if mount.prefix != "/" {
            let _ = writeln!(text, "routes = [{}]", quote(&mount.prefix));
        }
    }
    Ok(Directive::Lines(text))
}
