//! TLS by rustls: the system's certificates, a file of them, or one certificate by its digest. Never a fall-back to clear.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsConnector;

use crate::settings::TlsSettings;

/// Why TLS cannot be set up as asked. All are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of certificates cannot be read.
    #[error("the CA file `{}` cannot be read, or holds no certificate", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
    },
    /// The name is none.
    #[error("`{name}` is not a host name that a certificate can bear: write server_name")]
    Name {
        /// The name.
        name: String,
    },
    /// The library refused.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// TLS to one server.
pub(crate) struct Tls {
    pub(crate) connector: TlsConnector,
    pub(crate) name: ServerName<'static>,
}

/// Sets TLS up; none where it is off.
pub(crate) fn set_up(settings: &TlsSettings, host: &str) -> Result<Option<Tls>, TlsError> {
    let TlsSettings::Required { ca_file, pin, server_name } = settings else { return Ok(None) };
    let name = server_name.as_deref().unwrap_or(host);
    let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name { name: name.to_owned() })?;
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let config = if let Some(pin) = pin {
        let verifier = Arc::new(Pinned { pin: *pin, provider });
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    } else if let Some(path) = ca_file {
        let wrong = || TlsError::CaFile { path: path.clone() };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|_| wrong())? {
            roots.add(certificate.map_err(|_| wrong())?)?;
        }
        if roots.is_empty() {
            return Err(wrong());
        }
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        builder.with_platform_verifier()?.with_no_client_auth()
    };
    Ok(Some(Tls { connector: TlsConnector::from(Arc::new(config)), name }))
}

/// Takes one certificate, by its digest, and no other.
#[derive(Debug)]
struct Pinned {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let digest: [u8; 32] = Sha256::digest(certificate).into();
        if digest == self.pin {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
