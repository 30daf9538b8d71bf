//! Compares two small samples by ranks: the Mann-Whitney test, exact also where values are equal, and the interval of the
//! shift between the samples that belongs to it. Pure functions.
//!
//! The exact test of `statrs` 0.19.1 is not used: for two samples of the same size that do not overlap it gives p = 1.

/// How two samples differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RankComparison {
    /// The two-sided p-value: how probable ranks at least as far apart are if both samples come from one distribution.
    pub(super) p: f64,
    /// By how much the first sample is above the second: the median of all differences (Hodges and Lehmann).
    pub(super) shift: f64,
    /// The interval of the shift at about 95 %. With fewer than five values each it is the range of all differences.
    pub(super) interval: (f64, f64),
}

/// Compares two samples. `None` if one is empty or has a value that is no number.
pub(super) fn compare_ranks(one: &[f64], other: &[f64]) -> Option<RankComparison> {
    if one.is_empty() || other.is_empty() || one.iter().chain(other).any(|value| value.is_nan()) {
        return None;
    }
    let mut differences: Vec<f64> =
        one.iter().flat_map(|value| other.iter().map(move |less| value - less)).collect();
    differences.sort_by(f64::total_cmp);
    let (size, last) = (differences.len() as f64, differences.len() - 1);
    // Conover, Practical Nonparametric Statistics, 5.4: the rank of the lower bound, by the normal approximation.
    let deviation = (size * (one.len() + other.len() + 1) as f64 / 12.0).sqrt();
    let outside = (size / 2.0 - 1.96 * deviation).floor().max(1.0) as usize - 1;
    Some(RankComparison {
        p: exact_p_value(one, other),
        shift: median_of_sorted(&differences),
        interval: (differences[outside.min(last)], differences[last - outside.min(last)]),
    })
}

/// The median of a sample; `None` if it is empty.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (!sorted.is_empty()).then(|| median_of_sorted(&sorted))
}

fn median_of_sorted(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// The two-sided p-value of the rank sum, from all ways to choose the first sample out of both.
fn exact_p_value(one: &[f64], other: &[f64]) -> f64 {
    let ranks = double_ranks(one, other);
    let observed: usize = ranks[..one.len()].iter().sum();
    let total: usize = ranks.iter().sum();
    // ways[count][sum]: the number of ways to choose `count` values with this sum of ranks.
    let mut ways = vec![vec![0.0; total + 1]; one.len() + 1];
    ways[0][0] = 1.0;
    for rank in &ranks {
        for count in (1..=one.len()).rev() {
            for sum in (*rank..=total).rev() {
                ways[count][sum] += ways[count - 1][sum - rank];
            }
        }
    }
    let mean = total as f64 * one.len() as f64 / ranks.len() as f64;
    let distance = (observed as f64 - mean).abs();
    let all: f64 = ways[one.len()].iter().sum();
    let sums = ways[one.len()].iter().enumerate();
    let as_far = sums.filter(|(sum, _)| (*sum as f64 - mean).abs() >= distance - 1e-9);
    as_far.map(|(_, count)| count).sum::<f64>() / all
}

/// Twice the rank of each value, so that the mean rank of equal values is whole.
fn double_ranks(one: &[f64], other: &[f64]) -> Vec<usize> {
    let all: Vec<f64> = one.iter().chain(other).copied().collect();
    let rank = |value: &f64| {
        let below = all.iter().filter(|each| *each < value).count();
        let equal = all.iter().filter(|each| *each == value).count();
        2 * below + equal + 1
    };
    all.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_those_of_the_exact_distribution() {
        // R: wilcox.test(x, y)$p.value
        for (one, other, p) in [
            (vec![5., 6., 7., 8.], vec![1., 2., 3., 4.], 2.0 / 70.0),
            (vec![1., 2., 3., 4.], vec![5., 6., 7., 8.], 2.0 / 70.0),
            (vec![6., 7., 8., 9., 10.], vec![1., 2., 3., 4., 5.], 2.0 / 252.0),
            (vec![4., 5., 6.], vec![1., 2., 3.], 0.1),
            (vec![19., 22., 16., 29., 24.], vec![20., 11., 17., 12.], 0.111_111_111),
            (vec![1., 3., 5., 7.], vec![2., 4., 6., 8.], 0.685_714_285),
            (vec![1.; 4], vec![1.; 4], 1.0),
            // Two of six values are equal: 20 ways, of which four have a rank sum as far from the mean.
            (vec![1., 2., 3.], vec![3., 4., 5.], 0.2),
        ] {
            let found = compare_ranks(&one, &other).unwrap().p;
            assert!((found - p).abs() < 1e-6, "{one:?} {other:?}: {found}");
        }
    }

    #[test]
    fn the_shift_has_the_interval_of_its_differences() {
        let slow: Vec<f64> = (1..=5).map(f64::from).collect();
        let fast: Vec<f64> = slow.iter().map(|value| value + 10.0).collect();
        let found = compare_ranks(&fast, &slow).unwrap();
        assert_eq!((found.shift, found.interval), (10.0, (7.0, 13.0)));
        let few = compare_ranks(&fast[..2], &slow[..2]).unwrap();
        assert_eq!(few.interval, (9.0, 11.0));
        let one = compare_ranks(&[3.0], &[1.0]).unwrap();
        assert_eq!((one.p, one.shift, one.interval), (1.0, 2.0, (2.0, 2.0)));
    }

    #[test]
    fn without_numbers_there_is_no_comparison() {
        assert_eq!(compare_ranks(&[], &[1.0]), None);
        assert_eq!(compare_ranks(&[1.0], &[f64::NAN]), None);
        assert_eq!((median(&[]), median(&[3.0, 1.0]), median(&[5.0])), (None, Some(2.0), Some(5.0)));
    }
}
