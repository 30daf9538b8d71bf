//! Options of `wsgiaudit serve` that say how connections are encrypted.

use std::path::PathBuf;

use clap::Args;

/// The files for TLS. The other names are those of gunicorn, uvicorn and granian, on the command line alone.
#[derive(Clone, Debug, Args)]
pub struct TlsArgs {
    /// Serve HTTPS with the certificates in this PEM file: first that of the server, then the intermediate ones. A reload
    /// reads it again. Needs --tls-key
    #[arg(long, value_name = "FILE", aliases = ["certfile", "ssl-certfile", "ssl-certificate"])]
    pub tls_certificate: Option<PathBuf>,
    /// The key of that certificate, in a PEM file, not encrypted
    #[arg(long, value_name = "FILE", aliases = ["keyfile", "ssl-keyfile"])]
    pub tls_key: Option<PathBuf>,
}
