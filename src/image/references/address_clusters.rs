//! First pass over x86-64 code: finds blocks in which some bytes could be a displacement to a watched
//! address. All code goes through this filter, so it is written to be vectorized.

use std::ops::Range;

/// Bytes of code that are tested without a branch.
pub(super) const BLOCK: usize = 64;
/// Limit of clusters: each needs its own pass over all code.
const MAX_CLUSTERS: usize = 3;
/// Minimum gap between clusters; splitting at a smaller one gains too little.
const MIN_GAP: u64 = 1 << 14;

/// Watched ranges that lie close together. A displacement that may refer to one of them points into `low..low
/// + width`.
pub(super) struct AddressCluster {
    pub(super) low: u64,
    pub(super) width: u32,
    /// Sorted and disjoint.
    ranges: Vec<Range<u64>>,
}

impl AddressCluster {
    /// Groups ranges into clusters by splitting at the widest gaps.
    pub(super) fn cluster_ranges(ranges: &[Range<u64>]) -> Vec<Self> {
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
        let mut splits: Vec<usize> = (1..joined.len()).filter(|at| gap(*at) > MIN_GAP).collect();
        splits.sort_by_key(|at| std::cmp::Reverse(gap(*at)));
        splits.truncate(MAX_CLUSTERS - 1);
        splits.sort_unstable();
        let ends = splits.iter().copied().chain([joined.len()]);
        let starts = std::iter::once(0).chain(splits.iter().copied());
        let pieces = starts.zip(ends).filter(|(start, end)| start < end);
        // A cluster wider than a displacement can reach is split into its ranges.
        let pieces =
            pieces.map(|(start, end)| &joined[start..end]).flat_map(|piece| match Self::from_ranges(piece) {
                Some(cluster) => vec![cluster],
                None => {
                    piece.iter().filter_map(|range| Self::from_ranges(std::slice::from_ref(range))).collect()
                }
            });
        pieces.collect()
    }

    fn from_ranges(ranges: &[Range<u64>]) -> Option<Self> {
        let low = ranges.first()?.start.saturating_sub(4);
        let width = u32::try_from(ranges.last()?.end - low).ok()?;
        Some(Self { low, width, ranges: ranges.to_vec() })
    }

    /// Whether an instruction whose displacement points to `address` may refer to a watched address.
    pub(super) fn is_near_watched(&self, address: u64) -> bool {
        let next = self.ranges.partition_point(|range| range.end <= address);
        self.ranges.get(next).is_some_and(|range| range.start <= address.saturating_add(4))
    }
}

/// The upper 16 bits of all displacements from a range of code into a cluster.
pub(super) struct UpperHalves {
    first: u8,
    more: u8,
    top: u8,
}

impl UpperHalves {
    /// `None` if they differ in the top byte, so that the filter would not help.
    pub(super) fn from_code_range(cluster: &AddressCluster, address: u64, length: u64) -> Option<Self> {
        let nearest = cluster.low.wrapping_sub(address.wrapping_add(length + 4)).cast_signed() >> 16;
        let farthest =
            cluster.low.wrapping_add(cluster.width.into()).wrapping_sub(address).cast_signed() >> 16;
        let top = (nearest >> 8) as u8;
        let halves = Self { first: nearest as u8, more: (farthest - nearest) as u8, top };
        (nearest >> 8 == farthest >> 8).then_some(halves)
    }

    /// Whether the third and fourth bytes of any displacement in a block match.
    ///
    /// Most of the time of a scan is spent here. There is no branch over the whole block, so that compilers
    /// vectorize it.
    pub(super) fn may_occur_in(&self, thirds: &[u8; BLOCK], fourths: &[u8; BLOCK]) -> bool {
        let pairs = thirds.iter().zip(fourths);
        pairs.fold(false, |near, (third, fourth)| {
            near | ((third.wrapping_sub(self.first) <= self.more) & (*fourth == self.top))
        })
    }
}

/// Whether any four bytes of code at `address` are a displacement into the cluster. Computed in 32 bits, once
/// for each of the four alignments.
pub(super) fn has_displacement_into(window: &[u8], address: u64, cluster: &AddressCluster) -> bool {
    const HALF: u32 = 1 << 31;
    // Signed comparisons are cheaper in vector code.
    let limit = cluster.width.wrapping_sub(HALF).cast_signed();
    let mut near = false;
    for phase in 0..4 {
        let Some(words) = window.get(phase..) else { return near };
        let base = address.wrapping_add(phase as u64 + 4).wrapping_sub(cluster.low) as u32;
        let mut base = base.wrapping_sub(HALF);
        for word in words.as_chunks::<4>().0 {
            near |= u32::from_le_bytes(*word).wrapping_add(base).cast_signed() < limit;
            base = base.wrapping_add(4);
        }
    }
    near
}
