//! An address that requests are sent to. It prints only scheme, host and port.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;
use url::{Host, Url};

/// A checked URL: `https`, or `http` where that is allowed.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a URL cannot be an endpoint. The URL itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It is none.
    #[error("this is not a URL; it should look like https://ils.example.org/path")]
    NotAUrl,
    /// Neither `https` nor `http`.
    #[error("the URL's scheme is neither https nor http")]
    Scheme,
    /// Plain `http` to another machine.
    #[error(
        "plain http would send patrons' data readably over the network: use https, or set allow_http = true"
    )]
    PlainHttp,
    /// A user or a password in the URL.
    #[error("the URL holds a user name or a password: they belong into settings of their own, as secrets")]
    UserInfo,
    /// A path that leads to another server.
    #[error("the path leads to another server than the endpoint's own")]
    OtherOrigin,
}

impl Endpoint {
    /// Checks a URL. Plain `http` is for this machine itself, or for where `allow_http` says so.
    ///
    /// # Errors
    /// [`EndpointError`] where the URL is none, or would send data or passwords where they should not go.
    pub fn parse(url: &str, allow_http: bool) -> Result<Self, EndpointError> {
        let url = Url::parse(url.trim()).map_err(|_| EndpointError::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::UserInfo);
        }
        match url.scheme() {
            "https" => {}
            "http" if allow_http || is_loopback(&url) => {}
            "http" => return Err(EndpointError::PlainHttp),
            _ => return Err(EndpointError::Scheme),
        }
        if url.host().is_none() {
            return Err(EndpointError::NotAUrl);
        }
        Ok(Self(url))
    }

    /// Another path of the same server. `path` is taken relative to the endpoint's own.
    ///
    /// # Errors
    /// [`EndpointError::OtherOrigin`] where it would lead to another server.
    pub fn join(&self, path: &str) -> Result<Self, EndpointError> {
        let url = self.0.join(path).map_err(|_| EndpointError::NotAUrl)?;
        if url.origin() != self.0.origin() || !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::OtherOrigin);
        }
        Ok(Self(url))
    }

    /// Whether what is sent can be read on the way, by others than this machine: worth a warning.
    pub fn is_readable_on_the_way(&self) -> bool {
        self.is_plain() && !is_loopback(&self.0)
    }

    /// Scheme, host and port: what may be printed.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The whole URL, on its way to the wire.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self}/...)")
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_or_by_choice() {
        use EndpointError::{NotAUrl, PlainHttp, Scheme, UserInfo};
        let cases = [
            ("https://ils.example.org/ncip", false, Ok(false)),
            ("http://127.0.0.1:8080/ncip", false, Ok(false)),
            ("http://[::1]:8080/ncip", false, Ok(false)),
            ("http://localhost/ncip", false, Ok(false)),
            ("http://ils.example.org/ncip", false, Err(PlainHttp)),
            ("http://ils.example.org/ncip", true, Ok(true)),
            ("http://localhost.example.org/ncip", false, Err(PlainHttp)),
            ("http://10.0.0.1/", false, Err(PlainHttp)),
            ("ftp://ils.example.org/", true, Err(Scheme)),
            ("https://zoe:4711@ils.example.org/", true, Err(UserInfo)),
            ("ils.example.org/ncip", true, Err(NotAUrl)),
            ("", true, Err(NotAUrl)),
        ];
        for (url, allow, wanted) in cases {
            let got = Endpoint::parse(url, allow).map(|e| e.is_readable_on_the_way());
            assert_eq!(got, wanted, "{url}");
        }
    }

    #[test]
    fn only_scheme_host_and_port_are_printed() {
        let endpoint =
            Endpoint::parse("https://ils.example.org:8443/ncip/T0KEN?apikey=T0KEN#T0KEN", false).unwrap();
        let shown = format!("{endpoint} {endpoint:?}");
        assert!(shown.contains("https://ils.example.org:8443") && !shown.contains("T0KEN"), "{shown}");
    }

    #[test]
    fn a_path_never_leads_to_another_server() {
        let endpoint = Endpoint::parse("https://ils.example.org/api/v1/", false).unwrap();
        assert_eq!(endpoint.join("patrons").unwrap().url().path(), "/api/v1/patrons");
        for path in [
            "//evil.example.org/",
            "https://evil.example.org/",
            "http://ils.example.org/",
            "https://a:b@ils.example.org/",
        ] {
            assert_eq!(endpoint.join(path).unwrap_err(), EndpointError::OtherOrigin, "{path}");
        }
    }
}
