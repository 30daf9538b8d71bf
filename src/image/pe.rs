//! PE.

use std::rc::Rc;

use super::kind::Kind;
use super::memory::Image;
use super::source::Source;

pub(super) fn load(_: Rc<dyn Source>, _: Kind) -> Result<Image, &'static str> {
    Err("PE is not read yet")
}
