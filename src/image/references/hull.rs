//! The first look at x86-64 code: which of its bytes could be a displacement to a watched address. All code passes here.

use std::ops::Range;

/// Code that is looked at without a branch.
pub(super) const BLOCK: usize = 64;
/// Runs of watched addresses that are looked for one by one; each costs as much as a run over all code.
const MOST_HULLS: usize = 3;
/// A narrower gap makes too little difference.
const LEAST_GAP: u64 = 1 << 14;

/// Addresses that lie close together: a displacement that may lead to one of them leads into `low..low + width`.
pub(super) struct Hull {
    pub(super) low: u64,
    pub(super) width: u32,
    /// Sorted, none touching another.
    ranges: Vec<Range<u64>>,
}

impl Hull {
    /// Splits ranges where the gaps between them are widest.
    pub(super) fn all(ranges: &[Range<u64>]) -> Vec<Self> {
        let mut sorted = ranges.to_vec();
        sorted.sort_unstable_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in sorted {
            match joined.last_mut() {
                // An immediate of up to four bytes may follow the displacement.
                Some(last) if range.start <= last.end.saturating_add(4) => last.end = last.end.max(range.end),
                Some(_) | None => joined.push(range),
            }
        }
        let gap = |at: usize| joined[at].start - joined[at - 1].end;
        let mut splits: Vec<usize> = (1..joined.len()).filter(|at| gap(*at) > LEAST_GAP).collect();
        splits.sort_by_key(|at| std::cmp::Reverse(gap(*at)));
        splits.truncate(MOST_HULLS - 1);
        splits.sort_unstable();
        let ends = splits.iter().copied().chain([joined.len()]);
        let starts = std::iter::once(0).chain(splits.iter().copied());
        let pieces = starts.zip(ends).filter(|(start, end)| start < end);
        // What is wider than code can reach is looked for range by range.
        let pieces = pieces.map(|(start, end)| &joined[start..end]).flat_map(|piece| match Self::of(piece) {
            Some(hull) => vec![hull],
            None => piece.iter().filter_map(|range| Self::of(std::slice::from_ref(range))).collect(),
        });
        pieces.collect()
    }

    fn of(ranges: &[Range<u64>]) -> Option<Self> {
        let low = ranges.first()?.start.saturating_sub(4);
        let width = u32::try_from(ranges.last()?.end - low).ok()?;
        Some(Self { low, width, ranges: ranges.to_vec() })
    }

    /// Whether an instruction whose displacement leads here may mean a watched address.
    pub(super) fn near(&self, address: u64) -> bool {
        let next = self.ranges.partition_point(|range| range.end <= address);
        self.ranges.get(next).is_some_and(|range| range.start <= address.saturating_add(4))
    }
}

/// The upper halves of all displacements from some code into a hull.
pub(super) struct Halves {
    first: u8,
    more: u8,
    top: u8,
}

impl Halves {
    /// `None` where they are too many to tell anything.
    pub(super) fn of(hull: &Hull, place: u64, length: u64) -> Option<Self> {
        let nearest = hull.low.wrapping_sub(place.wrapping_add(length + 4)).cast_signed() >> 16;
        let farthest = hull.low.wrapping_add(hull.width.into()).wrapping_sub(place).cast_signed() >> 16;
        let top = (nearest >> 8) as u8;
        let halves = Self { first: nearest as u8, more: (farthest - nearest) as u8, top };
        (nearest >> 8 == farthest >> 8).then_some(halves)
    }

    /// Whether the upper half of a displacement may be among these third and fourth bytes of all in a block.
    /// This is where a scan's time goes: no branch over the whole block, so that compilers make vector code
    /// of it.
    pub(super) fn may_be_in(&self, thirds: &[u8; BLOCK], fourths: &[u8; BLOCK]) -> bool {
        let pairs = thirds.iter().zip(fourths);
        pairs.fold(false, |near, (third, fourth)| {
            near | ((third.wrapping_sub(self.first) <= self.more) & (*fourth == self.top))
        })
    }
}

/// Whether some four bytes of code at `place` are a displacement into the hull: sums in 32 bits, once for each
/// of four alignments.
pub(super) fn sums_refer(window: &[u8], place: u64, hull: &Hull) -> bool {
    const HALF: u32 = 1 << 31;
    // Signed comparisons are cheaper in vectors.
    let limit = hull.width.wrapping_sub(HALF).cast_signed();
    let mut near = false;
    for phase in 0..4 {
        let Some(words) = window.get(phase..) else { return near };
        let base = place.wrapping_add(phase as u64 + 4).wrapping_sub(hull.low) as u32;
        let mut base = base.wrapping_sub(HALF);
        for word in words.as_chunks::<4>().0 {
            near |= u32::from_le_bytes(*word).wrapping_add(base).cast_signed() < limit;
            base = base.wrapping_add(4);
        }
    }
    near
}
