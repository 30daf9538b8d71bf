//! Files of `/proc` (proc(5)).

use std::fs;

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Id of the parent process.
    pub parent: i32,
    /// Number of threads.
    pub threads: u64,
}

impl ProcessStat {
    /// Parses the text of the file; `None` if it is damaged. The second field is the name in parentheses, which
    /// may contain anything.
    pub fn parse(stat: &str) -> Option<Self> {
        let (_, after_name) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = after_name.split(' ').collect();
        // The fields are numbered from 1, and the third is the first one here.
        let field = |number: usize| fields.get(number - 3);
        Some(Self { parent: field(4)?.parse().ok()?, threads: field(20)?.parse().ok()? })
    }
}

/// Lists the children of this process that are not reaped yet.
pub fn list_children() -> Vec<i32> {
    let Ok(own) = i32::try_from(std::process::id()) else { return Vec::new() };
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let is_child = |process: &i32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"));
        stat.is_ok_and(|stat| ProcessStat::parse(&stat).is_some_and(|stat| stat.parent == own))
    };
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

/// Returns the number of resident pages in the text of `/proc/self/statm`: the second field.
pub fn parse_resident_pages(statm: &str) -> Option<u64> {
    statm.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{ProcessStat, list_children, parse_resident_pages};

    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_is_listed_until_it_is_reaped() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let (id, own) = (i32::try_from(child.id()).unwrap(), i32::try_from(std::process::id()).unwrap());
        let children = list_children();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(children.contains(&id) && !children.contains(&own), "{children:?}");
        assert!(!list_children().contains(&id));
    }

    #[test]
    fn fields_are_counted_after_the_name() {
        let stat = "12 (a) b (c) S 7 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 33 0 99 1000\n";
        assert_eq!(ProcessStat::parse(stat), Some(ProcessStat { parent: 7, threads: 33 }));
        assert_eq!(ProcessStat::parse("12 (a) S 7"), None);
        assert_eq!(ProcessStat::parse(""), None);
    }

    #[test]
    fn resident_pages_are_the_second_field() {
        assert_eq!(parse_resident_pages("500 120 30 1 0 80 0\n"), Some(120));
        assert_eq!(parse_resident_pages("500"), None);
        assert_eq!(parse_resident_pages(""), None);
    }
}
