//! Reads the probe's crash files: `crash` (three numbers and a memory map) and `stack`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::protocol::ProcessExit;
use crate::image::symbol_at_offset;
use crate::model::{CrashLocation, CrashReport};

/// Maximum bytes read of each file. The process that wrote them was crashing.
const MAX_BYTES: u64 = 4 << 20;

/// Reads the crash that ended a trial.
///
/// Returns `None` if the process did not end by the recorded signal, for example because the subject handles
/// that signal.
pub(super) fn read_crash(folder: &Path, end: Option<ProcessExit>) -> Option<CrashReport> {
    let recorded = CrashRecord::parse(&read_limited(&folder.join("crash"))?)?;
    if end != Some(ProcessExit::Signal(recorded.signal)) {
        return None;
    }
    let stack =
        String::from_utf8_lossy(&read_limited(&folder.join("stack")).unwrap_or_default()).into_owned();
    Some(CrashReport {
        address: (recorded.address != 0 || recorded.is_memory_fault()).then_some(recorded.address),
        site: recorded.file.map(|(path, offset)| CrashLocation {
            object: Path::new(&path).file_name().unwrap_or_default().to_string_lossy().into_owned(),
            symbol: symbol_at_offset(Path::new(&path), offset),
            offset,
        }),
        stack,
    })
}

fn read_limited(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Content of the `crash` file.
#[derive(Debug, PartialEq, Eq)]
struct CrashRecord {
    signal: i32,
    address: u64,
    /// The mapped file that contains the instruction, and the instruction's offset in it.
    file: Option<(String, u64)>,
}

impl CrashRecord {
    /// Parses the file: signal, address and instruction as 64-bit little-endian numbers, then the memory map.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, maps) = bytes.split_first_chunk::<24>()?;
        let number = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
        let instruction = number(16)?;
        let maps = String::from_utf8_lossy(maps);
        Some(Self {
            signal: number(0)?.try_into().ok()?,
            address: number(8)?,
            file: maps.lines().find_map(|line| file_offset_in_mapping(line, instruction)),
        })
    }

    /// Whether the signal has a fault address (SIGBUS or SIGSEGV); its address 0 is then meaningful.
    fn is_memory_fault(&self) -> bool {
        [7, 10, 11].contains(&self.signal)
    }
}

/// Returns file and offset of an address if this line of `/proc/self/maps` covers it.
///
/// Lines are `start-end perms offset dev inode path`, with hexadecimal numbers (proc(5)).
fn file_offset_in_mapping(line: &str, address: u64) -> Option<(String, u64)> {
    let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let start = hexadecimal(start)?;
    if !(start..hexadecimal(end)?).contains(&address) {
        return None;
    }
    let mut fields = rest.splitn(5, ' ');
    let offset = hexadecimal(fields.nth(1)?)?;
    let path = fields.nth(2)?.trim_start();
    path.starts_with('/').then(|| (path.to_owned(), offset.wrapping_add(address - start)))
}

#[cfg(test)]
mod tests {
    use super::CrashRecord;

    const MAPS: &str = "\
555500000000-555500001000 r-xp 00000000 fd:00 12                         /usr/bin/python3.14
7f0000002000-7f0000004000 r-xp 00001000 fd:00 34                         /venv/a b/_foo.so
7f0000004000-7f0000008000 rw-p 00000000 00:00 0
7ffc00000000-7ffc00001000 rw-p 00000000 00:00 0                          [stack]
";

    fn record(signal: u64, address: u64, instruction: u64) -> Vec<u8> {
        let numbers = [signal, address, instruction].map(u64::to_le_bytes);
        [numbers.as_flattened(), MAPS.as_bytes()].concat()
    }

    #[test]
    fn an_instruction_is_found_in_the_file_that_holds_it() {
        let recorded = CrashRecord::parse(&record(11, 0, 0x7f00_0000_2010)).unwrap();
        let file = Some(("/venv/a b/_foo.so".to_owned(), 0x1010));
        assert_eq!(recorded, CrashRecord { signal: 11, address: 0, file });
    }

    #[test]
    fn an_instruction_outside_of_files_has_no_file() {
        for instruction in [0, 0x7f00_0000_4000, 0x7ffc_0000_0000] {
            assert_eq!(CrashRecord::parse(&record(11, 0, instruction)).unwrap().file, None);
        }
    }

    #[test]
    fn a_record_that_breaks_off_is_none() {
        assert_eq!(CrashRecord::parse(&record(11, 0, 0)[..23]), None);
    }
}
