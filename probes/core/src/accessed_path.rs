//! How the paths that a trial reads are recorded.

use std::path::{Component, Path, PathBuf};

use crate::protocol::FileAccessScope;

/// How an accessed path is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathClass {
    /// Not at all: it belongs to what runs the trial.
    Apart,
    /// As the entry of a watched folder that contains it, or as a file in a `.dist-info` folder.
    Within(String),
    /// As the whole path.
    Elsewhere(String),
}

/// Decides how an access to this path is recorded.
pub fn classify_path(path: &Path, watched: &FileAccessScope) -> PathClass {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    for folder in &watched.folders {
        let Ok(rest) = path.strip_prefix(folder) else { continue };
        let mut parts = rest.components().map(|part| Path::new(part.as_os_str()));
        let recorded = match (parts.next(), parts.next()) {
            // The import system lists the folder itself. The auditor knows its entries and its `.pth` files
            // from elsewhere.
            (None, _) => return PathClass::Apart,
            (Some(first), None) if first.extension().is_some_and(|suffix| suffix == "pth") => {
                return PathClass::Apart;
            }
            (Some(first), Some(compiled)) if first == "__pycache__" => source_of_bytecode(compiled),
            // Code that looks for plug-ins reads single files of many distributions.
            (Some(first), _) if first.extension().is_some_and(|suffix| suffix == "dist-info") => {
                rest.to_owned()
            }
            (Some(first), _) => first.to_owned(),
        };
        return PathClass::Within(text(&Path::new(folder).join(recorded)));
    }
    match watched.apart.iter().any(|folder| path.starts_with(folder)) {
        true => PathClass::Apart,
        false => PathClass::Elsewhere(text(path)),
    }
}

/// Returns the source of a file in a folder of bytecode, which is laid out as `sys.pycache_prefix` says: `/site/x.py` for
/// `FOLDER/site/x.cpython-314.pyc`. Returns other paths as they are.
pub fn source_of_prefixed_bytecode(path: PathBuf, folder: Option<&str>) -> PathBuf {
    let Some(rest) = folder.and_then(|folder| path.strip_prefix(folder).ok()) else { return path };
    let source = source_of_bytecode(Path::new(rest.file_name().unwrap_or_default()));
    Path::new("/").join(rest.parent().unwrap_or(rest)).join(source)
}

/// Removes `..` lexically.
pub fn normalize_path(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

/// Returns `x.py` for `x.cpython-314.pyc` (PEP 3147): bytecode is valid as long as its source is unchanged.
fn source_of_bytecode(compiled: &Path) -> PathBuf {
    let name = compiled.to_string_lossy();
    PathBuf::from(format!("{}.py", name.split('.').next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{PathClass, classify_path, normalize_path, source_of_prefixed_bytecode};
    use crate::protocol::FileAccessScope;

    fn classified(path: &str) -> PathClass {
        let (folders, apart) = (vec!["/site".to_owned()], vec!["/python".to_owned()]);
        classify_path(Path::new(path), &FileAccessScope { folders, apart })
    }

    #[test]
    fn a_package_is_recorded_as_a_whole() {
        let within = |path: &str| PathClass::Within(path.to_owned());
        assert_eq!(classified("/site/shop/cart.py"), within("/site/shop"));
        assert_eq!(classified("/site/shop"), within("/site/shop"));
        assert_eq!(classified("/site/six.py"), within("/site/six.py"));
        assert_eq!(classified("/site/__pycache__/six.cpython-314.pyc"), within("/site/six.py"));
        assert_eq!(classified("/site/shop/__pycache__/x.pyc"), within("/site/shop"));
    }

    #[test]
    fn files_of_a_distribution_are_recorded_one_by_one() {
        let path = "/site/shop-1.dist-info/entry_points.txt";
        assert_eq!(classified(path), PathClass::Within(path.to_owned()));
    }

    #[test]
    fn what_runs_the_trial_is_not_recorded() {
        for path in ["/site", "/site/a.pth", "/python", "/python/lib/os.py"] {
            assert_eq!(classified(path), PathClass::Apart, "{path}");
        }
        assert_eq!(classified("/site/shop/a.pth"), PathClass::Within("/site/shop".to_owned()));
    }

    #[test]
    fn any_other_path_is_recorded_whole() {
        for path in ["/etc/hosts", "/pythonic/x", "/sites/y"] {
            assert_eq!(classified(path), PathClass::Elsewhere(path.to_owned()));
        }
    }

    #[test]
    fn bytecode_in_a_folder_of_its_own_stands_for_its_source() {
        let source = |path: &str, folder| source_of_prefixed_bytecode(path.into(), folder);
        assert_eq!(
            source("/cache/b/site/shop/x.cpython-314.pyc", Some("/cache/b")),
            Path::new("/site/shop/x.py")
        );
        assert_eq!(source("/site/x.py", Some("/cache/b")), Path::new("/site/x.py"));
        assert_eq!(source("/site/x.py", None), Path::new("/site/x.py"));
    }

    #[test]
    fn parent_folders_are_resolved_lexically() {
        let normal = |path| normalize_path(Path::new(path));
        assert_eq!(normal("/a/b/../c/./d"), Path::new("/a/c/d"));
        assert_eq!(normal("/../a"), Path::new("/a"));
    }
}
