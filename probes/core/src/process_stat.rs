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

/// Lists the descendants of this process that are not reaped yet. Faster than [`list_children`], but processes that
/// start or end meanwhile may hide others (`proc_pid_task(5)`, `children`).
pub fn list_descendants() -> Vec<i32> {
    let Ok(own) = i32::try_from(std::process::id()) else { return Vec::new() };
    let (mut found, mut next) = (list_children_of(own), 0);
    while let Some(process) = found.get(next).copied() {
        found.extend(list_children_of(process));
        next += 1;
    }
    found
}

/// Lists the children of all threads of a process.
fn list_children_of(process: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let parse = |list: String| list.split(' ').filter_map(|id| id.parse().ok()).collect::<Vec<_>>();
    lists.flat_map(parse).collect()
}

/// Returns the sum of these lines of a text such as `/proc/PID/status`, in kB.
pub fn sum_kilobytes(text: &str, names: &[&str]) -> u64 {
    let values = text.lines().filter_map(|line| {
        let (name, value) = line.split_at(line.find(':')? + 1);
        names.contains(&name).then(|| value.trim().strip_suffix(" kB")?.parse::<u64>().ok()).flatten()
    });
    values.sum()
}

/// Returns the number of resident pages in the text of `/proc/self/statm`: the second field.
pub fn parse_resident_pages(statm: &str) -> Option<u64> {
    statm.split(' ').nth(1)?.parse().ok()
}

/// Numbers of the system calls that wait for other threads, for time, or for files to be ready: `futex`, `nanosleep`,
/// `clock_nanosleep`, and the variants of `poll`, `select` and `epoll_wait`.
#[cfg(target_arch = "x86_64")]
const WAITING_CALLS: [u32; 10] = [202, 35, 230, 7, 271, 23, 270, 232, 281, 441];
/// The same on AArch64 (`include/uapi/asm-generic/unistd.h`).
#[cfg(not(target_arch = "x86_64"))]
const WAITING_CALLS: [u32; 6] = [98, 101, 115, 73, 72, 22];

/// Parses `/proc/PID/task/TID/syscall`: the arguments of the system call that the thread waits in. `None` if the thread runs, or waits in a call that reads or writes data.
pub fn parse_waiting_call(line: &str) -> Option<Vec<usize>> {
    let (number, arguments) = line.trim_end().split_once(' ')?;
    let number: u32 = number.parse().ok()?;
    let arguments = arguments.split(' ').take(6);
    let arguments = arguments.map(|each| usize::from_str_radix(each.strip_prefix("0x")?, 16).ok());
    arguments.collect::<Option<Vec<_>>>().filter(|_| WAITING_CALLS.contains(&number))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{
        ProcessStat, WAITING_CALLS, list_children, list_descendants, parse_resident_pages,
        parse_waiting_call, sum_kilobytes,
    };

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
    #[cfg(target_os = "linux")]
    fn descendants_are_children_and_theirs() {
        let mut child = Command::new("sh").args(["-c", "sleep 60; true"]).spawn().unwrap();
        let id = i32::try_from(child.id()).unwrap();
        let has_grandchild =
            || super::list_children_of(id).first().is_some_and(|id| list_descendants().contains(id));
        let found = (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            has_grandchild()
        });
        let all = list_descendants();
        for grandchild in super::list_children_of(id) {
            Command::new("kill").arg(grandchild.to_string()).status().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found && all.contains(&id), "{all:?}");
    }

    #[test]
    fn named_lines_are_added() {
        let status = "Name:\ta b\nRssAnon:\t    200 kB\nRssFile:\t 7 kB\nRssShmem:\t      50 kB\n";
        assert_eq!(sum_kilobytes(status, &["RssAnon:", "RssShmem:"]), 250);
        assert_eq!(sum_kilobytes("RssAnon: x kB\nRssShmem", &["RssAnon:", "RssShmem:"]), 0);
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

    #[test]
    fn a_thread_that_waits_shows_the_arguments_of_its_call() {
        let line = format!("{} 0x7f00 0x80 0x2 0x0 0x0 0x0 0x7ffd 0x7f11\n", WAITING_CALLS[0]);
        assert_eq!(parse_waiting_call(&line), Some(vec![0x7f00, 0x80, 2, 0, 0, 0]));
    }

    #[test]
    fn a_thread_that_runs_or_transfers_data_does_not_wait() {
        // 0 and 63 are `read`.
        for line in ["running\n", "-1 0x7ffd 0x7f11\n", "0 0x3 0x7f00 0x10 0x0 0x0 0x0 0x1 0x2\n", ""] {
            assert_eq!(parse_waiting_call(line), None, "{line}");
        }
        assert_eq!(parse_waiting_call("63 0x3 0x7f00 0x10 0x0 0x0 0x0 0x1 0x2"), None);
    }
}
