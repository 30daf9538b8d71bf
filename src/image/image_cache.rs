//! A cache of loaded images for libraries that several modules share: all 233 modules of mypy delegate to the
//! same one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::byte_source::{ByteSource, FileIdentity};
use super::load_image::load_image;
use super::memory::Image;

/// Limit of cached images. Modules that share a library are inspected one after the other, and an image may
/// hold 64 MB of pages.
const MAX_IMAGES: usize = 2;

thread_local! {
    static CACHE: RefCell<VecDeque<(FileIdentity, Rc<Image>)>> = const { RefCell::new(VecDeque::new()) };
}

/// Loads the image of a library, or returns the one that this thread has cached.
pub(super) fn load_cached_image(source: Rc<dyn ByteSource>) -> Option<Rc<Image>> {
    let Some(identity) = source.identity() else { return load_uncached_image(source) };
    CACHE.with_borrow_mut(|cache| {
        if let Some((_, image)) = cache.iter().find(|(held, _)| *held == identity) {
            return Some(Rc::clone(image));
        }
        let image = load_uncached_image(source)?;
        cache.truncate(MAX_IMAGES - 1);
        cache.push_front((identity, Rc::clone(&image)));
        Some(image)
    })
}

fn load_uncached_image(source: Rc<dyn ByteSource>) -> Option<Rc<Image>> {
    load_image(source).ok().map(Rc::new)
}
