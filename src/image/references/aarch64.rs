//! References of AArch64 code: `ADRP` puts a page into a register, and later instructions add the rest. From each that
//! could lead to a watched address the value is followed along every branch, for as long as a register holds it.

use std::ops::Range;

use super::super::memory::Image;
use super::instruction::{Flow, Sum, Target};
use super::scan::{CHUNK, Reference, Scan, Usage};
use super::words;

/// How far what follows an `ADRP` may lead: the low twelve bits added, and as much again from an anchor (GCC's
/// `TARGET_MAX_ANCHOR_OFFSET`).
const REACH: u64 = 0x2000;
/// How far it may lead back: an anchor among data, and an offset that is not scaled.
const BACK: u64 = 0x1000;
/// Sums that make up an address: its page, an anchor there, the place itself. What is added more often walks along a table.
const SUMS: u8 = 3;

/// A register that holds an address at a place in code. Each is followed by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Held {
    at: u64,
    register: u8,
    address: u64,
    /// Of how many sums it is.
    sums: u8,
    /// Whether the code is followed as it lies, since a jump through a table may lead anywhere in its function.
    as_it_lies: bool,
}

impl Scan<'_> {
    pub(super) fn aarch64(&mut self, start: u64, bytes: &[u8]) {
        let (start, bytes) =
            (start.next_multiple_of(4), bytes.get((start.wrapping_neg() & 3) as usize..).unwrap_or_default());
        for (at, word) in (start..).step_by(4).zip(bytes.as_chunks::<4>().0).take(CHUNK / 4) {
            let word = u32::from_le_bytes(*word);
            let Some((register, address)) = words::page(word, at) else { continue };
            let near = |range: &&Range<u64>| {
                address < range.end.saturating_add(BACK) && range.start.saturating_sub(address) < REACH
            };
            if register == 31 || !self.ranges.iter().any(|range| near(&range)) {
                continue;
            }
            // A page is no address yet, even where one begins there.
            if word >> 31 == 0 {
                self.note(Reference { from: at, to: address, size: 1, usage: Usage::Take }, register);
            }
            self.follow(Held { at: at.wrapping_add(4), register, address, sums: 0, as_it_lies: false });
            if self.patience == 0 {
                let anything = |to| vec![Reference { from: at, to, size: 1, usage: Usage::Take }];
                self.found.extend(self.ranges.iter().filter(near).map(|range| anything(range.start)));
            }
        }
    }

    fn follow(&mut self, from: Held) {
        let mut waiting = vec![from];
        while let Some(held) = waiting.pop() {
            let mut here = Some(held);
            while let Some(held) = here.filter(|_| self.patience > 0) {
                if !self.seen.insert(held) {
                    break;
                }
                self.patience -= 1;
                here = self.step(held, &mut waiting);
            }
        }
    }

    /// Looks at one instruction; where the register still holds the address after it.
    fn step(&mut self, held: Held, waiting: &mut Vec<Held>) -> Option<Held> {
        let Held { at, register, address, .. } = held;
        let word = self.image.u32(at)?;
        // What x19 to x28 hold is the caller's (AAPCS64): what they held in the code before is another function's.
        if (19..29).contains(&register) && words::makes_frame(word) {
            return None;
        }
        let instruction = words::decode(word, at, &|target| stub(self.image, target));
        if let Some(access) = instruction.access.filter(|access| access.base == register) {
            let usage = if access.is_store { Usage::Store } else { Usage::Load };
            for offset in access.offsets {
                let to = address.wrapping_add_signed(offset);
                self.note(Reference { from: at, to, size: access.size.into(), usage }, register);
            }
        }
        let next = Held { at: at.wrapping_add(4), ..held };
        let sum = instruction.sum.filter(|sum| sum.from == register && sum.to < 31);
        if let Some(Sum { to, by, .. }) = sum.filter(|sum| sum.by == 0 || held.sums < SUMS) {
            let address = address.wrapping_add_signed(by);
            self.note(Reference { from: at, to: address, size: 1, usage: Usage::Take }, to);
            if to != register || by != 0 {
                let sums = held.sums + u8::from(by != 0);
                waiting.push(Held { register: to, address, sums, ..next });
            }
        }
        let gone = match instruction.flow {
            Flow::Call(_) => self.convention.volatile,
            _ => instruction.writes,
        };
        let is_replaced =
            instruction.sum.is_some_and(|sum| sum.to == register && (sum.from != register || sum.by != 0));
        if gone & 1 << register != 0 || is_replaced {
            return None;
        }
        match instruction.flow {
            Flow::Call(Target::Never) => {}
            Flow::Next | Flow::Call(_) => return Some(next),
            Flow::Branch(target) => {
                waiting.push(Held { at: target, ..held });
                return Some(next);
            }
            Flow::Jump(Target::Untold) => return Some(Held { as_it_lies: true, ..next }),
            Flow::Jump(Target::Code(target)) => waiting.push(Held { at: target, ..held }),
            Flow::Jump(Target::Import | Target::Never) | Flow::Return | Flow::Stop => {}
        }
        held.as_it_lies.then_some(next)
    }

    /// Notes a reference that is watched; what becomes of an address that was computed is followed.
    fn note(&mut self, reference: Reference, register: u8) {
        if !self.watched(reference.to) {
            return;
        }
        let image = self.image;
        let decode = |at| Some(words::decode(image.u32(at)?, at, &|target| stub(image, target)));
        let usage = match reference.usage {
            Usage::Take => self.taken(&decode, reference.from.wrapping_add(4), register, reference.to),
            usage @ (Usage::Load | Usage::Store | Usage::Pass) => usage,
        };
        self.found.push(vec![Reference { usage, ..reference }]);
    }
}

/// The import that this is the stub of: `ADRP`, `LDR`, (`ADD`), `BR`, with or without a landing pad before.
fn stub(image: &Image, at: u64) -> Option<Target> {
    let first = image.u32(at)?;
    let start = if first == 0xd503_245f { at.wrapping_add(4) } else { at };
    let (page, load) = (image.u32(start)?, image.u32(start.wrapping_add(4))?);
    if page & 0x9f00_0000 != 0x9000_0000 || load & 0xffc0_0000 != 0xf940_0000 {
        return None;
    }
    let (_, page) = words::page(page, start)?;
    image.imported(page.wrapping_add(u64::from(load >> 10 & 0xfff) * 8)).map(Target::import)
}
