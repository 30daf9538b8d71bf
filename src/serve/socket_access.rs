//! Who may connect to a Unix socket.

use std::path::Path;

use anyhow::{Context, Result};

use crate::cli::ServeArgs;
use crate::closed_socket::SocketFile;
use crate::regular_file;

/// Size limit of `/etc/passwd` and `/etc/group`.
const MAX_SIZE: u64 = 64 << 20;

/// Mode and owner of the sockets that are bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SocketAccess {
    mode: u32,
    user: Option<u32>,
    group: Option<u32>,
}

impl SocketAccess {
    /// Takes mode and owner from the command line.
    ///
    /// # Errors
    /// If the system has no such user or group.
    pub(super) fn from_args(args: &ServeArgs) -> Result<Self> {
        let (user, group) = match args.socket_owner.as_deref() {
            None => (None, None),
            Some(owner) => {
                let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
                (find_id("/etc/passwd", user)?, find_id("/etc/group", group)?)
            }
        };
        Ok(Self { mode: args.socket_mode, user, group })
    }

    /// Gives a socket its mode and owner.
    ///
    /// # Errors
    /// If this process lacks the permission.
    pub(super) fn apply(self, path: &Path) -> Result<()> {
        let shown = path.display();
        let file = SocketFile::find(path)?;
        if self.user.is_some() || self.group.is_some() {
            file.change_owner(self.user, self.group)
                .with_context(|| format!("cannot change the owner of {shown}"))?;
        }
        file.change_mode(self.mode).with_context(|| format!("cannot change the mode of {shown}"))
    }
}

/// Returns the number of a user or group: the number itself, or that of the name in this file. `None` for no name.
fn find_id(file: &str, name: &str) -> Result<Option<u32>> {
    if name.is_empty() {
        return Ok(None);
    }
    if let Ok(id) = name.parse() {
        return Ok(Some(id));
    }
    let text =
        regular_file::read_text(Path::new(file), MAX_SIZE).with_context(|| format!("cannot read {file}"))?;
    let id = find_id_in(&text, name);
    Ok(Some(id.with_context(|| format!("--socket-owner: {file} has no {name}\nhint: a number"))?))
}

/// Finds a name in the format of `passwd(5)` and `group(5)`: `name:password:number:...`.
fn find_id_in(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split(':').nth(1)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_number_of_its_line() {
        let text = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/:/bin/false\nwww-data:x:34:\n";
        for (name, id) in [("root", Some(0)), ("www", Some(33)), ("www-data", Some(34)), ("ww", None)] {
            assert_eq!(find_id_in(text, name), id, "{name}");
        }
        assert_eq!(find_id("/nowhere", "12").unwrap(), Some(12));
        assert_eq!(find_id("/nowhere", "").unwrap(), None);
        assert!(find_id("/nowhere", "99999999999").is_err());
        assert!(find_id("/nowhere", "www").is_err());
    }
}
