//! The sandbox as a whole.

use std::path::Path;

/// Restrictions for the calling thread and all processes it starts. They cannot be lifted.
pub struct Confinement<'a> {
    /// Files and folders that may be written to. Empty if an outer sandbox restricts that already.
    pub writable: &'a [&'a Path],
    /// Signaling this process or its process group kills the sender with `SIGSYS`. A mere error would let a
    /// module pass that would kill its server.
    pub parent: i32,
}

/// Applies the sandbox to the calling thread. Returns what this system cannot enforce, as phrases that
/// complete the sentence "trials may ...".
#[cfg(target_os = "linux")]
pub fn confine(to: &Confinement<'_>) -> Vec<&'static str> {
    let mut missing = super::file_access::restrict_writes(to.writable);
    super::capabilities::drop_capabilities();
    if super::system_calls::restrict_calls(to.parent).is_err() {
        missing.push("use the network and trace other processes");
        missing.push("change permissions, owners and times of files");
    }
    missing
}

/// Applies nothing: the sandbox needs Linux.
#[cfg(not(target_os = "linux"))]
pub fn confine(_to: &Confinement<'_>) -> Vec<&'static str> {
    vec!["write outside their folders, signal other processes and use the network"]
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs::{self, Permissions};
    use std::net::UdpSocket;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::parent_id;
    use std::path::Path;

    use super::{Confinement, confine};

    /// Runs `work` in the sandbox. The restrictions hold for one thread, so that the test's other threads go
    /// on.
    fn run_confined<R: Send>(inside: &Path, work: impl FnOnce() -> R + Send) -> (R, Vec<&'static str>) {
        std::thread::scope(|scope| {
            let confined = scope.spawn(|| {
                let parent = i32::try_from(parent_id()).unwrap();
                let missing = confine(&Confinement { writable: &[inside], parent });
                (work(), missing)
            });
            confined.join().unwrap()
        })
    }

    #[test]
    fn a_confined_thread_writes_to_its_folder_only_and_has_no_network() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ((written, refused, bound), missing) = run_confined(inside.path(), || {
            let written = fs::write(inside.path().join("file"), "text").is_ok();
            let refused = fs::write(outside.path().join("file"), "text").is_err();
            (written, refused, UdpSocket::bind("127.0.0.1:0").is_ok())
        });
        let is_missing = |what: &str| missing.contains(&what);
        assert!(written, "{missing:?}");
        assert_ne!(refused, is_missing("write outside their folders"), "{missing:?}");
        assert_eq!(bound, is_missing("use the network and trace other processes"), "{missing:?}");
        // What is not confined goes on as before.
        fs::write(outside.path().join("other"), "text").unwrap();
    }

    /// Permissions, time of the content, and time of the last change of any of them.
    fn state(file: &Path) -> (u32, i64, i64, i64) {
        let found = fs::metadata(file).unwrap();
        (found.mode(), found.mtime(), found.ctime(), found.ctime_nsec())
    }

    #[test]
    fn a_confined_thread_changes_no_metadata() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = outside.path().join("file");
        fs::write(&file, "text").unwrap();
        let before = state(&file);
        let ((), missing) = run_confined(inside.path(), || {
            // Success is pretended, and nothing happens.
            fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
            let opened = fs::File::open(&file).unwrap();
            opened.set_permissions(Permissions::from_mode(0o000)).unwrap();
            opened.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            std::os::unix::fs::chown(&file, Some(0), Some(0)).unwrap();
        });
        assert_eq!(missing, [""; 0], "this machine cannot enforce the sandbox");
        assert_eq!(state(&file), before);
    }
}
