//! Signatures of OAuth 1.0a with a client's key and no token (RFC 5849, 3.4), by HMAC-SHA1 and HMAC-SHA256.
//!
//! The URL is signed as it is sent: its query must be encoded already. Time and nonce are passed in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::query::encode;

/// The signature's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `HMAC-SHA1`.
    HmacSha1,
    /// `HMAC-SHA256`.
    HmacSha256,
}

impl Method {
    fn word(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
        }
    }
}

/// Who signs, and how.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The signature's method.
    pub method: Method,
    /// The consumer key.
    pub key: &'a str,
    /// The consumer's secret.
    pub secret: &'a str,
}

impl std::fmt::Debug for Signer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Signer<'_> {
    /// The value of the `Authorization` header for a GET of a URL; `None` where the URL is none. `nonce` must never come
    /// twice with one `timestamp` (seconds since 1970).
    #[must_use]
    pub fn header(&self, url: &str, nonce: &str, timestamp: i64) -> Option<String> {
        let timestamp = timestamp.to_string();
        let own = [
            ("oauth_consumer_key", self.key),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", self.method.word()),
            ("oauth_timestamp", timestamp.as_str()),
            ("oauth_version", "1.0"),
        ];
        let base = base_string(url, &own)?;
        let algorithm = match self.method {
            Method::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Method::HmacSha256 => hmac::HMAC_SHA256,
        };
        let key = hmac::Key::new(algorithm, format!("{}&", encode(self.secret)).as_bytes());
        let signature = STANDARD.encode(hmac::sign(&key, base.as_bytes()));
        let mut header = String::from("OAuth ");
        for (name, value) in own {
            header.push_str(&format!("{name}=\"{}\", ", encode(value)));
        }
        header.push_str(&format!("oauth_signature=\"{}\"", encode(&signature)));
        Some(header)
    }
}

/// RFC 5849, 3.4.1: method, address, and all parameters in their order.
fn base_string(url: &str, own: &[(&str, &str)]) -> Option<String> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let mut pairs: Vec<(String, String)> = own.iter().map(|(n, v)| (encode(n), encode(v))).collect();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((encode(&decode(name)?), encode(&decode(value)?)));
    }
    pairs.sort();
    let all: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    Some(format!("GET&{}&{}", encode(&plain_address(address)?), encode(&all.join("&"))))
}

/// Scheme and host in lower case, no port that is the scheme's own (3.4.1.2).
fn plain_address(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let authority = authority.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    Some(format!("{scheme}://{}{path}", authority.strip_suffix(usual).unwrap_or(&authority)))
}

/// Percent-decoding of what [`encode`] wrote.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            bytes.push((digit(rest.next()?)? << 4) | digit(rest.next()?)?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_letters() {
        for (address, wanted) in [
            ("HTTPS://SIS.example.org:443/a/B", "https://sis.example.org/a/B"),
            ("http://sis.example.org:80/", "http://sis.example.org/"),
            ("https://sis.example.org:8443/a%2Fb", "https://sis.example.org:8443/a%2Fb"),
            ("https://sis.example.org", "https://sis.example.org/"),
        ] {
            assert_eq!(plain_address(address).as_deref(), Some(wanted));
        }
        assert_eq!(plain_address("ftp://x/"), None);
        assert_eq!(plain_address("x"), None);
    }

    #[test]
    fn a12_the_secret_is_not_shown() {
        let signer = Signer { method: Method::HmacSha1, key: "k", secret: "s3cret" };
        assert!(!format!("{signer:?}").contains("s3cret"));
        assert!(!signer.header("https://x/", "n", 1).unwrap().contains("s3cret"));
    }
}
