//! TLS: certificates and a key as PEM, checked and made into what rustls serves with.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::{Error, InconsistentKeys, ServerConfig};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The protocol that is offered in the handshake (ALPN, RFC 7301).
const PROTOCOL: &[u8] = b"http/1.1";

/// A server's certificate with those that lead to its authority, and its key: the text of the PEM files.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsIdentity {
    /// The certificates, the server's own first.
    pub certificates: String,
    /// The key, not encrypted.
    pub key: String,
}

/// Without the key.
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}

/// Which of the two files an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// The certificates.
    Certificates,
    /// The key.
    Key,
}

/// Why nothing can be served with an identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TlsError {
    /// The certificates are not PEM.
    #[error("it is not PEM: {0}")]
    CertificateSyntax(String),
    /// There is none.
    #[error("it has no certificate: no line is -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// A certificate is malformed, or of a kind that TLS does not use; the number is its place, from 1.
    #[error("certificate {0} cannot be used: {1}")]
    Certificate(usize, String),
    /// The key is not PEM.
    #[error("it is not PEM: {0}")]
    KeySyntax(String),
    /// There is none.
    #[error("it has no private key: no line is -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// There are several.
    #[error("it has {0} private keys: there must be one")]
    SeveralKeys(usize),
    /// It needs a password.
    #[error(
        "its key is encrypted, and nothing can ask for the password\nhint: openssl pkey -in FILE -out NEW"
    )]
    EncryptedKey,
    /// It is malformed, or of a kind that is not supported.
    #[error(
        "its key cannot be used: {0}\nhint: RSA of 2048 to 4096 bits, ECDSA with P-256 or P-384, or Ed25519"
    )]
    Key(String),
    /// The key is not that of the first certificate.
    #[error("its key is not that of the certificate, or the server's own certificate is not the first one")]
    OtherKey,
}

impl TlsError {
    /// The file that it is about.
    pub fn file(&self) -> TlsFile {
        match self {
            Self::CertificateSyntax(_) | Self::NoCertificate | Self::Certificate(..) => TlsFile::Certificates,
            Self::KeySyntax(_)
            | Self::NoKey
            | Self::SeveralKeys(_)
            | Self::EncryptedKey
            | Self::Key(_)
            | Self::OtherKey => TlsFile::Key,
        }
    }
}

impl TlsIdentity {
    /// Checks the identity, and returns what rustls serves with: TLS 1.2 and 1.3, and HTTP/1.1 in them.
    ///
    /// # Errors
    /// If the certificates or the key cannot be used.
    pub fn build_server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let certificates = read_certificates(&self.certificates)?;
        let key = read_key(&self.key)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Key(error.to_string()))?
            .with_no_client_auth();
        let mut config = builder.with_single_cert(certificates, key).map_err(|error| {
            let is_other = error == Error::InconsistentKeys(InconsistentKeys::KeyMismatch);
            if is_other { TlsError::OtherKey } else { TlsError::Key(error.to_string()) }
        })?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Arc::new(config))
    }
}

fn read_certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let certificates = read.map_err(|error| TlsError::CertificateSyntax(describe_syntax(&error)))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    for (index, certificate) in certificates.iter().enumerate() {
        if let Err(error) = ParsedCertificate::try_from(certificate) {
            return Err(TlsError::Certificate(index + 1, error.to_string()));
        }
    }
    Ok(certificates)
}

fn read_key(text: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    // PKCS #8 says so in the first line, the older formats in a header (RFC 1421).
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::EncryptedKey);
    }
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes());
    let read: Result<Vec<_>, pem::Error> = sections.collect();
    let sections = read.map_err(|error| TlsError::KeySyntax(describe_syntax(&error)))?;
    let mut keys: Vec<_> =
        sections.into_iter().filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der)).collect();
    match (keys.pop(), keys.len()) {
        (None, _) => Err(TlsError::NoKey),
        (Some(key), 0) => Ok(key),
        (Some(_), others) => Err(TlsError::SeveralKeys(others + 1)),
    }
}

/// Describes an error without quoting the file, which may hold a key.
fn describe_syntax(error: &pem::Error) -> String {
    let said = if let pem::Error::MissingSectionEnd { .. } = error {
        "an -----END line is missing"
    } else if let pem::Error::IllegalSectionStart { .. } = error {
        "a -----BEGIN line is malformed"
    } else if let pem::Error::Base64Decode(_) = error {
        "what follows a -----BEGIN line is not base64"
    } else {
        "it cannot be parsed"
    };
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate and its key.
    fn identity() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn check(certificates: &str, key: &str) -> Result<Arc<ServerConfig>, TlsError> {
        TlsIdentity { certificates: certificates.to_owned(), key: key.to_owned() }.build_server_config()
    }

    #[test]
    fn a_certificate_and_its_key_are_served() {
        let (certificate, key) = identity();
        let config = check(&certificate, &key).unwrap();
        assert_eq!(config.alpn_protocols, [b"http/1.1"]);
        // In one file, as some servers take them.
        let both = format!("{key}{certificate}");
        assert!(check(&both, &both).is_ok());
    }

    #[test]
    fn an_error_says_what_is_wrong_with_which_file() {
        let ((certificate, key), (_, other_key)) = (identity(), identity());
        let (certificate, key, other_key) = (certificate.as_str(), key.as_str(), other_key.as_str());
        let cut = |text: &str| text.replace("-----END", "-----");
        let garbled = |text: &str| text.replacen("MI", "!!", 1);
        let empty = "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n";
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAAA\n-----END RSA PRIVATE KEY-----\n";
        for (certificates, private, file, said) in [
            ("", key, TlsFile::Certificates, "it has no certificate"),
            (key, key, TlsFile::Certificates, "it has no certificate"),
            (&cut(certificate), key, TlsFile::Certificates, "an -----END line is missing"),
            (&garbled(certificate), key, TlsFile::Certificates, "is not base64"),
            (empty, key, TlsFile::Certificates, "certificate 1 cannot be used"),
            (&format!("{certificate}{empty}"), key, TlsFile::Certificates, "certificate 2 cannot be used"),
            (certificate, "", TlsFile::Key, "it has no private key"),
            (certificate, certificate, TlsFile::Key, "it has no private key"),
            (certificate, &garbled(key), TlsFile::Key, "is not base64"),
            (certificate, &format!("{key}{other_key}"), TlsFile::Key, "it has 2 private keys"),
            (certificate, encrypted, TlsFile::Key, "is encrypted"),
            (certificate, old, TlsFile::Key, "is encrypted"),
            (certificate, &empty.replace("CERTIFICATE", "PRIVATE KEY"), TlsFile::Key, "cannot be used"),
            (certificate, other_key, TlsFile::Key, "its key is not that of the certificate"),
        ] {
            let error = check(certificates, private).unwrap_err();
            assert_eq!(error.file(), file, "{error}");
            assert!(error.to_string().contains(said), "{said}: {error}");
        }
    }

    #[test]
    fn the_key_is_in_no_message() {
        let identity = TlsIdentity { certificates: "a".to_owned(), key: "b".to_owned() };
        assert_eq!(format!("{identity:?}"), "TlsIdentity { .. }");
    }
}
