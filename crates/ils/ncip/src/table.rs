//! `[ils.NAME.ncip]`: how the configuration says what [`NcipSettings`] hold. Every mistake is told with its place.

use std::path::PathBuf;
use std::time::Duration;

use rostercard_config::{Bool, Clear, Integer, Parsed, SecretStore, TableReader, Text, Word, Wrong, words};
use rostercard_core::ports::Text as Letters;
use rostercard_ncip::{Dialect, ElementSpelling, Style};
use rostercard_web::{Endpoint, EndpointError};

use crate::settings::{NcipSettings, PinWay, PrivilegeMap};

/// How messages may be spelt.
const STYLES: [(&str, Style); 3] = [
    ("prefixed", Style::Prefixed),
    ("default_namespace", Style::DefaultNamespace),
    ("unqualified_version", Style::UnqualifiedVersion),
];
/// How element types may be spelt.
const SPELLINGS: [(&str, ElementSpelling); 2] =
    [("spaced", ElementSpelling::Spaced), ("joined", ElementSpelling::Joined)];
/// Which edition is named; the messages are the same.
const VERSIONS: [(&str, &str); 3] = [
    ("2.0", "http://www.niso.org/schemas/ncip/v2_0/ncip_v2_0.xsd"),
    ("2.01", "http://www.niso.org/schemas/ncip/v2_01/ncip_v2_01.xsd"),
    ("2.02", Dialect::V2_02),
];
/// How the PIN travels.
const PINS: [(&str, PinWay); 3] =
    [("create", PinWay::Create), ("update", PinWay::Update), ("none", PinWay::None)];

/// Reads the table. `limits` are the ILS's: requests at once, and the time for one answer. `None` where something is
/// wrong; `table`'s problems then say what.
pub fn read(
    mut table: TableReader<'_>,
    (connections, deadline): (usize, Duration),
    secrets: &dyn SecretStore,
) -> Option<NcipSettings> {
    let problems = table.problems();
    let allow_http = table.or("allow_http", &Bool, false).value;
    let url = Parsed(|text: &str| Endpoint::parse(text, allow_http).map_err(wrong_url));
    let endpoint = table.required("url", &url, "\"https://ils.example.org/ncip\"");
    // A path or query may be a token, so the line is not shown in any later problem.
    problems.hide(&table.place_of("url"));
    let from_agency = table.required("from_agency", &Text, "\"ROSTERCARD\"");
    let to_agency = table.required("to_agency", &Text, "\"MAIN\"");
    let from_system = table.optional("from_system", &Text);
    let system_secret = table.secret("from_system_secret", Clear::Refused);
    let agency_secret = table.secret("from_agency_secret", Clear::Refused);
    let profile = table.optional("application_profile", &Text);
    let version = table.or("version", &Word(&VERSIONS), Dialect::V2_02).value;
    let style = table.or("style", &Word(&STYLES), Style::Prefixed).value;
    let schemes = table.or("schemes", &Bool, true).value;
    let elements = table.or("elements", &Word(&SPELLINGS), ElementSpelling::Spaced).value;
    let letters = words(Letters::ALL, Letters::word);
    let text = table.or("text", &Word(&letters), Letters::Utf8).value;
    let pin = table.or("pin", &Word(&PINS), PinWay::Create).value;
    let answer_limit = table.optional("answer_limit", &Integer(1_024..=64 * 1024 * 1024));
    let ca_file = table.optional("ca_file", &Text);
    let privileges = table.table("privileges");

    let resolve = |secret: Option<rostercard_config::SecretRef>| match secret {
        None => Some(None),
        Some(secret) => secret.resolve(secrets, problems).map(Some),
    };
    let (system_secret, agency_secret) = (resolve(system_secret), resolve(agency_secret));
    let mut map = PrivilegeMap::default();
    if let Some(privileges) = privileges {
        read_privileges(privileges, &mut map);
    }
    // Before anything is given up: what is missing or not known is told by it.
    if !table.finish() {
        return None;
    }
    let mut settings = NcipSettings::of(endpoint?.value, &from_agency?.value, &to_agency?.value);
    settings.privileges = map;
    settings.from_system = from_system.map(|s| s.value);
    settings.from_system_authentication = system_secret?;
    settings.from_agency_authentication = agency_secret?;
    settings.application_profile = profile.map(|p| p.value);
    version.clone_into(&mut settings.dialect.version_uri);
    settings.dialect.style = style;
    settings.dialect.send_schemes = schemes;
    settings.dialect.elements = elements;
    settings.text = text;
    settings.pin = pin;
    settings.deadline = deadline;
    settings.connections = connections;
    settings.ca_file = ca_file.map(|path| PathBuf::from(path.value));
    if let Some(limit) = answer_limit {
        settings.answer_limit = usize::try_from(limit.value).unwrap_or(settings.answer_limit);
    }
    Some(settings)
}

fn read_privileges(mut table: TableReader<'_>, map: &mut PrivilegeMap) {
    map.category_kind = table.optional("category_kind", &Text).map(|t| t.value);
    map.branch_kind = table.or("branch_kind", &Text, map.branch_kind.clone()).value;
    map.statistics_prefix = table.or("statistics_prefix", &Text, map.statistics_prefix.clone()).value;
    map.active = table.or("active", &Text, map.active.clone()).value;
    map.blocked = table.or("blocked", &Text, map.blocked.clone()).value;
    table.finish();
}

fn wrong_url(error: EndpointError) -> Wrong {
    let example = "write the address as the ILS's vendor gives it, such as \"https://ils.example.org/ncip\"";
    match error {
        EndpointError::PlainHttp => Wrong::value(
            "would send patrons' data readably over the network",
            "use https; allow_http = true permits http on a network where nobody else can listen",
        ),
        EndpointError::UserInfo => Wrong::value(
            "holds a user name or a password",
            "take it out; what the ILS asks for beside the address has keys of its own, as secrets",
        ),
        EndpointError::Scheme => Wrong::value("begins neither with https nor with http", example),
        _ => Wrong::value("is not a URL", example),
    }
}

#[cfg(test)]
mod tests {
    use rostercard_config::{Document, MachineSecrets, Problems, Style as Rendering};

    use super::*;

    fn read_text(text: &str) -> (Option<NcipSettings>, String) {
        let problems = Problems::new();
        let document = Document::parse("rostercard.toml", text.as_bytes().to_vec(), &problems);
        let limits = (3, Duration::from_secs(20));
        let settings = TableReader::top(&document, &problems)
            .and_then(|table| read(table, limits, &MachineSecrets::default()));
        (settings, problems.render(Rendering::Plain))
    }

    const LEAST: &str =
        "url = \"https://ils.example.org/ncip/T0KEN\"\nfrom_agency = \"A\"\nto_agency = \"B\"\n";

    #[test]
    fn the_least_that_is_needed() {
        let (settings, problems) = read_text(LEAST);
        let settings = settings.expect(&problems);
        assert_eq!((settings.connections, settings.deadline), (3, Duration::from_secs(20)));
        assert_eq!(settings.dialect, Dialect::default());
    }

    #[test]
    fn a_dialect_by_its_words() {
        let text = format!(
            "{LEAST}version = \"2.0\"\nstyle = \"default_namespace\"\nschemes = false\npin = \"none\"\n\
             text = \"ascii\"\n[privileges]\nbranch_kind = \"HOME\"\n"
        );
        let (settings, problems) = read_text(&text);
        let settings = settings.expect(&problems);
        assert_eq!(settings.dialect.style, Style::DefaultNamespace);
        assert!(!settings.dialect.send_schemes && settings.dialect.version_uri.contains("v2_0/"));
        assert_eq!((settings.pin, settings.text), (PinWay::None, Letters::Ascii));
        assert_eq!(settings.privileges.branch_kind, "HOME");
    }

    #[test]
    fn every_mistake_is_told_and_the_address_is_not_shown() {
        let text = "url = \"http://ils.example.org/ncip/T0KEN\"\nto_agency = 7\nstile = \"prefixed\"\npin = \"creat\"\n";
        let (settings, problems) = read_text(text);
        assert!(settings.is_none());
        for part in ["readably over the network", "to_agency", "from_agency", "style", "create"] {
            assert!(problems.contains(part), "{part} is not in\n{problems}");
        }
        assert!(!problems.contains("T0KEN"), "{problems}");
    }
}
