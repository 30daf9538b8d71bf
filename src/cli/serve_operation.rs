//! Options of `wsgiaudit serve` that say how it is operated.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How important a message of the error log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ErrorLogLevel {
    /// Failures
    Error,
    /// Failures and warnings
    Warning,
    /// Failures, warnings, and what the server does
    Info,
}

/// The form of the error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ErrorLogForm {
    /// Time, level and process number before each message
    Text,
    /// A JSON object in each line
    Json,
}

/// A prefix of paths, and the folder whose files are served there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticPrefix {
    /// It begins with `/`.
    pub prefix: String,
    /// The folder.
    pub folder: PathBuf,
}

impl StaticPrefix {
    /// Parses `/PREFIX=FOLDER`.
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((prefix, folder)) if prefix.starts_with('/') && !folder.is_empty() => {
                Ok(Self { prefix: prefix.to_owned(), folder: folder.into() })
            }
            Some(_) | None => Err("not a prefix and a folder, as in /static=public".to_owned()),
        }
    }
}

/// How the server is operated.
#[derive(Clone, Debug, Args)]
pub struct OperationArgs {
    /// For development: restart the processes when a source file that the application has loaded changes
    #[arg(long)]
    pub reload: bool,
    /// The least important messages that are logged. What the application writes is always logged
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = ErrorLogLevel::Info)]
    pub log_level: ErrorLogLevel,
    /// The form of the messages
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = ErrorLogForm::Text)]
    pub log_format: ErrorLogForm,
    /// Log messages, and what the application writes to its standard error, to this file [default: standard error]
    #[arg(long, value_name = "FILE")]
    pub error_log: Option<PathBuf>,
    /// Serve as this user, by name or number, with its groups. The server switches to it after binding the sockets and
    /// writing the pid file. Needs root
    #[arg(long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// The group to serve as, by name or number [default: that of --user]
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Connections of trusted proxies (--proxy) begin with a PROXY protocol header, version 1 or 2
    #[arg(long)]
    pub proxy_protocol: bool,
    /// Serve the files of a folder below a prefix of paths, without Python; may be repeated
    #[arg(long = "static", value_name = "/PREFIX=FOLDER", value_parser = StaticPrefix::parse)]
    pub static_folders: Vec<StaticPrefix>,
}
