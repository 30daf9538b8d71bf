//! Options of telemetry: what `wsgiaudit serve` sends, and what `wsgiaudit top` reads.

use std::path::PathBuf;

use clap::Args;

use super::formats::TextFormat;
use super::serve_values::{parse_octal, parse_seconds};

/// Options of the telemetry that `wsgiaudit serve` sends.
#[derive(Debug, Args)]
pub struct TelemetryArgs {
    /// Send mod_wsgi's telemetry datagrams to the receiver that has this socket, for example `wsgiaudit top`. Without a
    /// receiver, nothing is sent
    #[arg(long, value_name = "unix:PATH", value_parser = parse_socket_path)]
    pub telemetry: Option<PathBuf>,
    /// Seconds between two datagrams of --telemetry, and between two updates of the page of --metrics
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_interval)]
    pub telemetry_interval: f64,
    /// Also report each request that takes longer: in a datagram of --telemetry, and with its Python stack in the log, in
    /// /metrics.json and on the page of --metrics
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub slow_requests: Option<f64>,
}

/// Options of `wsgiaudit top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// unix:PATH: the socket to make, to which `wsgiaudit serve --telemetry` or mod_wsgi (`WSGITelemetryService`) sends;
    /// or the URL of the metrics of `wsgiaudit serve`, for example http://127.0.0.1:9000
    #[arg(value_name = "unix:PATH|URL", required_unless_present = "replay")]
    pub source: Option<String>,
    /// Print what one interval shows, and exit
    #[arg(long)]
    pub once: bool,
    /// Output format of --once
    #[arg(long, value_enum, default_value_t = TextFormat::Text, requires = "once")]
    pub format: TextFormat,
    /// Seconds to wait for the datagrams of --once, and between two readings of a URL [default: 5 for datagrams, 1 for a
    /// URL]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub wait: Option<f64>,
    /// Also keep what arrives in this file, for --replay. An existing file is replaced
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// Read a file of --record instead
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    pub replay: Option<PathBuf>,
    /// Mode of the socket, in octal. Servers need to write to it
    #[arg(long, value_name = "MODE", default_value = "660", value_parser = parse_octal)]
    pub socket_mode: u32,
}

/// Parses `unix:PATH`. The system allows 107 bytes for a path.
fn parse_socket_path(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix:").filter(|path| !path.is_empty());
    let path = path.ok_or("give unix: and the path of a socket, as in unix:/run/wsgiaudit/telemetry.sock")?;
    match path.len() {
        0..=107 => Ok(PathBuf::from(path)),
        length => Err(format!("the path of a socket may have 107 bytes, and this one has {length}")),
    }
}

/// Parses an interval of telemetry.
fn parse_interval(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        Ok(_) | Err(_) => Err("give a number of seconds from 0.1 to 3600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_a_path_of_limited_length() {
        assert_eq!(parse_socket_path("unix:/run/a.sock"), Ok(PathBuf::from("/run/a.sock")));
        for bad in ["", "unix:", "/run/a", "udp:127.0.0.1:1"] {
            assert!(parse_socket_path(bad).unwrap_err().contains("unix:/run/"), "{bad}");
        }
        assert!(parse_socket_path(&format!("unix:/{}", "x".repeat(107))).unwrap_err().contains("108"));
        assert!(parse_socket_path(&format!("unix:/{}", "x".repeat(106))).is_ok());
    }

    #[test]
    fn an_interval_is_not_too_short() {
        assert_eq!((parse_interval("0.1"), parse_interval("3600")), (Ok(0.1), Ok(3600.0)));
        for bad in ["0", "0.09", "3601", "nan", "x"] {
            assert!(parse_interval(bad).is_err(), "{bad}");
        }
    }
}
