//! Figures as text: short, and of the same length where possible.

/// A time in seconds; `-` if there is none.
pub(super) fn format_time(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 0.01 => format!("{:.2} ms", seconds * 1000.0),
        Some(seconds) if seconds < 0.1 => format!("{:.1} ms", seconds * 1000.0),
        Some(seconds) if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        Some(seconds) if seconds < 100.0 => format!("{seconds:.1} s"),
        Some(seconds) if seconds < 36_000.0 => format!("{seconds:.0} s"),
        Some(seconds) => format!("{:.0} h", seconds / 3600.0),
    }
}

/// A share of 1, in percent; `-` if it is not known.
pub(super) fn format_share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// A number of bytes.
pub(super) fn format_bytes(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else { return "-".to_owned() };
    let bytes = bytes as f64;
    match bytes {
        _ if bytes < 1e3 => format!("{bytes:.0} B"),
        _ if bytes < 1e6 => format!("{:.0} kB", bytes / 1e3),
        _ if bytes < 1e9 => format!("{:.0} MB", bytes / 1e6),
        _ => format!("{:.1} GB", bytes / 1e9),
    }
}

/// A rate or another number that may be large.
pub(super) fn format_number(number: f64) -> String {
    match number {
        _ if number < 10.0 => format!("{number:.1}"),
        _ if number < 1e6 => format!("{number:.0}"),
        _ => format!("{number:.1e}"),
    }
}

/// The time of day of a moment (UTC), which is given in seconds since 1970.
pub(super) fn format_clock(time: f64) -> String {
    let second = time.rem_euclid(86_400.0) as u64;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let times = [Some(0.00042), Some(0.0123), Some(0.5), Some(2.5), Some(150.0), Some(72_000.0), None];
        let expected = ["0.42 ms", "12.3 ms", "500 ms", "2.5 s", "150 s", "20 h", "-"];
        assert_eq!(times.map(format_time), expected);
        assert_eq!([Some(0.856), None].map(format_share), ["86 %", "-"]);
        let bytes = [Some(7), Some(7_000), Some(52_000_000), Some(1_500_000_000), None];
        assert_eq!(bytes.map(format_bytes), ["7 B", "7 kB", "52 MB", "1.5 GB", "-"]);
        assert_eq!([0.25, 12.0, 3e20].map(format_number), ["0.2", "12", "3.0e20"]);
        assert_eq!([3_661.5, -1.0].map(format_clock), ["01:01:01", "23:59:59"]);
        assert_eq!(format_clock(1e300).len(), 8);
    }
}
