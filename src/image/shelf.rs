//! Libraries that several modules lean on, laid out once: the 233 modules of mypy hand over to the same one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::memory::Image;
use super::source::{Identity, Source};

/// Modules that share a library lie beside each other, and each image may hold pages of 64 MB.
const MOST: usize = 2;

thread_local! {
    static SHELF: RefCell<VecDeque<(Identity, Rc<Image>)>> = const { RefCell::new(VecDeque::new()) };
}

/// The image of a library, which this thread may have laid out before.
pub(super) fn image(source: Rc<dyn Source>) -> Option<Rc<Image>> {
    let Some(identity) = source.identity() else { return laid_out(source) };
    SHELF.with_borrow_mut(|shelf| {
        if let Some((_, image)) = shelf.iter().find(|(held, _)| *held == identity) {
            return Some(Rc::clone(image));
        }
        let image = laid_out(source)?;
        shelf.truncate(MOST - 1);
        shelf.push_front((identity, Rc::clone(&image)));
        Some(image)
    })
}

fn laid_out(source: Rc<dyn Source>) -> Option<Rc<Image>> {
    super::world::load(source).ok().map(Rc::new)
}
