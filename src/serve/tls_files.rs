//! Reads the certificates and the key of `--tls-certificate` and `--tls-key`.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use wsgiaudit_probes_core::tls::{TlsFile, TlsIdentity};

use crate::cli::TlsArgs;
use crate::regular_file;

/// Size limit of each file in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// Reads and checks the files; `None` if TLS is off.
///
/// # Errors
/// If one cannot be read, or nothing can be served with them.
pub(super) fn read_tls_identity(args: &TlsArgs) -> Result<Option<TlsIdentity>> {
    let (Some(certificates), Some(key)) = (&args.tls_certificate, &args.tls_key) else { return Ok(None) };
    let identity = TlsIdentity {
        certificates: read_pem("--tls-certificate", certificates)?,
        key: read_pem("--tls-key", key)?,
    };
    identity.build_server_config().map_err(|error| match error.file() {
        TlsFile::Certificates => anyhow!("--tls-certificate {}: {error}", certificates.display()),
        TlsFile::Key => anyhow!("--tls-key {}: {error}", key.display()),
    })?;
    Ok(Some(identity))
}

/// Reads a PEM file. What stands between the blocks may have any encoding.
fn read_pem(option: &str, path: &Path) -> Result<String> {
    let bytes = regular_file::read_limited(path, MAX_SIZE)
        .with_context(|| format!("{option} {}: cannot read it", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_option_and_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        // With a comment in Latin-1, as some authorities write it.
        let certificate = write("certificate", "");
        let text = [b"# M\xfcnchen\n".to_vec(), made.cert.pem().into_bytes()].concat();
        std::fs::write(certificate.as_deref().unwrap(), text).unwrap();
        let key = write("key", &made.signing_key.serialize_pem());
        let args = TlsArgs { tls_certificate: certificate, tls_key: key };
        assert!(read_tls_identity(&args).unwrap().is_some());
        let why = |args: TlsArgs| format!("{:#}", read_tls_identity(&args).unwrap_err());
        let folder_as_key = why(TlsArgs { tls_key: Some(folder.path().to_owned()), ..args.clone() });
        assert!(folder_as_key.contains(": cannot read it: Is a directory"), "{folder_as_key}");
        let swapped =
            TlsArgs { tls_certificate: args.tls_key.clone(), tls_key: args.tls_certificate.clone() };
        let swapped = why(swapped);
        assert!(swapped.starts_with("--tls-certificate ") && swapped.contains("/key: it has no certificate"));
        let without = why(TlsArgs { tls_key: write("empty", ""), ..args });
        assert!(without.starts_with("--tls-key ") && without.contains("/empty: it has no private key"));
    }
}
