//! Options of `wsgiaudit tune`, and their values.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{OutputArgs, TrialArgs, parse_seconds};

/// Options of the comparison of configurations.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// A virtualenv, a Python prefix, or a python [default: that of --report; else $VIRTUAL_ENV, else ./.venv]
    pub environment: Option<PathBuf>,
    /// The application: a dotted name in the current folder or the environment, or a path
    #[arg(long, value_name = "MODULE:CALLABLE")]
    pub app: String,
    /// A report of an audit of the application, instead of an audit now
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Audit free threading too, as without a subcommand, and compare it if the audit allows it
    #[arg(long, value_name = "auto|PYTHON_OR_VENV", conflicts_with = "report")]
    pub free_threaded: Option<PathBuf>,
    /// Send these requests (an .http file), one after the other and then from the beginning. The audit tries them, too
    /// [default: GET /]
    #[arg(long, value_name = "FILE.http")]
    pub requests: Option<PathBuf>,
    /// Send the GET and HEAD requests of this access log (the common or combined format)
    #[arg(long, value_name = "ACCESS.LOG", conflicts_with = "requests")]
    pub replay: Option<PathBuf>,
    /// Requests per second: compare how soon they are answered. Without it, configurations are compared by how many they
    /// carry
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    pub rate: Option<f64>,
    /// A response time to keep: p95=50ms, p99=1.5s
    #[arg(long, value_name = "QUANTILE=TIME", value_parser = parse_target)]
    pub target: Option<ResponseTarget>,
    /// Memory that all processes may take: a number of bytes, or 512M, 2G (powers of 1024) [default: that of the machine]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub memory: Option<u64>,
    /// Number of processor cores that the server may use [default: all that this process may use]
    #[arg(long, value_name = "N")]
    pub cores: Option<NonZeroUsize>,
    /// Most threads of an interpreter to try
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN.saturating_add(15))]
    pub max_threads: NonZeroUsize,
    /// Most rounds, after a first one. With fewer than 4 no difference is certain
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN.saturating_add(4))]
    pub rounds: NonZeroUsize,
    /// Seconds that each load of a round lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 4.0, value_parser = parse_seconds)]
    pub duration: f64,
    /// Output format
    #[arg(long, value_enum, default_value_t = TuneFormat::Table)]
    pub format: TuneFormat,
    /// Where the output goes.
    #[command(flatten)]
    pub to: OutputArgs,
    /// Options of the audit's trials. --env holds for the server, too.
    #[command(flatten)]
    pub trials: TrialArgs,
    /// Show no progress on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Output format of a comparison of configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TuneFormat {
    /// For a terminal
    #[value(alias = "text")]
    Table,
    /// For machines
    Json,
    /// For a comment or a page
    Markdown,
    /// A self-contained HTML page with charts
    Html,
}

/// A response time to keep: `p95=50ms`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResponseTarget {
    /// The share of requests that must keep it, from 0 to 1.
    pub share: f64,
    /// The time in seconds.
    pub seconds: f64,
}

/// Parses `p95=50ms`.
fn parse_target(text: &str) -> Result<ResponseTarget, String> {
    let form = || "give a quantile and a time, as p95=50ms or p99.9=1.5s".to_owned();
    let (quantile, time) = text.split_once('=').ok_or_else(form)?;
    let percent: f64 = quantile.strip_prefix('p').and_then(|digits| digits.parse().ok()).ok_or_else(form)?;
    let units = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0)];
    let (number, unit) =
        units.into_iter().find_map(|(name, unit)| Some((time.strip_suffix(name)?, unit))).ok_or_else(form)?;
    let seconds = number.parse::<f64>().map_err(|_| form())? * unit;
    if !(percent > 0.0 && percent < 100.0) {
        return Err("the quantile must be more than p0 and less than p100".to_owned());
    }
    if !(seconds > 0.0 && seconds <= 3600.0) {
        return Err("the time must be more than 0, and at most an hour".to_owned());
    }
    Ok(ResponseTarget { share: percent / 100.0, seconds })
}

/// Parses a number of bytes: `1048576`, `512M`, `2G`.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let unit = units.into_iter().find(|(letter, _)| text.to_ascii_uppercase().ends_with(*letter));
    let (digits, shift) = match unit {
        Some((_, shift)) => (text.get(..text.len() - 1).unwrap_or_default(), shift),
        None => (text, 0),
    };
    let number: Option<u64> = digits.parse().ok().filter(|number| *number > 0);
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "give a number of bytes more than 0, as 1048576, 512M or 2G".to_owned())
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 100_000.0 => Ok(rate),
        Ok(_) | Err(_) => Err("give a number of requests per second, more than 0, at most 100000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_quantile_and_a_time() {
        let target = |share, seconds| Ok(ResponseTarget { share, seconds });
        assert_eq!(parse_target("p95=50ms"), target(0.95, 0.05));
        assert_eq!(parse_target("p50=1.5s"), target(0.5, 1.5));
        for text in
            ["", "p95", "95=50ms", "p95=50", "p95=ms", "p95=fast", "p0=1s", "p100=1s", "p95=0ms", "p95=2e9s"]
        {
            assert!(parse_target(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_may_have_a_unit() {
        for (text, bytes) in
            [("1", Some(1)), ("2k", Some(2048)), ("512M", Some(512 << 20)), ("2G", Some(2 << 30))]
        {
            assert_eq!(parse_bytes(text).ok(), bytes, "{text}");
        }
        for text in ["", "0", "-1", "G", "2GB", "1.5G", "99999999999T", "é"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        assert!(parse_rate("0").is_err() && parse_rate("x").is_err() && parse_rate("NaN").is_err());
        assert_eq!(parse_rate("12.5"), Ok(12.5));
    }
}
