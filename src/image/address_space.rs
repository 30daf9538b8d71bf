//! The address space in which init functions are interpreted: the module's image at its own addresses, other
//! images far above it, and a synthetic address for every imported symbol.

use std::cell::RefCell;
use std::rc::Rc;

use super::byte_source::ByteSource;
use super::dependency_resolver::DependencyResolver;
use super::eval::THREAD;
use super::eval::value::{AbstractValue, byte_mask};
use super::fast_maps::NameMap;
use super::image_cache::load_cached_image;
use super::load_image::IMAGE_ADDRESS_BITS;
use super::memory::{Image, LoadedPointer};

/// Distance between the base addresses of images, as a power of two.
const STRIDE: u32 = IMAGE_ADDRESS_BITS;
/// Start of the synthetic addresses of imported symbols.
const IMPORTS: u64 = 0x7100_0000_0000;
/// Distance between synthetic addresses; a small addend stays within its import.
const IMPORT_SIZE: u64 = 256;
/// Offset in the synthetic thread block (TEB) of the array of thread-local blocks.
const BLOCKS: u64 = 0x1000;
const END_OF_BLOCKS: u64 = 0x3000;
/// Limit of images. A module depends on a handful of others.
const MAX_IMAGES: usize = 6;

/// All loaded images, and the names of imported symbols.
pub(super) struct AddressSpace<'l> {
    images: RefCell<Vec<Rc<Image>>>,
    resolver: &'l dyn DependencyResolver,
    names: RefCell<ImportNames>,
    /// Indexes of modules by dotted name; `None` for those that were not found.
    modules: RefCell<NameMap<String, Option<usize>>>,
    needed: RefCell<NameMap<String, Option<usize>>>,
}

#[derive(Default)]
struct ImportNames {
    list: Vec<Rc<str>>,
    index: NameMap<Rc<str>, u64>,
}

impl<'l> AddressSpace<'l> {
    pub(super) fn new(image: Image, resolver: &'l dyn DependencyResolver) -> Self {
        Self {
            images: RefCell::new(vec![Rc::new(image)]),
            resolver,
            names: RefCell::default(),
            modules: RefCell::default(),
            needed: RefCell::default(),
        }
    }

    /// The image of the module itself.
    pub(super) fn root_image(&self) -> Rc<Image> {
        Rc::clone(&self.images.borrow()[0])
    }

    /// Whether any loaded image imports a symbol of this name.
    pub(super) fn imports_symbol(&self, name: &str) -> bool {
        self.images.borrow().iter().any(|image| image.imports_symbol(name))
    }

    /// Whether the import tables allow only single-phase initialization.
    pub(super) fn is_single_phase_only(&self) -> bool {
        self.imports_symbol("PyModule_Create2") && !self.imports_symbol("PyModuleDef_Init")
    }

    /// The image that an address belongs to, and the address within that image.
    pub(super) fn image_at(&self, address: u64) -> Option<(Rc<Image>, u64)> {
        let image = self.images.borrow().get((address >> STRIDE) as usize).cloned()?;
        Some((image, address & ((1 << STRIDE) - 1)))
    }

    /// The synthetic address of an imported symbol.
    pub(super) fn import_address(&self, name: &str) -> u64 {
        let mut names = self.names.borrow_mut();
        if let Some(address) = names.index.get(name) {
            return *address;
        }
        let address = IMPORTS + names.list.len() as u64 * IMPORT_SIZE;
        let name: Rc<str> = name.into();
        names.list.push(Rc::clone(&name));
        names.index.insert(name, address);
        address
    }

    /// The name of the imported symbol at a synthetic address.
    pub(super) fn import_name_at(&self, address: u64) -> Option<Rc<str>> {
        let offset = address.checked_sub(IMPORTS)?;
        if !offset.is_multiple_of(IMPORT_SIZE) {
            return None;
        }
        self.names.borrow().list.get(usize::try_from(offset / IMPORT_SIZE).ok()?).cloned()
    }

    /// Whether memory at this address may have been changed before the init function runs.
    pub(super) fn is_writable(&self, address: u64) -> bool {
        self.image_at(address).is_some_and(|(image, address)| image.is_writable(address))
    }

    /// Whether the address lies in an executable segment.
    pub(super) fn is_executable(&self, address: u64) -> bool {
        let image = self.image_at(address);
        image.is_some_and(|(image, local)| {
            image.segment_at(local).is_some_and(|segment| segment.executable && local > 0x100)
        })
    }

    /// Loads at most eight bytes as the files contain them, with relocations applied.
    pub(super) fn load_value(&self, address: u64, bytes: u32) -> AbstractValue {
        let Some((image, local)) = self.image_at(address) else {
            return self.load_thread_block(address, bytes);
        };
        if local < 64 {
            return AbstractValue::UNKNOWN;
        }
        if bytes == 8
            && let Some(link) = image.pointer_at(local)
        {
            return self.resolve_pointer(&image, link, address - local);
        }
        let word = |at: u64| match image.pointer_at(at) {
            Some(link) => self.resolve_pointer(&image, link, address - local),
            None => image.read_u64(at).map_or(AbstractValue::UNKNOWN, AbstractValue::Known),
        };
        let (first, last) = (local & !7, (local + u64::from(bytes.max(1)) - 1) & !7);
        let AbstractValue::Known(low) = word(first) else { return AbstractValue::UNKNOWN };
        let high = if last == first { AbstractValue::ZERO } else { word(last) };
        let AbstractValue::Known(high) = high else { return AbstractValue::UNKNOWN };
        let words = u128::from(high) << 64 | u128::from(low);
        AbstractValue::Known((words >> (local % 8 * 8)) as u64 & byte_mask(bytes))
    }

    /// Loads from the Windows thread block (TEB).
    ///
    /// At `gs:0x58` is the array of the modules' thread-local blocks, by module index. Each block starts as a
    /// copy of its template (PE format, "The .tls Section"). No code of the module has changed it when its
    /// init function runs first; `_Init_thread_epoch`, which MSVC keeps there for thread-safe statics, only
    /// grows.
    fn load_thread_block(&self, address: u64, bytes: u32) -> AbstractValue {
        let only = self.images.borrow().len() == 1;
        match address.checked_sub(THREAD) {
            Some(0x58) if bytes == 8 => AbstractValue::Known(THREAD + BLOCKS),
            Some(BLOCKS..END_OF_BLOCKS) if bytes == 8 && only => {
                self.root_image().thread_template.map_or(AbstractValue::UNKNOWN, AbstractValue::Known)
            }
            Some(_) | None => AbstractValue::UNKNOWN,
        }
    }

    fn resolve_pointer(&self, image: &Image, link: LoadedPointer, bias: u64) -> AbstractValue {
        match link {
            LoadedPointer::Address(address) => AbstractValue::Known(bias.wrapping_add(address)),
            LoadedPointer::Import(index, addend) => match image.imports.get(index as usize) {
                // Optional hooks of the compiler's runtime, which nothing provides.
                Some(import)
                    if import.weak
                        && (import.name.starts_with("_ITM_") || import.name == "__gmon_start__") =>
                {
                    AbstractValue::ZERO
                }
                Some(import) if !import.weak && (0..IMPORT_SIZE.cast_signed()).contains(&addend) => {
                    AbstractValue::Known(self.import_address(&import.name).wrapping_add_signed(addend))
                }
                Some(_) | None => AbstractValue::UNKNOWN,
            },
            LoadedPointer::Opaque => AbstractValue::UNKNOWN,
        }
    }

    /// Reads code bytes into `buffer`. Returns how many there are.
    pub(super) fn read_code(&self, address: u64, buffer: &mut [u8]) -> usize {
        let Some((image, local)) = self.image_at(address) else { return 0 };
        image.read_code(local, buffer)
    }

    /// Finds a symbol in the libraries that come with the module.
    pub(super) fn find_in_libraries(&self, name: &str) -> Option<u64> {
        let images: Vec<_> = self.images.borrow().clone();
        for image in images {
            for needed in &image.needed {
                let index = self.load_dependency(&self.needed, needed, || {
                    self.resolver.find_library(needed, &image.search)
                });
                if let Some(found) = index.and_then(|index| self.find_export(index, name)) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// Whether a library that comes with the module has this symbol, or one that such a library needs.
    pub(super) fn is_in_libraries(&self, name: &str) -> bool {
        let mut before = 0;
        while self.images.borrow().len() > before {
            before = self.images.borrow().len();
            if self.find_in_libraries(name).is_some() {
                return true;
            }
        }
        false
    }

    /// Loads another extension module and returns the index of its image.
    pub(super) fn load_module(&self, name: &str) -> Option<usize> {
        self.load_dependency(&self.modules, name, || self.resolver.find_module(name))
    }

    /// The address of an exported symbol of one image.
    pub(super) fn find_export(&self, index: usize, name: &str) -> Option<u64> {
        let image = self.images.borrow().get(index).cloned()?;
        image.find_export(name).map(|address| (index as u64) << STRIDE | address)
    }

    fn load_dependency(
        &self,
        known: &RefCell<NameMap<String, Option<usize>>>,
        name: &str,
        find: impl FnOnce() -> Option<Rc<dyn ByteSource>>,
    ) -> Option<usize> {
        if let Some(index) = known.borrow().get(name) {
            return *index;
        }
        let architecture = self.root_image().kind.architecture;
        let image = find().and_then(load_cached_image);
        let image = image.filter(|image| image.kind.architecture == architecture);
        let mut images = self.images.borrow_mut();
        let index = image.filter(|_| images.len() < MAX_IMAGES).map(|image| {
            images.push(image);
            images.len() - 1
        });
        known.borrow_mut().insert(name.to_owned(), index);
        index
    }
}
