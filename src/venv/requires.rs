//! What distributions say that they need (`Requires-Dist`, core metadata).

use std::fs;
use std::path::Path;

/// The requirements of every distribution in a folder, without those of extras, and without markers.
pub fn requirements(site: &Path) -> Vec<String> {
    let entries = fs::read_dir(site).into_iter().flatten().flatten().map(|entry| entry.path());
    let infos = entries.filter(|path| path.extension().is_some_and(|extension| extension == "dist-info"));
    let texts = infos.filter_map(|info| fs::read(info.join("METADATA")).ok());
    let mut all: Vec<String> = texts.flat_map(|text| of_metadata(&String::from_utf8_lossy(&text))).collect();
    all.sort();
    all.dedup();
    all
}

fn of_metadata(text: &str) -> Vec<String> {
    let headers = text.lines().take_while(|line| !line.is_empty());
    let required = headers.filter_map(|line| line.strip_prefix("Requires-Dist:"));
    let without_extras = required.filter_map(|value| {
        let (requirement, marker) = value.split_once(';').unwrap_or((value, ""));
        (!marker.contains("extra")).then(|| requirement.trim().to_owned())
    });
    without_extras.collect()
}

/// The name in a requirement, as an import would write it: `typing-extensions>=4` is `typing_extensions`.
pub fn required_name(requirement: &str) -> String {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let name = requirement.split(|letter| !is_name(letter)).next().unwrap_or_default();
    name.to_lowercase().replace(['-', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_read_without_extras_and_markers() {
        let text = "Name: a\nRequires-Dist: typing-extensions>=4.14.1\nRequires-Dist: b [x] (>=1) ; python_version > '3'\n\
                    Requires-Dist: c; extra == 'more'\n\nRequires-Dist: not this\n";
        assert_eq!(of_metadata(text), ["typing-extensions>=4.14.1", "b [x] (>=1)"]);
        assert_eq!(required_name("typing-extensions>=4.14.1"), "typing_extensions");
        assert_eq!(required_name("b [x] (>=1)"), "b");
    }
}
