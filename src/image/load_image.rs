//! Loads a shared object of any format into memory.

use std::rc::Rc;

use super::byte_source::ByteSource;
use super::detect_kind::detect_kind;
use super::memory::Image;
use super::shared_object_kind::SharedObjectFormat;
use super::{elf, macho, pe};

/// All addresses of an image are below two to the power of this.
pub(super) const IMAGE_ADDRESS_BITS: u32 = 44;

/// Loads a file of any of the three formats.
///
/// # Errors
/// Returns an error message if the file is broken or not supported.
pub(super) fn load_image(source: Rc<dyn ByteSource>) -> Result<Image, String> {
    let kind = detect_kind(&*source).map_err(|error| error.to_string())?;
    if kind.bits != 64 || !kind.architecture.is_supported() {
        return Err(format!("{kind} is not supported: only 64-bit x86_64 and aarch64 files can be analyzed"));
    }
    let loaded = match kind.format {
        SharedObjectFormat::Elf => elf::load_elf(source, kind),
        SharedObjectFormat::MachO => macho::load_mach_o(source, kind),
        SharedObjectFormat::Pe => pe::load_pe(source, kind),
    };
    let image = loaded.map_err(str::to_owned)?;
    if image
        .segments
        .iter()
        .any(|segment| segment.address.saturating_add(segment.size) >= 1 << IMAGE_ADDRESS_BITS)
    {
        return Err("its segments lie at impossible addresses".to_owned());
    }
    Ok(image)
}
