//! Reads files of `*.dist-info` folders, which anyone can have written.

use std::io;
use std::path::Path;

use crate::regular_file;

/// Size limit of a file other than RECORD. METADATA has some 300 KB where it holds a long description.
pub(super) const MAX_SIZE: u64 = 4 << 20;

/// Reads a file of a `*.dist-info` folder. Returns nothing if it does not exist.
///
/// # Errors
/// When it is not a regular file, has more than `most` bytes, cannot be read, or is a link to something else.
pub(super) fn read_metadata(info: &Path, name: &str, most: u64) -> io::Result<Vec<u8>> {
    let path = info.join(name);
    let read = check_link(info, &path).and_then(|()| regular_file::read_limited(&path, most));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result,
    }
}

/// Checks where a link leads: within the folder of installed packages, or to the same file of the same
/// distribution elsewhere, as with `uv pip install --link-mode symlink`. Anything else could be a secret, and
/// what is read stands in the report.
fn check_link(info: &Path, path: &Path) -> io::Result<()> {
    if !info.is_symlink() && !path.is_symlink() {
        return Ok(());
    }
    let real = path.canonicalize()?;
    let ends = |path: &Path| {
        let name = path.file_name().map(ToOwned::to_owned);
        (path.parent().and_then(Path::file_name).map(ToOwned::to_owned), name)
    };
    let site = info.parent().unwrap_or(info).canonicalize()?;
    match real.starts_with(site) || ends(&real) == ends(path) {
        true => Ok(()),
        false => Err(io::Error::other(format!("it is a link to {}", real.display()))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_to_the_same_file_or_within_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let info = folder.path().join("site/a-1.dist-info");
        let cached = folder.path().join("cache/a-1.dist-info");
        for folder in [&info, &cached] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(cached.join("METADATA"), "cached").unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        fs::write(folder.path().join("site/shared"), "shared").unwrap();
        symlink("../../cache/a-1.dist-info/METADATA", info.join("METADATA")).unwrap();
        symlink("../../secret", info.join("WHEEL")).unwrap();
        symlink("../shared", info.join("RECORD")).unwrap();
        symlink("nowhere", info.join("INSTALLER")).unwrap();
        symlink(&cached, folder.path().join("site/b-1.dist-info")).unwrap();
        let read = |info: &Path, name: &str| {
            let read = read_metadata(info, name, 10).map_err(|error| error.to_string())?;
            Ok::<_, String>(String::from_utf8(read).unwrap())
        };
        assert_eq!(read(&info, "METADATA").unwrap(), "cached");
        assert!(read(&info, "WHEEL").unwrap_err().starts_with("it is a link to /"));
        assert_eq!(read(&info, "RECORD").unwrap(), "shared");
        assert_eq!(read(&info, "INSTALLER").unwrap(), "");
        assert_eq!(read(&info, "absent").unwrap(), "");
        assert!(read(&folder.path().join("site/b-1.dist-info"), "METADATA").is_err());
    }
}
