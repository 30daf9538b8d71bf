//! Addresses: ranges of memory, and the pages that contain them.

use std::ops::Range;

use crate::mapping::Mapping;

/// Minimum page size in bytes.
pub const PAGE_SIZE: usize = 4096;

/// Returns the ranges of anonymous readable and writable memory in the text of `/proc/self/maps`, sorted.
pub fn parse_writable_ranges(maps: &str) -> Vec<(usize, usize)> {
    let range = |line: &str| {
        let mapping = Mapping::parse(line)?;
        let is_heap = mapping.permissions == "rw-p" && mapping.inode == 0 && mapping.path != "[stack]";
        let (start, end) = (usize::try_from(mapping.start).ok()?, usize::try_from(mapping.end).ok()?);
        is_heap.then_some((start, end))
    };
    maps.lines().filter_map(range).collect()
}

/// Whether an address lies in one of these sorted ranges.
pub fn is_in_ranges(ranges: &[(usize, usize)], address: usize) -> bool {
    let after = ranges.partition_point(|(start, _)| *start <= address);
    ranges[..after].last().is_some_and(|(_, end)| address < *end)
}

/// Whether all of these bytes lie in one of these sorted ranges.
pub fn is_within_range(ranges: &[(usize, usize)], bytes: &Range<usize>) -> bool {
    let after = ranges.partition_point(|(start, _)| *start <= bytes.start);
    ranges[..after].last().is_some_and(|(_, end)| bytes.end <= *end)
}

/// The page of an address.
pub fn page_of(address: usize) -> usize {
    address / PAGE_SIZE * PAGE_SIZE
}

/// The pages that contain any of these bytes.
pub fn pages_of_range(bytes: Range<usize>) -> impl Iterator<Item = usize> {
    (page_of(bytes.start)..bytes.end).step_by(PAGE_SIZE)
}

/// The part of a loaded segment that stays writable after relocation: empty if the segment is not writable,
/// and without the constants (`PT_GNU_RELRO`), whose pages the loader protects.
pub fn writable_part(
    segment: Range<usize>,
    is_writable: bool,
    constants: Option<Range<usize>>,
) -> Range<usize> {
    let from = match constants {
        _ if !is_writable => segment.end,
        Some(constants) if segment.contains(&constants.start) => {
            constants.end.clamp(segment.start, segment.end)
        }
        Some(_) | None => segment.start,
    };
    from..segment.end
}

/// Whether the first word of an object header is a reference count: a small number, or an immortal one (PEP
/// 683). Both leave the upper half to flags; the address of a free block does not.
pub fn is_reference_count(word: u64) -> bool {
    let (low, overflow) = (word & 0xffff_ffff, word >> 32 & 0xffff);
    overflow == 0 && (low >= 1 << 30 || (1..1 << 20).contains(&low))
}

#[cfg(test)]
mod tests {
    use super::{
        PAGE_SIZE, is_in_ranges, is_reference_count, is_within_range, page_of, pages_of_range,
        parse_writable_ranges, writable_part,
    };

    #[test]
    fn only_anonymous_writable_memory_is_a_heap() {
        let maps = "\
            00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/python\n\
            00651000-00652000 rw-p 00051000 08:02 173521 /usr/bin/python\n\
            00e03000-00e24000 rw-p 00000000 00:00 0 [heap]\n\
            7f0000000000-7f0000021000 rw-p 00000000 00:00 0\n\
            7f0000021000-7f0004000000 ---p 00000000 00:00 0\n\
            7f0005000000-7f0005001000 rw-s 00000000 00:00 0\n\
            7ffc0000000-7ffc0021000 rw-p 00000000 00:00 0 [stack]\n\
            broken\n\
            zz-yy rw-p 00000000 00:00 0\n";
        assert_eq!(
            parse_writable_ranges(maps),
            [(0xe0_3000, 0xe2_4000), (0x7f00_0000_0000, 0x7f00_0002_1000)]
        );
    }

    #[test]
    fn bytes_that_reach_over_a_gap_lie_in_no_range() {
        let ranges = [(16, 32), (64, 96)];
        assert!(is_within_range(&ranges, &(16..32)) && is_within_range(&ranges, &(72..80)));
        assert!(!is_within_range(&ranges, &(24..72)) && !is_within_range(&ranges, &(8..24)));
    }

    #[test]
    fn an_address_lies_in_a_range_or_between_them() {
        let ranges = [(16, 32), (64, 96)];
        assert_eq!(
            [8, 16, 31, 32, 80, 96].map(|at| is_in_ranges(&ranges, at)),
            [false, true, true, false, true, false]
        );
        assert!(!is_in_ranges(&[], 0));
    }

    #[test]
    fn pages_cover_a_range() {
        assert_eq!([0, 1, 4095, 4096, 8191].map(page_of), [0, 0, 0, 4096, 4096]);
        let pages = |start, end| pages_of_range(start..end).collect::<Vec<_>>();
        assert_eq!(pages(10, 20), [0]);
        assert_eq!(pages(PAGE_SIZE - 1, PAGE_SIZE), [0]);
        assert_eq!(pages(PAGE_SIZE - 1, PAGE_SIZE + 1), [0, PAGE_SIZE]);
        assert_eq!(pages(PAGE_SIZE, 3 * PAGE_SIZE), [PAGE_SIZE, 2 * PAGE_SIZE]);
    }

    #[test]
    fn constants_are_not_writable() {
        assert_eq!(writable_part(100..200, false, None), 200..200);
        assert_eq!(writable_part(100..200, false, Some(100..150)), 200..200);
        assert_eq!(writable_part(100..200, true, None), 100..200);
        assert_eq!(writable_part(100..200, true, Some(100..150)), 150..200);
        assert_eq!(writable_part(100..200, true, Some(199..300)), 200..200);
        assert_eq!(writable_part(100..200, true, Some(200..300)), 100..200);
        assert_eq!(writable_part(100..200, true, Some(0..50)), 100..200);
    }

    #[test]
    fn a_count_is_told_from_the_address_of_a_free_block() {
        let counts = [1, 3, (1 << 20) - 1, 1 << 30, 0xffff_ffff, 0xc000_0000, 0x0004_0000_c000_0000];
        for word in counts {
            assert!(is_reference_count(word), "{word:#x}");
        }
        for word in [0, 0x7f12_3456_7890, 0x5555_0000_0001, 1 << 20, 1 << 21, (1 << 30) - 1, 1 << 32 | 1] {
            assert!(!is_reference_count(word), "{word:#x}");
        }
    }
}
