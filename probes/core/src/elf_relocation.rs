//! Relocations of loaded ELF files that put the address of a symbol into a word.

/// Index of the symbol of a relocation (`ELF64_R_SYM`), if it stores the plain address of a symbol in a word of 64
/// bits; `None` for all other kinds.
pub fn symbol_of_address_relocation(info: u64, addend: i64) -> Option<usize> {
    let kind = u32::try_from(info & 0xffff_ffff).ok()?;
    let symbol = usize::try_from(info >> 32).ok()?;
    (symbol != 0 && addend == 0 && ADDRESS_KINDS.contains(&kind)).then_some(symbol)
}

/// `R_X86_64_64`, `R_X86_64_GLOB_DAT` and `R_X86_64_JUMP_SLOT` (System V ABI, AMD64 supplement).
#[cfg(target_arch = "x86_64")]
const ADDRESS_KINDS: &[u32] = &[1, 6, 7];

/// `R_AARCH64_ABS64`, `R_AARCH64_GLOB_DAT` and `R_AARCH64_JUMP_SLOT` (ELF for the Arm 64-bit Architecture).
#[cfg(target_arch = "aarch64")]
const ADDRESS_KINDS: &[u32] = &[257, 1025, 1026];

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ADDRESS_KINDS: &[u32] = &[];

/// Address that an entry of a dynamic section holds: glibc adds the base of the image on most architectures, other
/// dynamic linkers do not.
pub fn absolute_address(base: usize, entry: usize) -> usize {
    if entry < base { base.wrapping_add(entry) } else { entry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn only_plain_addresses_of_symbols_count() {
        let info = |symbol: u64, kind: u64| symbol << 32 | kind;
        for (info, addend, symbol) in [
            (info(3, 7), 0, Some(3)),
            (info(4, 6), 0, Some(4)),
            (info(5, 1), 0, Some(5)),
            // An address inside of what the symbol names.
            (info(5, 1), 8, None),
            // R_X86_64_RELATIVE and R_X86_64_DTPMOD64.
            (info(0, 8), 0, None),
            (info(3, 16), 0, None),
            (info(0, 7), 0, None),
        ] {
            assert_eq!(symbol_of_address_relocation(info, addend), symbol, "{info:#x}");
        }
    }

    #[test]
    fn an_entry_is_relative_or_absolute() {
        assert_eq!(absolute_address(0x7000, 0x10), 0x7010);
        assert_eq!(absolute_address(0x7000, 0x7010), 0x7010);
    }
}
