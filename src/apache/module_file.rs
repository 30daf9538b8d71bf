//! The file that `LoadModule wsgi_module` names: the version of mod_wsgi in it, and the Python that it is linked with.

use std::path::{Path, PathBuf};

use object::read::elf::{Dyn as _, ElfFile64, FileHeader as _};
use object::{Endianness, elf};

use super::Source;
use super::release::Release;
use super::values::Set;

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct ModuleFile {
    /// Where it is loaded, and from where; `None` where no line does.
    pub(super) file: Option<Set<PathBuf>>,
    /// The version of mod_wsgi; `None` where the file is not here or does not say.
    pub(super) release: Option<Release>,
    /// The Python.
    pub(super) python: Option<LinkedPython>,
    /// Why it is not known.
    pub(super) trouble: Option<String>,
}

/// A Python as a module is linked with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkedPython {
    /// E.g. `3.14`.
    pub(super) version: String,
    /// `None` where the file does not say.
    pub(super) is_free_threaded: Option<bool>,
}

impl ModuleFile {
    /// Reads it.
    pub(super) fn read(file: Set<PathBuf>, source: &dyn Source) -> Self {
        let bytes = source.bytes(&file.value);
        let trouble = bytes.as_ref().err().map(ToString::to_string);
        let bytes = bytes.unwrap_or_default();
        let texts = texts(&bytes);
        let numbers = texts.iter().filter_map(|text| Release::parse(text));
        // Beside its own version the module holds that of the Python that it was compiled with.
        let release = numbers.clone().find(|release| release.0 >= 4);
        let is_here = trouble.is_none();
        let trouble =
            trouble.or_else(|| release.is_none().then(|| "it does not tell its version".to_owned()));
        let compiled = numbers.into_iter().find(|release| release.0 < 4).filter(|_| is_here);
        let compiled = compiled.map(|release| LinkedPython {
            version: format!("{}.{}", release.0, release.1),
            is_free_threaded: by_name(&file.value),
        });
        let python = needed(&bytes).iter().find_map(|name| linked(name)).or(compiled);
        Self { file: Some(file), release, python, trouble }
    }

    /// As messages name it.
    pub(super) fn named(&self) -> String {
        self.file.as_ref().map_or_else(|| "mod_wsgi".to_owned(), |file| file.value.display().to_string())
    }
}

/// `libpython3.14t.so.1.0`.
fn linked(library: &str) -> Option<LinkedPython> {
    let version = library.strip_prefix("libpython")?.split_once(".so")?.0;
    let plain = version.trim_end_matches(['d', 'm', 't']);
    let is_version =
        plain.split('.').count() == 2 && plain.split('.').all(|number| number.parse::<u32>().is_ok());
    let is_free_threaded = Some(version.get(plain.len()..)?.contains('t'));
    is_version.then(|| LinkedPython { version: plain.to_owned(), is_free_threaded })
}

/// By the tag in a file's name, `cpython-314t`.
fn by_name(file: &Path) -> Option<bool> {
    let name = file.file_name()?.to_str()?;
    let (_, tag) = name.split_once("cpython-")?;
    let digits = tag.find(|letter: char| !letter.is_ascii_digit())?;
    Some(tag.get(digits..)?.starts_with('t'))
}

/// Short texts between zero bytes.
fn texts(bytes: &[u8]) -> Vec<&str> {
    let parts = bytes.split(|byte| *byte == 0).filter(|part| (5..=16).contains(&part.len()));
    parts.filter_map(|part| std::str::from_utf8(part).ok()).collect()
}

/// The libraries that a shared object is linked with (`DT_NEEDED`).
fn needed(bytes: &[u8]) -> Vec<String> {
    let read = || -> object::read::Result<Vec<String>> {
        let file = ElfFile64::<Endianness>::parse(bytes)?;
        let (endian, header) = (file.endian(), file.elf_header());
        let sections = header.sections(endian, bytes)?;
        let Some((dynamic, link)) = sections.dynamic(endian, bytes)? else { return Ok(Vec::new()) };
        let strings = sections.strings(endian, bytes, link)?;
        let names = dynamic.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED);
        names.map(|entry| Ok(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned())).collect()
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_tells_its_python() {
        let python = |version: &str, is_free_threaded| {
            Some(LinkedPython { version: version.to_owned(), is_free_threaded: Some(is_free_threaded) })
        };
        assert_eq!(linked("libpython3.14t.so.1.0"), python("3.14", true));
        assert_eq!(linked("libpython3.7m.so.1.0"), python("3.7", false));
        assert_eq!(linked("libpython3.so"), None);
        assert_eq!(linked("libc.so.6"), None);
        assert_eq!(by_name(Path::new("mod_wsgi-py314.cpython-314t-x86_64-linux-gnu.so")), Some(true));
        assert_eq!(by_name(Path::new("mod_wsgi.so")), None);
    }
}
