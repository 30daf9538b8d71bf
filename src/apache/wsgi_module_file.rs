//! The file that `LoadModule wsgi_module` names: its mod_wsgi version, and the Python it is linked with.

use std::path::{Path, PathBuf};

use object::read::elf::{Dyn as _, ElfFile64, FileHeader as _};
use object::{Endianness, elf};

use super::ConfigurationSource;
use super::mod_wsgi_version::ModWsgiVersion;
use super::values::LocatedValue;

/// What is known of the module file.
#[derive(Clone, Debug, Default)]
pub(super) struct WsgiModuleFile {
    /// The path and the `LoadModule` line; `None` if the configuration has no such line.
    pub(super) file: Option<LocatedValue<PathBuf>>,
    /// The version of mod_wsgi; `None` if the file is missing or does not contain a version.
    pub(super) release: Option<ModWsgiVersion>,
    /// The Python it is built for.
    pub(super) python: Option<LinkedPython>,
    /// Why the version is unknown.
    pub(super) trouble: Option<String>,
}

/// The Python that a module is linked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkedPython {
    /// E.g. `3.14`.
    pub(super) version: String,
    /// `None` if the file does not show it.
    pub(super) is_free_threaded: Option<bool>,
}

impl WsgiModuleFile {
    /// Reads a module file.
    pub(super) fn read_module(file: LocatedValue<PathBuf>, source: &dyn ConfigurationSource) -> Self {
        let bytes = source.read_bytes(&file.value);
        let trouble = bytes.as_ref().err().map(ToString::to_string);
        let bytes = bytes.unwrap_or_default();
        let texts = find_short_strings(&bytes);
        let numbers = texts.iter().filter_map(|text| ModWsgiVersion::parse(text));
        // Besides its own version, the module contains that of the Python it was compiled with.
        let release = numbers.clone().find(|release| release.0 >= 4);
        let is_here = trouble.is_none();
        let trouble =
            trouble.or_else(|| release.is_none().then(|| "the file does not contain its version".to_owned()));
        let compiled = numbers.into_iter().find(|release| release.0 < 4).filter(|_| is_here);
        let compiled = compiled.map(|release| LinkedPython {
            version: format!("{}.{}", release.0, release.1),
            is_free_threaded: parse_free_threaded_tag(&file.value),
        });
        let python =
            list_needed_libraries(&bytes).iter().find_map(|name| parse_libpython_name(name)).or(compiled);
        Self { file: Some(file), release, python, trouble }
    }

    /// Returns the name for messages: the path, or `mod_wsgi`.
    pub(super) fn display_name(&self) -> String {
        self.file.as_ref().map_or_else(|| "mod_wsgi".to_owned(), |file| file.value.display().to_string())
    }
}

/// Parses a name such as `libpython3.14t.so.1.0`.
fn parse_libpython_name(library: &str) -> Option<LinkedPython> {
    let version = library.strip_prefix("libpython")?.split_once(".so")?.0;
    let plain = version.trim_end_matches(['d', 'm', 't']);
    let is_version =
        plain.split('.').count() == 2 && plain.split('.').all(|number| number.parse::<u32>().is_ok());
    let is_free_threaded = Some(version.get(plain.len()..)?.contains('t'));
    is_version.then(|| LinkedPython { version: plain.to_owned(), is_free_threaded })
}

/// Whether the tag in a file name, such as `cpython-314t`, is of a free-threaded build; `None` without a tag.
fn parse_free_threaded_tag(file: &Path) -> Option<bool> {
    let name = file.file_name()?.to_str()?;
    let (_, tag) = name.split_once("cpython-")?;
    let digits = tag.find(|letter: char| !letter.is_ascii_digit())?;
    Some(tag.get(digits..)?.starts_with('t'))
}

/// Returns the short NUL-terminated strings in a file, which include version numbers.
fn find_short_strings(bytes: &[u8]) -> Vec<&str> {
    let parts = bytes.split(|byte| *byte == 0).filter(|part| (5..=16).contains(&part.len()));
    parts.filter_map(|part| std::str::from_utf8(part).ok()).collect()
}

/// Returns the libraries that a shared object needs (`DT_NEEDED`).
fn list_needed_libraries(bytes: &[u8]) -> Vec<String> {
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
    use crate::apache::test_files::files;
    use crate::model::ConfigLocation;

    #[test]
    fn a_library_tells_its_python() {
        let python = |version: &str, is_free_threaded| {
            Some(LinkedPython { version: version.to_owned(), is_free_threaded: Some(is_free_threaded) })
        };
        assert_eq!(parse_libpython_name("libpython3.14t.so.1.0"), python("3.14", true));
        assert_eq!(parse_libpython_name("libpython3.7m.so.1.0"), python("3.7", false));
        assert_eq!(parse_libpython_name("libpython3.so"), None);
        assert_eq!(parse_libpython_name("libc.so.6"), None);
        assert_eq!(
            parse_free_threaded_tag(Path::new("mod_wsgi-py314.cpython-314t-x86_64-linux-gnu.so")),
            Some(true)
        );
        assert_eq!(parse_free_threaded_tag(Path::new("mod_wsgi.so")), None);
    }

    #[test]
    fn a_module_file_tells_its_version_and_its_python() {
        let read = |name: &str, text: &str| {
            let place = ConfigLocation { file: "x".into(), line: 1 };
            let source = files(&[("/m/mod_wsgi.so", text), ("/m/x.cpython-314t-x.so", text)]);
            WsgiModuleFile::read_module(LocatedValue { value: name.into(), place }, &source)
        };
        let module = read("/m/mod_wsgi.so", "mod_wsgi/%s\x005.0.2\x003.14.7\x001.2.3.4\0short\0");
        assert_eq!((module.release, module.trouble), (Some(ModWsgiVersion(5, 0, 2)), None));
        let python = |is_free_threaded| Some(LinkedPython { version: "3.14".to_owned(), is_free_threaded });
        assert_eq!(module.python, python(None));
        assert_eq!(read("/m/x.cpython-314t-x.so", "4.9.4\x003.14.7\0").python, python(Some(true)));
        let module = read("/m/mod_wsgi.so", "3.14.7\0");
        let trouble = module.trouble.as_deref();
        assert_eq!((module.release, trouble), (None, Some("the file does not contain its version")));
        assert_eq!(module.display_name(), "/m/mod_wsgi.so");
        let module = read("/m/absent.so", "");
        assert_eq!((module.release, &module.python, module.trouble.is_some()), (None, &None, true));
        assert_eq!(WsgiModuleFile::default().display_name(), "mod_wsgi");
        // Only strings of the length of a version are considered.
        let texts = b"1234\x0012345\x001234567890123456\x0012345678901234567\0";
        assert_eq!(find_short_strings(texts), ["12345", "1234567890123456"]);
    }

    #[test]
    fn other_names_of_libraries_tell_nothing() {
        for name in
            ["libpython3.14", "libpython3.14x.so", "libpythonx.y.so", "python3.14.so", "libpython3.1.4.so"]
        {
            assert_eq!(parse_libpython_name(name), None, "{name}");
        }
        for (name, expected) in
            [("x.cpython-314-x.so", Some(false)), ("x.cpython-314", None), ("x.abi3.so", None)]
        {
            assert_eq!(parse_free_threaded_tag(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_needs_libraries() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(list_needed_libraries(&program).contains(&"libc.so.6".to_owned()));
        assert_eq!(list_needed_libraries(b"text"), [] as [String; 0]);
    }
}
