//! Reads the probe's crash files: `crash` (three numbers and a memory map) and `stack`.

use std::io::Read;
use std::path::Path;

use wsgiaudit_probes_core::mapping::find_mapped_file;
use wsgiaudit_probes_core::protocol::ProcessExit;
use wsgiaudit_probes_core::trial_files;

use crate::image::symbol_at_offset;
use crate::model::{CrashLocation, CrashReport};
use crate::regular_file::open_unlinked;

/// Maximum bytes read of each file. The process that wrote them was crashing.
const MAX_BYTES: u64 = 4 << 20;

/// Reads the crash that ended a trial.
///
/// Returns `None` if the process did not end by the recorded signal, for example because the subject handles
/// that signal.
pub(super) fn read_crash(folder: &Path, end: Option<ProcessExit>) -> Option<CrashReport> {
    let recorded = CrashRecord::parse(&read_beginning(folder, trial_files::CRASH)?)?;
    if end != Some(ProcessExit::Signal(recorded.signal)) {
        return None;
    }
    let stack =
        String::from_utf8_lossy(&read_beginning(folder, trial_files::STACK).unwrap_or_default()).into_owned();
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

fn read_beginning(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    open_unlinked(folder, name).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
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
            file: find_mapped_file(&maps, instruction),
        })
    }

    /// Whether the signal has a fault address (SIGBUS or SIGSEGV); its address 0 is then meaningful.
    fn is_memory_fault(&self) -> bool {
        [7, 10, 11].contains(&self.signal)
    }
}

#[cfg(test)]
mod tests {
    use super::CrashRecord;

    const MAPS: &str = "7f0000002000-7f0000004000 r-xp 00001000 fd:00 34      /venv/a b/_foo.so\n";

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
    fn a_record_that_breaks_off_is_none() {
        assert_eq!(CrashRecord::parse(&record(11, 0, 0)[..23]), None);
    }
}
