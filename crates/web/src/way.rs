//! What some libraries ask of those who come: a certificate of their own, and the way through a proxy.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use secrecy::{ExposeSecret, SecretString};

use crate::{Endpoint, EndpointError, SetupError};

/// A certificate of this machine, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A file of PEM certificates: this machine's, and those between it and its CA.
    pub certificate: PathBuf,
    /// A file with the private key in PEM form.
    pub key: PathBuf,
}

impl Identity {
    pub(crate) fn read(&self) -> Result<reqwest::Identity, SetupError> {
        let file = |path: &Path| {
            fs::read(path).map_err(|source| SetupError::IdentityFile { path: path.to_owned(), source })
        };
        let (mut pem, key) = (file(&self.certificate)?, file(&self.key)?);
        pem.push(b'\n');
        pem.extend(key);
        reqwest::Identity::from_pem(&pem).map_err(|_| SetupError::Identity {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        })
    }
}

/// A proxy that every call goes through. For `https` it sees host and port alone.
#[derive(Clone)]
pub struct Proxy {
    address: Endpoint,
    login: Option<(String, SecretString)>,
}

impl Proxy {
    /// A proxy at an address such as `http://proxy.example.org:3128`.
    ///
    /// # Errors
    /// [`EndpointError`] where the URL is none, or holds a password, which has a place of its own.
    pub fn new(url: &str) -> Result<Self, EndpointError> {
        // The proxy itself is spoken to in the clear, as all are; what goes through it is not.
        Ok(Self { address: Endpoint::parse(url, true)?, login: None })
    }

    /// The same, with a user and a password.
    #[must_use]
    pub fn with_login(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { login: Some((user.into(), SecretString::from(password.into()))), ..self }
    }

    pub(crate) fn to_reqwest(&self) -> Result<reqwest::Proxy, SetupError> {
        let proxy = reqwest::Proxy::all(self.address.url().clone()).map_err(|_| SetupError::Proxy)?;
        Ok(match &self.login {
            Some((user, password)) => proxy.basic_auth(user, password.expose_secret()),
            None => proxy,
        })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}{})", self.address, if self.login.is_some() { ", with a login" } else { "" })
    }
}
