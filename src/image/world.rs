//! The address space that init functions are interpreted in: the module's image at its own addresses, others
//! far above it, and a made-up address for every import.

use std::cell::RefCell;
use std::rc::Rc;

use super::eval::THREAD;
use super::eval::value::{Value, mask};
use super::kind::{Architecture, Format, Kind};
use super::library::Library;
use super::memory::{Image, Link};
use super::numbers::NameMap;
use super::source::Source;

/// Distance between images.
const STRIDE: u32 = 44;
/// Where the made-up addresses of imports start.
const IMPORTS: u64 = 0x7100_0000_0000;
/// Distance between imports, so that a small addend stays with its import.
const IMPORT_SIZE: u64 = 256;
/// Where a thread's block has the array of its thread-local blocks, in our process.
const BLOCKS: u64 = 0x1000;
const END_OF_BLOCKS: u64 = 0x3000;
/// A module leans on a handful of others.
const MOST_IMAGES: usize = 6;

/// Every image in play, and the names behind made-up addresses.
pub(super) struct World<'l> {
    images: RefCell<Vec<Rc<Image>>>,
    library: &'l dyn Library,
    names: RefCell<Names>,
    /// Modules by dotted name that were looked for.
    modules: RefCell<NameMap<String, Option<usize>>>,
    needed: RefCell<NameMap<String, Option<usize>>>,
}

#[derive(Default)]
struct Names {
    list: Vec<Rc<str>>,
    index: NameMap<Rc<str>, u64>,
}

/// Lays out any of the three formats.
pub(super) fn load(source: Rc<dyn Source>) -> Result<Image, String> {
    let kind = Kind::of(&*source).map_err(|error| error.to_string())?;
    if kind.bits != 64 || matches!(kind.architecture, Architecture::Other(_)) {
        return Err(format!("{kind} is not read, only 64-bit x86_64 and aarch64 are"));
    }
    let loaded = match kind.format {
        Format::Elf => super::elf::load(source, kind),
        Format::MachO => super::macho::load(source, kind),
        Format::Pe => super::pe::load(source, kind),
    };
    let image = loaded.map_err(str::to_owned)?;
    if image.segments.iter().any(|segment| segment.address.saturating_add(segment.size) >= 1 << STRIDE) {
        return Err("its segments lie at impossible addresses".to_owned());
    }
    Ok(image)
}

impl<'l> World<'l> {
    pub(super) fn new(image: Image, library: &'l dyn Library) -> Self {
        Self {
            images: RefCell::new(vec![Rc::new(image)]),
            library,
            names: RefCell::default(),
            modules: RefCell::default(),
            needed: RefCell::default(),
        }
    }

    /// The module itself.
    pub(super) fn root(&self) -> Rc<Image> {
        Rc::clone(&self.images.borrow()[0])
    }

    /// Whether any image in play imports a symbol of this name.
    pub(super) fn imported(&self, name: &str) -> bool {
        self.images.borrow().iter().any(|image| image.imports(name))
    }

    /// Whether the import tables leave only single-phase initialisation.
    pub(super) fn single_phase_only(&self) -> bool {
        self.imported("PyModule_Create2") && !self.imported("PyModuleDef_Init")
    }

    /// The image that an address belongs to, and the address inside it.
    pub(super) fn image(&self, address: u64) -> Option<(Rc<Image>, u64)> {
        let image = self.images.borrow().get((address >> STRIDE) as usize).cloned()?;
        Some((image, address & ((1 << STRIDE) - 1)))
    }

    /// The made-up address of a symbol from elsewhere.
    pub(super) fn import(&self, name: &str) -> u64 {
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

    /// The symbol behind a made-up address.
    pub(super) fn import_at(&self, address: u64) -> Option<Rc<str>> {
        let offset = address.checked_sub(IMPORTS)?;
        if !offset.is_multiple_of(IMPORT_SIZE) {
            return None;
        }
        self.names.borrow().list.get(usize::try_from(offset / IMPORT_SIZE).ok()?).cloned()
    }

    /// Whether code at this address could be changed before the init function runs.
    pub(super) fn writable(&self, address: u64) -> bool {
        self.image(address).is_some_and(|(image, address)| image.writable(address))
    }

    /// Whether there is code at this address.
    pub(super) fn executable(&self, address: u64) -> bool {
        let image = self.image(address);
        image.is_some_and(|(image, local)| {
            image.segment(local).is_some_and(|segment| segment.executable && local > 0x100)
        })
    }

    /// What the files say about at most eight bytes, links applied.
    pub(super) fn load(&self, address: u64, bytes: u32) -> Value {
        let Some((image, local)) = self.image(address) else { return self.of_thread(address, bytes) };
        if local < 64 {
            return Value::UNKNOWN;
        }
        if bytes == 8
            && let Some(link) = image.link(local)
        {
            return self.linked(&image, link, address - local);
        }
        let word = |at: u64| match image.link(at) {
            Some(link) => self.linked(&image, link, address - local),
            None => image.u64(at).map_or(Value::UNKNOWN, Value::Known),
        };
        let (first, last) = (local & !7, (local + u64::from(bytes.max(1)) - 1) & !7);
        let Value::Known(low) = word(first) else { return Value::UNKNOWN };
        let high = if last == first { Value::ZERO } else { word(last) };
        let Value::Known(high) = high else { return Value::UNKNOWN };
        let words = u128::from(high) << 64 | u128::from(low);
        Value::Known((words >> (local % 8 * 8)) as u64 & mask(bytes))
    }

    /// What Windows has for a thread: at `gs:0x58` the array of the modules' thread-local blocks, by their indexes, each
    /// of which begins as a copy of its template (PE format, "The .tls Section"). No code of the module has changed it
    /// where its init function runs first; what MSVC keeps there for statics (`_Init_thread_epoch`) only grows.
    fn of_thread(&self, address: u64, bytes: u32) -> Value {
        let only = self.images.borrow().len() == 1;
        match address.checked_sub(THREAD) {
            Some(0x58) if bytes == 8 => Value::Known(THREAD + BLOCKS),
            Some(BLOCKS..END_OF_BLOCKS) if bytes == 8 && only => {
                self.root().thread_template.map_or(Value::UNKNOWN, Value::Known)
            }
            Some(_) | None => Value::UNKNOWN,
        }
    }

    fn linked(&self, image: &Image, link: Link, bias: u64) -> Value {
        match link {
            Link::Address(address) => Value::Known(bias.wrapping_add(address)),
            Link::Import(index, addend) => match image.imports.get(index as usize) {
                // Hooks of the compiler's runtime that nothing provides.
                Some(import)
                    if import.weak
                        && (import.name.starts_with("_ITM_") || import.name == "__gmon_start__") =>
                {
                    Value::ZERO
                }
                Some(import) if !import.weak && (0..IMPORT_SIZE.cast_signed()).contains(&addend) => {
                    Value::Known(self.import(&import.name).wrapping_add_signed(addend))
                }
                Some(_) | None => Value::UNKNOWN,
            },
            Link::Opaque => Value::UNKNOWN,
        }
    }

    /// Code bytes at an address, as many as there are.
    pub(super) fn code(&self, address: u64, buffer: &mut [u8]) -> usize {
        let Some((image, local)) = self.image(address) else { return 0 };
        image.code(local, buffer)
    }

    /// Finds a symbol in the libraries that come with the module.
    pub(super) fn elsewhere(&self, name: &str) -> Option<u64> {
        let images: Vec<_> = self.images.borrow().clone();
        for image in images {
            for needed in &image.needed {
                let index = self.open(&self.needed, needed, || self.library.needed(needed, &image.search));
                if let Some(found) = index.and_then(|index| self.export(index, name)) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// Index of another module's image.
    pub(super) fn module(&self, name: &str) -> Option<usize> {
        self.open(&self.modules, name, || self.library.module(name))
    }

    /// Address of an exported symbol of one image.
    pub(super) fn export(&self, index: usize, name: &str) -> Option<u64> {
        let image = self.images.borrow().get(index).cloned()?;
        image.export(name).map(|address| (index as u64) << STRIDE | address)
    }

    fn open(
        &self,
        known: &RefCell<NameMap<String, Option<usize>>>,
        name: &str,
        find: impl FnOnce() -> Option<Rc<dyn Source>>,
    ) -> Option<usize> {
        if let Some(index) = known.borrow().get(name) {
            return *index;
        }
        let architecture = self.root().kind.architecture;
        let image = find().and_then(super::shelf::image);
        let image = image.filter(|image| image.kind.architecture == architecture);
        let mut images = self.images.borrow_mut();
        let index = image.filter(|_| images.len() < MOST_IMAGES).map(|image| {
            images.push(image);
            images.len() - 1
        });
        known.borrow_mut().insert(name.to_owned(), index);
        index
    }
}
