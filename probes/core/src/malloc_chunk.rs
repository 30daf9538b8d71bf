//! The headers of glibc's `malloc` (`malloc/malloc.c`, `struct malloc_chunk`; the layout is the same since 2.0).
//!
//! The eight bytes before a block hold the size of its chunk, which begins eight bytes earlier, and three flags. The
//! chunk that follows has its size at the same place, with a flag that this one is in use; the first eight bytes of that
//! chunk belong to this block.

/// `PREV_INUSE` and `IS_MMAPPED`.
const IS_BEFORE_IN_USE: usize = 1;
const IS_MAPPED_ALONE: usize = 2;

/// All flags in a size, with `NON_MAIN_ARENA`.
const FLAGS: usize = 7;

/// Size of a header, and the smallest chunk.
const HEADER: usize = 16;
const SMALLEST: usize = 32;

/// Returns the number of usable bytes, at most `most`, of the block at this address; `None` if the words around it are
/// not those of a block in use. `read` reads a word; `None` where nothing is mapped.
pub fn usable_size(block: usize, most: usize, read: impl Fn(usize) -> Option<usize>) -> Option<usize> {
    if !block.is_multiple_of(HEADER) || block < HEADER {
        return None;
    }
    let header = read(block - 8)?;
    let size = header & !FLAGS;
    if size < SMALLEST || !size.is_multiple_of(HEADER) || size > most {
        return None;
    }
    if header & IS_MAPPED_ALONE != 0 {
        return Some(size - HEADER);
    }
    let next = read(block - HEADER + size + 8)?;
    (next & IS_BEFORE_IN_USE != 0 && next & !FLAGS >= SMALLEST).then_some(size - 8)
}

#[cfg(test)]
mod tests {
    use super::usable_size;

    /// Memory with these words, from address 4096 on.
    fn size_in(words: &[usize], block: usize) -> Option<usize> {
        usable_size(block, 1 << 20, |address| words.get(address.checked_sub(4096)? / 8).copied())
    }

    #[test]
    fn a_block_ends_where_the_next_chunk_has_its_size() {
        // A chunk of 48 bytes in use, and the next one.
        let words = [0, 49, 1, 2, 3, 4, 5, 33, 0, 0, 0, 0];
        assert_eq!(size_in(&words, 4096 + 16), Some(40));
        // Within it, no block begins.
        assert_eq!(size_in(&words, 4096 + 32), None);
        assert_eq!(size_in(&words, 4096 + 8), None);
    }

    #[test]
    fn a_free_block_and_one_that_ends_nowhere_are_none() {
        assert_eq!(size_in(&[0, 49, 0, 0, 0, 0, 48, 32, 0, 0], 4096 + 16), None);
        assert_eq!(size_in(&[0, 49, 0, 0], 4096 + 16), None);
        assert_eq!(size_in(&[0, 0, 0, 0, 0, 0, 0, 0], 4096 + 16), None);
    }

    #[test]
    fn a_block_of_its_own_mapping_has_no_neighbour() {
        assert_eq!(size_in(&[0, 64 | 2, 0, 0], 4096 + 16), Some(48));
        assert_eq!(size_in(&[0, 1 << 21 | 2, 0, 0], 4096 + 16), None);
    }
}
