//! Renders what `wsgiaudit copies` made.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::escape::{escape, escape_json};
use crate::copies::{CopiesManifest, CopySummary};

/// Most paths that are listed for one property.
const LISTED: usize = 5;

/// Renders the summary of a folder of copies.
pub fn render_table(folder: &Path, manifest: &CopiesManifest, summary: &CopySummary) -> String {
    let mut text = String::new();
    let mut add_line = |title: &str, value: String| {
        let _infallible = writeln!(text, "{title:<20}{}", escape(&value));
    };
    add_line("Copies of", manifest.environment.display().to_string());
    add_line(
        "Folder",
        format!("{}, trees 0 to {}", folder.display(), manifest.trees.len().saturating_sub(1)),
    );
    let sizes = format!("{} in each tree", format_bytes(summary.bytes));
    add_line(
        "Shared objects",
        format!("{}, {} of them extension modules, {sizes}", summary.objects, summary.modules),
    );
    add_line("Unique symbols", list_or_none(&summary.unique_symbols));
    add_line("Static TLS", describe_static_tls(summary));
    add_line(
        "Memory mappings",
        format!("about {} for each interpreter that loads everything", summary.mappings),
    );
    add_line("Interpreters", describe_limit(manifest, summary));
    add_line("Stay shared", list_or_none(&manifest.shared));
    for left_out in &manifest.left_out {
        add_line("Not copied", format!("{}: {}", left_out.path.display(), left_out.reason));
    }
    text
}

/// Renders the manifest.
///
/// # Errors
/// When it cannot be serialized.
pub fn render_json(manifest: &CopiesManifest) -> serde_json::Result<String> {
    Ok(escape_json(&serde_json::to_string_pretty(manifest)?).into_owned() + "\n")
}

/// Formats a number of bytes with a decimal unit.
pub fn format_bytes(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size),
        None => format!("{bytes} bytes"),
    }
}

fn describe_static_tls(summary: &CopySummary) -> String {
    let size: u64 = summary.static_tls.iter().map(|(_, size)| size).sum();
    let paths: Vec<PathBuf> = summary.static_tls.iter().map(|(path, _)| path.clone()).collect();
    match size {
        0 => "none".to_owned(),
        size => format!("{size} bytes in each interpreter: {}", list_or_none(&paths)),
    }
}

fn describe_limit(manifest: &CopiesManifest, summary: &CopySummary) -> String {
    let by = |limit: Option<u64>, what: &str| limit.map(|limit| format!("{limit} by {what}"));
    let limits =
        [by(summary.most_by_static_tls(), "static TLS"), by(summary.most_by_mappings(), "vm.max_map_count")];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    match manifest.most_interpreters {
        Some(most) => format!("up to {most} in the life of a process ({})", limits.join(", ")),
        None => "no limit".to_owned(),
    }
}

fn list_or_none(paths: &[PathBuf]) -> String {
    let names = paths.iter().take(LISTED);
    let names: Vec<String> = names
        .map(|path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()))
        .collect();
    match paths.len() {
        0 => "none".to_owned(),
        count if count > LISTED => format!("{count}: {}, ...", names.join(", ")),
        count => format!("{count}: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_largest_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (953_000_000, "953.0 MB"),
            (1_290_000_000, "1.2 GB"),
        ] {
            assert_eq!(format_bytes(bytes), text);
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let paths: Vec<PathBuf> = (0..7).map(|number| PathBuf::from(format!("/x/lib{number}.so"))).collect();
        assert_eq!(list_or_none(&paths[..1]), "1: lib0.so");
        assert_eq!(list_or_none(&paths), "7: lib0.so, lib1.so, lib2.so, lib3.so, lib4.so, ...");
        assert_eq!(list_or_none(&[]), "none");
    }
}
