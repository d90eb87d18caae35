//! What a responder says of the versions and services that it has.

use super::ReadError;
use super::tree::Element;
use crate::Service;

/// The name of the response.
const EXPECTED: &str = "LookupVersionResponse";

/// What a responder says that it speaks. Weak evidence: some list what they do not do, and few list services at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versions {
    /// The version URIs, as the responder wrote them.
    pub versions: Vec<String>,
    /// The names of the services, where it lists any.
    pub services: Vec<String>,
}

impl Versions {
    /// Whether a service is in the list; `None` where no services are listed.
    #[must_use]
    pub fn lists(&self, service: Service) -> Option<bool> {
        let plain = |text: &str| -> String { text.chars().filter(char::is_ascii_alphanumeric).collect() };
        let named = |listed: &String| plain(listed).eq_ignore_ascii_case(service.name());
        (!self.services.is_empty()).then(|| self.services.iter().any(named))
    }
}

pub(super) fn versions(root: &Element<'_>) -> Result<Versions, ReadError> {
    let response = match root.name {
        "NCIPVersionMessage" | "NCIPMessage" => root.child(EXPECTED),
        name if name.eq_ignore_ascii_case("html") => return Err(ReadError::Html),
        _ => return Err(ReadError::NotNcip),
    };
    let response = response.ok_or(ReadError::NoResponse { expected: EXPECTED })?;
    let all = |name: &'static str| {
        let values = response.children_named(name).map(|e| e.value().to_owned());
        values.filter(|value| !value.is_empty()).collect::<Vec<_>>()
    };
    let found = Versions { versions: all("VersionSupported"), services: all("ServiceSupported") };
    if found.versions.is_empty() { Err(ReadError::NoResponse { expected: EXPECTED }) } else { Ok(found) }
}
