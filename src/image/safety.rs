//! Whether an answer can be trusted: no code that was not interpreted may change what it rests on.

use std::collections::BTreeSet;
use std::ops::Range;

use super::eval::{Evaluator, WORD};
use super::inspect::Found;
use super::moduledef::Places;
use super::references::{NEAR, Reference, Scanned, Usage};

/// The outcome of the check.
pub(super) enum Safety {
    /// Nothing can have changed it.
    Safe,
    /// Something may have changed the definition or its slots.
    Unsafe(String),
    /// Something may have changed these words, which decided a branch.
    Depends(BTreeSet<u64>),
}

/// Looks at every reference to writable memory that the answer rests on, unless all code that runs before the
/// init function returns was interpreted. `scanned` keeps what was found in the module's own code.
pub(super) fn check(evaluator: &Evaluator<'_>, found: &Found, scanned: &mut Scanned) -> Safety {
    let places = match found {
        Found::Multi(read) | Found::Export(read) => &read.places,
        Found::Single(_) | Found::Untold(_) => return Safety::Safe,
    };
    if !evaluator.skipped.get() {
        return Safety::Safe;
    }
    let world = evaluator.world;
    let watch = Watch::new(evaluator, places);
    // Only the module's own code can name its own memory.
    let image = world.root();
    let local = |range: &Range<u64>| world.image(range.start).is_some_and(|(_, local)| local == range.start);
    let mut ranges = watch.ranges();
    ranges.retain(local);
    // What begins before a place may reach into it, and an address before it may lead there.
    ranges.iter_mut().for_each(|range| range.start = range.start.saturating_sub(NEAR));
    let mut depends = BTreeSet::new();
    for reference in scanned.references(&image, &ranges, &evaluator.seen.borrow()) {
        let Some(what) = watch.what(&reference) else { continue };
        match (what, reference.usage) {
            (What::Slot, Usage::Load) | (What::Field | What::Word, Usage::Pass) => {}
            (What::Slot, Usage::Store | Usage::Take | Usage::Pass) => {
                return Safety::Unsafe(format!("code at {:#x} may change its slots", reference.from));
            }
            (What::Field, Usage::Load | Usage::Store | Usage::Take) | (What::Definition, Usage::Take) => {
                return Safety::Unsafe(format!("code at {:#x} may change its definition", reference.from));
            }
            (What::Definition, Usage::Load | Usage::Store | Usage::Pass) | (What::Word, Usage::Load) => {}
            (What::Word, Usage::Store | Usage::Take) => {
                let places = reference.places();
                depends.extend(places.start / WORD..=(places.end - 1) / WORD);
            }
        }
    }
    let mut named = None;
    // Arrays lie in one piece: all relocations are looked at once for each.
    for slots in joined(watch.slots.iter().filter(|range| local(range))) {
        image.tables.links_into(&image, slots, &mut |place| {
            if !watch.fields.iter().any(|field| field.contains(&place)) {
                named = Some(place);
            }
        });
    }
    match named {
        Some(place) => Safety::Unsafe(format!("a pointer at {place:#x} names its slots")),
        None if depends.is_empty() => Safety::Safe,
        None => Safety::Depends(depends),
    }
}

/// Ranges that follow each other, as one.
fn joined<'r>(ranges: impl Iterator<Item = &'r Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            Some(_) | None => joined.push(range.clone()),
        }
    }
    joined
}

/// What a watched address is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Definition,
    Field,
    Slot,
    Word,
}

struct Watch {
    definition: Option<Range<u64>>,
    fields: Vec<Range<u64>>,
    slots: Vec<Range<u64>>,
    words: Vec<Range<u64>>,
}

impl Watch {
    /// Only what is writable needs to be watched.
    fn new(evaluator: &Evaluator<'_>, places: &Places) -> Self {
        let writable = |range: &Range<u64>| evaluator.world.writable(range.start);
        let of = |starts: &[u64], size: u64| {
            starts.iter().map(|start| *start..start + size).filter(writable).collect::<Vec<_>>()
        };
        let trusted = evaluator.trusted.borrow();
        Self {
            definition: places.definition.as_ref().map(|place| place.start..place.start + 1).filter(writable),
            fields: of(&places.fields, 8),
            slots: of(&places.slots, 16),
            words: trusted.iter().map(|word| word * WORD..(word + 1) * WORD).filter(writable).collect(),
        }
    }

    fn ranges(&self) -> Vec<Range<u64>> {
        let definition = self.definition.iter();
        definition.chain(&self.fields).chain(&self.slots).chain(&self.words).cloned().collect()
    }

    /// Words come last: the definition and its slots were read like any other memory.
    fn what(&self, reference: &Reference) -> Option<What> {
        let places = reference.places();
        let touches = |range: &Range<u64>| places.start < range.end && range.start < places.end;
        let within = |ranges: &[Range<u64>]| ranges.iter().any(touches);
        if within(&self.slots) {
            Some(What::Slot)
        } else if within(&self.fields) {
            Some(What::Field)
        } else if self.definition.as_ref().is_some_and(touches) {
            Some(What::Definition)
        } else {
            within(&self.words).then_some(What::Word)
        }
    }
}
