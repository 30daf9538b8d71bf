//! Requirements of distributions (`Requires-Dist`, core metadata).

use std::fs;
use std::path::Path;

use super::dist_info::header_values;
use super::metadata_file::{self, read_metadata};

/// Reads the requirements of every distribution in a folder, without markers and without those of extras.
pub fn read_requirements(site: &Path) -> Vec<String> {
    let entries = fs::read_dir(site).into_iter().flatten().flatten().map(|entry| entry.path());
    let infos = entries.filter(|path| path.extension().is_some_and(|extension| extension == "dist-info"));
    let texts = infos.filter_map(|info| read_metadata(&info, "METADATA", metadata_file::MAX_SIZE).ok());
    let mut all: Vec<String> =
        texts.flat_map(|text| parse_requirements(&String::from_utf8_lossy(&text))).collect();
    all.sort();
    all.dedup();
    all
}

/// Parses the `Requires-Dist` headers of METADATA.
fn parse_requirements(text: &str) -> Vec<String> {
    let without_extras = header_values(text, "Requires-Dist").filter_map(|value| {
        let (requirement, marker) = value.split_once(';').unwrap_or((value.as_str(), ""));
        (!marker.contains("extra")).then(|| requirement.trim().to_owned())
    });
    without_extras.collect()
}

/// Name of a requirement as a module name: `typing_extensions` for `typing-extensions>=4`.
pub fn import_name_of_requirement(requirement: &str) -> String {
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
        assert_eq!(parse_requirements(text), ["typing-extensions>=4.14.1", "b [x] (>=1)"]);
        assert_eq!(import_name_of_requirement("typing-extensions>=4.14.1"), "typing_extensions");
        assert_eq!(import_name_of_requirement("b [x] (>=1)"), "b");
    }
}
