//! The user that serves: the supervisor switches to it for good, once everything is bound that needs root.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use nix::unistd::{Gid, Group, Uid, User, geteuid, getgrouplist, setgid, setgroups, setuid};

use crate::cli::OperationArgs;
use crate::regular_file;

/// Size limit of a file with the state of a thread.
const MAX_SIZE: u64 = 1 << 20;

/// The threads of this process.
const THREADS: &str = "/proc/self/task";

/// A user with its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServeUser {
    /// Its name, or its number if it has none.
    name: String,
    user: Uid,
    group: Gid,
    /// All of its groups.
    groups: Vec<Gid>,
    home: PathBuf,
}

impl ServeUser {
    /// Looks up the user and the group that the command line names. `None` if it names none.
    ///
    /// # Errors
    /// If the system does not have them, or this process is not root's.
    pub(super) fn find(args: &OperationArgs) -> Result<Option<Self>> {
        let Some(named) = args.user.as_deref() else { return Ok(None) };
        let (text, named_group) = match (named.split_once(':'), args.group.as_deref()) {
            (Some(_), Some(_)) => bail!("--user {named} and --group both name a group"),
            (Some((user, group)), None) => (user, Some(group)),
            (None, group) => (named, group),
        };
        if !geteuid().is_root() {
            bail!(
                "--user {text}: only root can serve as another user, and this process has the user {}\nhint: leave --user \
                 out, or start the server as root",
                geteuid()
            );
        }
        let found = find_user(text)?;
        let number = found.as_ref().map(|user| user.uid).or_else(|| parse_number(text).map(Uid::from_raw));
        let user = number.with_context(|| format!("--user {text}: the system has no such user"))?;
        if user.is_root() {
            bail!("--user {text} is root: it must be another user\nhint: leave --user out");
        }
        let group = match named_group {
            Some(text) => find_group(text)?,
            None => found.as_ref().map(|user| user.gid).with_context(|| {
                format!("--user {text}: the system does not say its group\nhint: --group")
            })?,
        };
        let groups = match &found {
            Some(user) => getgrouplist(&CString::new(user.name.as_bytes())?, group)
                .with_context(|| format!("cannot find the groups of {text}"))?,
            None => vec![group],
        };
        let home = found.as_ref().map_or_else(|| PathBuf::from("/"), |user| user.dir.clone());
        let name = found.map_or_else(|| text.to_owned(), |user| user.name);
        Ok(Some(Self { name, user, group, groups, home }))
    }

    /// Switches this process, with all of its threads, to this user. There is no way back.
    ///
    /// # Errors
    /// If it has kept something of root's, or could get it back.
    pub(super) fn switch_process(&self) -> Result<()> {
        setgroups(&self.groups).context("cannot take on the groups")?;
        setgid(self.group).context("cannot take on the group")?;
        setuid(self.user).context("cannot take on the user")?;
        self.check_process().with_context(|| format!("this process does not run as {}", self.name))
    }

    /// The variables that a login of the user would have.
    pub(super) fn variables(&self) -> [(&'static str, &OsStr); 3] {
        let name = OsStr::new(&self.name);
        [("HOME", self.home.as_os_str()), ("USER", name), ("LOGNAME", name)]
    }

    /// Describes it, for the log.
    pub(super) fn describe(&self) -> String {
        let groups: Vec<String> = self.groups.iter().map(ToString::to_string).collect();
        format!("{} (user {}, group {}, groups {})", self.name, self.user, self.group, groups.join(" "))
    }

    fn check_process(&self) -> Result<()> {
        if setuid(Uid::from_raw(0)).is_ok() {
            bail!("it can become root again");
        }
        for entry in fs::read_dir(THREADS).with_context(|| format!("cannot read {THREADS}"))? {
            let status = entry?.path().join("status");
            let text = regular_file::read_text(&status, MAX_SIZE)
                .with_context(|| format!("cannot read {}", status.display()))?;
            self.check_thread(&text).with_context(|| status.display().to_string())?;
        }
        Ok(())
    }

    /// Checks the state of a thread, in the format of `/proc/PID/status`.
    fn check_thread(&self, status: &str) -> Result<()> {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.with_context(|| format!("it has no {name}"))
        };
        for (name, number) in [("Uid", self.user.as_raw()), ("Gid", self.group.as_raw())] {
            let line = field(name)?;
            if !line.split_whitespace().all(|word| word == number.to_string()) {
                bail!("{name} is {}", line.trim());
            }
        }
        let line = field("Groups")?;
        let found: BTreeSet<String> = line.split_whitespace().map(str::to_owned).collect();
        if found != self.groups.iter().map(ToString::to_string).collect() {
            bail!("Groups is {}", line.trim());
        }
        for name in ["CapPrm", "CapEff", "CapAmb"] {
            let line = field(name)?.trim();
            if line.chars().any(|digit| digit != '0') {
                bail!("{name} is {line}");
            }
        }
        Ok(())
    }
}

/// Looks a user up by its name or number; `None` if the system has no entry for it.
fn find_user(text: &str) -> Result<Option<User>> {
    let found = match parse_number(text) {
        Some(number) => User::from_uid(Uid::from_raw(number)),
        None => User::from_name(text),
    };
    found.with_context(|| format!("--user {text}: cannot look it up"))
}

fn find_group(text: &str) -> Result<Gid> {
    if let Some(number) = parse_number(text) {
        return Ok(Gid::from_raw(number));
    }
    let found = Group::from_name(text).with_context(|| format!("--group {text}: cannot look it up"))?;
    found.map(|group| group.gid).ok_or_else(|| anyhow!("--group {text}: the system has no such group"))
}

/// Parses the number of a user or group. The highest one stands for none in system calls.
fn parse_number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> ServeUser {
        let groups = vec![Gid::from_raw(8)];
        let (user, group) = (Uid::from_raw(7), Gid::from_raw(8));
        ServeUser { name: "shop".to_owned(), user, group, groups, home: "/srv".into() }
    }

    #[test]
    fn a_thread_keeps_nothing() {
        let status =
            "Uid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\nGroups:\t8 \nCapPrm:\t0000\nCapEff:\t0000\nCapAmb:\t0000\n";
        assert!(user().check_thread(status).is_ok());
        for (old, new, said) in [
            ("7\t7\t7\t7", "7\t7\t0\t7", "Uid is 7\t7\t0\t7"),
            ("8\t8\t8\t8", "8\t8\t8\t0", "Gid is"),
            ("Groups:\t8", "Groups:\t8 0", "Groups is 8 0"),
            ("CapPrm:\t0000", "CapPrm:\t0001", "CapPrm is 0001"),
            ("CapAmb:\t0000\n", "", "it has no CapAmb"),
        ] {
            let error = user().check_thread(&status.replace(old, new)).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn a_number_may_have_no_name() {
        for (text, number) in
            [("0", Some(0)), ("1000", Some(1000)), ("4294967295", None), ("-1", None), ("a", None)]
        {
            assert_eq!(parse_number(text), number, "{text}");
        }
        assert_eq!(find_user("no such user").unwrap(), None);
        assert!(find_group("no such group").is_err());
        assert_eq!(find_group("12").unwrap(), Gid::from_raw(12));
    }
}
