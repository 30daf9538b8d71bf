//! Checks that no code that was not interpreted can change the memory that a result depends on.

use std::collections::BTreeSet;
use std::ops::Range;

use super::eval::{Evaluation, WORD};
use super::module_definition::DefinitionAddresses;
use super::references::{MAX_WRITE_DISTANCE, Reference, ScanCache, Usage};

/// The outcome of the check.
pub(super) enum Safety {
    /// No other code can have changed it.
    Safe,
    /// Other code may have changed the definition or its slots, with an explanation.
    Unsafe(String),
    /// Other code may have changed these words, on which a branch depended.
    Depends(BTreeSet<u64>),
}

/// Checks all code references to the writable memory that a definition at `addresses` depends on, unless all
/// code that runs before the init function returns was interpreted. `scan_cache` keeps the references found
/// in the module's code.
pub(super) fn check_safety(
    evaluation: &Evaluation<'_>,
    addresses: &DefinitionAddresses,
    scan_cache: &mut ScanCache,
) -> Safety {
    if !evaluation.skipped.get() {
        return Safety::Safe;
    }
    let space = evaluation.space;
    let watch = WatchedMemory::new(evaluation, addresses);
    // Only the module's own code can refer to its own memory.
    let image = space.root_image();
    let local =
        |range: &Range<u64>| space.image_at(range.start).is_some_and(|(_, local)| local == range.start);
    let mut ranges = watch.ranges();
    ranges.retain(local);
    // An access that begins before a range may extend into it, and an address before it may be used to reach
    // it.
    ranges.iter_mut().for_each(|range| range.start = range.start.saturating_sub(MAX_WRITE_DISTANCE));
    let mut depends = BTreeSet::new();
    for reference in scan_cache.find_references(&image, &ranges, &evaluation.seen.borrow()) {
        let Some(what) = watch.classify_reference(&reference) else { continue };
        match (what, reference.usage) {
            (WatchedPart::Slot, Usage::Load) | (WatchedPart::Field | WatchedPart::Word, Usage::Pass) => {}
            (WatchedPart::Slot, Usage::Store | Usage::Take | Usage::Pass) => {
                return Safety::Unsafe(format!("code at {:#x} may change its slots", reference.from));
            }
            (WatchedPart::Field, Usage::Load | Usage::Store | Usage::Take)
            | (WatchedPart::Definition, Usage::Take) => {
                return Safety::Unsafe(format!("code at {:#x} may change its definition", reference.from));
            }
            (WatchedPart::Definition, Usage::Load | Usage::Store | Usage::Pass)
            | (WatchedPart::Word, Usage::Load) => {}
            (WatchedPart::Word, Usage::Store | Usage::Take) => {
                let range = reference.address_range();
                depends.extend(range.start / WORD..=(range.end - 1) / WORD);
            }
        }
    }
    let mut named = None;
    // Slots of an array are adjacent: joined ranges save passes over all relocations.
    for slots in join_adjacent(watch.slots.iter().filter(|range| local(range))) {
        image.tables.for_each_pointer_into(&image, slots, &mut |pointer| {
            if !watch.fields.iter().any(|field| field.contains(&pointer)) {
                named = Some(pointer);
            }
        });
    }
    match named {
        Some(pointer) => Safety::Unsafe(format!("a pointer at {pointer:#x} refers to its slots")),
        None if depends.is_empty() => Safety::Safe,
        None => Safety::Depends(depends),
    }
}

/// Joins adjacent ranges.
fn join_adjacent<'r>(ranges: impl Iterator<Item = &'r Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            Some(_) | None => joined.push(range.clone()),
        }
    }
    joined
}

/// What a watched address belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WatchedPart {
    Definition,
    Field,
    Slot,
    Word,
}

/// The writable memory that a result depends on.
struct WatchedMemory {
    definition: Option<Range<u64>>,
    fields: Vec<Range<u64>>,
    slots: Vec<Range<u64>>,
    words: Vec<Range<u64>>,
}

impl WatchedMemory {
    /// Only writable memory needs to be watched.
    fn new(evaluation: &Evaluation<'_>, addresses: &DefinitionAddresses) -> Self {
        let writable = |range: &Range<u64>| evaluation.space.is_writable(range.start);
        let of = |starts: &[u64], size: u64| {
            starts.iter().map(|start| *start..start + size).filter(writable).collect::<Vec<_>>()
        };
        let trusted = evaluation.trusted.borrow();
        Self {
            definition: addresses
                .definition
                .as_ref()
                .map(|definition| definition.start..definition.start + 1)
                .filter(writable),
            fields: of(&addresses.fields, 8),
            slots: of(&addresses.slots, 16),
            words: trusted.iter().map(|word| word * WORD..(word + 1) * WORD).filter(writable).collect(),
        }
    }

    fn ranges(&self) -> Vec<Range<u64>> {
        let definition = self.definition.iter();
        definition.chain(&self.fields).chain(&self.slots).chain(&self.words).cloned().collect()
    }

    /// What the reference touches. Words come last, because the definition and its slots were read as words
    /// too.
    fn classify_reference(&self, reference: &Reference) -> Option<WatchedPart> {
        let range = reference.address_range();
        let touches = |watched: &Range<u64>| range.start < watched.end && watched.start < range.end;
        let within = |ranges: &[Range<u64>]| ranges.iter().any(touches);
        if within(&self.slots) {
            Some(WatchedPart::Slot)
        } else if within(&self.fields) {
            Some(WatchedPart::Field)
        } else if self.definition.as_ref().is_some_and(touches) {
            Some(WatchedPart::Definition)
        } else {
            within(&self.words).then_some(WatchedPart::Word)
        }
    }
}
