//! Values of the options of `wsgiaudit serve`, and of others that take a time or a mode.

use clap::ValueEnum;

/// The form of an access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessLogForm {
    /// Apache's combined log format, with the time each request took
    Combined,
    /// A JSON object in each line
    Json,
}

/// A header of a trusted proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TrustedHeader {
    /// The client's address
    XForwardedFor,
    /// `http` or `https`
    XForwardedProto,
    /// The host that the client asked for
    XForwardedHost,
    /// The prefix that the proxy has removed from the path
    XForwardedPrefix,
    /// The client's address, scheme and host (RFC 7239)
    Forwarded,
}

/// Which verdicts are admitted besides `ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AdmitLevel {
    /// Distributions that import, but work without some of their extension modules
    Degraded,
}

/// What to do about extension modules that the report does not admit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnvettedPolicy {
    /// Raise `ImportError` with the reason
    Refuse,
    /// Load it, and log a warning
    Warn,
}

/// The kind of interpreter to host an application in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServeMode {
    /// The main interpreter
    Main,
    /// A sub-interpreter on the main interpreter's GIL
    SharedGil,
    /// A sub-interpreter with a GIL of its own
    OwnGil,
    /// A sub-interpreter with a GIL of its own and private copies of extension modules
    OwnGilCopies,
    /// The main interpreter of a free-threaded Python, the GIL forced off
    FreeThreaded,
}

/// Parses a mode such as `660`.
pub(super) fn parse_octal(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "not an octal number up to 777".to_owned())
}

/// Parses a time in seconds.
pub(super) fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        Ok(_) | Err(_) => Err("give a number of seconds, more than 0, at most 86400".to_owned()),
    }
}
