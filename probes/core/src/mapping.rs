//! Lines of `/proc/PID/maps` (proc(5)).
//!
//! The text may be cut off: a crashing process copies its memory map. Lines that cannot be parsed are skipped.

/// A line of `/proc/PID/maps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// First address.
    pub start: u64,
    /// Address after the last one.
    pub end: u64,
    /// Permissions, such as `rw-p`.
    pub permissions: &'a str,
    /// Offset in the file.
    pub offset: u64,
    /// Number of the file's inode; 0 for anonymous memory.
    pub inode: u64,
    /// Path of the file, a name such as `[stack]`, or empty.
    pub path: &'a str,
}

impl<'a> Mapping<'a> {
    /// Parses a line: `start-end perms offset dev inode path`.
    pub fn parse(line: &'a str) -> Option<Self> {
        let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        Some(Self {
            start: hexadecimal(start)?,
            end: hexadecimal(end)?,
            permissions: fields.next()?,
            offset: hexadecimal(fields.next()?)?,
            inode: fields.nth(1)?.parse().ok()?,
            path: fields.next().unwrap_or_default().trim_start(),
        })
    }
}

/// Returns the mapped file that contains an address, and the address's offset in that file.
pub fn find_mapped_file(maps: &str, address: u64) -> Option<(String, u64)> {
    let mut mappings = maps.lines().filter_map(Mapping::parse);
    let mapping = mappings.find(|mapping| (mapping.start..mapping.end).contains(&address))?;
    let is_file = mapping.path.starts_with('/');
    is_file.then(|| (mapping.path.to_owned(), mapping.offset.wrapping_add(address - mapping.start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
555500000000-555500001000 r-xp 00000000 fd:00 12                         /usr/bin/python3.14
7f0000002000-7f0000004000 r-xp 00001000 fd:00 34                         /venv/a b/_foo.so
7f0000004000-7f0000008000 rw-p 00000000 00:00 0
7ffc00000000-7ffc00001000 rw-p 00000000 00:00 0                          [stack]
7ffd00000000-7ffd0000";

    #[test]
    fn an_address_is_found_in_the_file_that_holds_it() {
        let file = Some(("/venv/a b/_foo.so".to_owned(), 0x1010));
        assert_eq!(find_mapped_file(MAPS, 0x7f00_0000_2010), file);
    }

    #[test]
    fn an_address_outside_of_files_has_no_file() {
        for address in [0, 0x7f00_0000_4000, 0x7ffc_0000_0000, 0x7ffd_0000_0000] {
            assert_eq!(find_mapped_file(MAPS, address), None);
        }
    }

    #[test]
    fn the_fields_of_a_mapping_are_told_apart() {
        let stack = MAPS.lines().filter_map(Mapping::parse).next_back();
        let expected = Mapping {
            start: 0x7ffc_0000_0000,
            end: 0x7ffc_0000_1000,
            permissions: "rw-p",
            offset: 0,
            inode: 0,
            path: "[stack]",
        };
        assert_eq!(stack, Some(expected));
    }
}
