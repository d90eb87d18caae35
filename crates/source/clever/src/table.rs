//! `[source.clever]`: how the configuration says what [`Settings`] hold. Every mistake is told with its place.

use std::path::PathBuf;
use std::time::Duration;

use rostercard_config::{Bool, Clear, Integer, Parsed, SecretStore, Span, TableReader, Text, Word, Wrong};
use rostercard_web::{Endpoint, EndpointError};

use crate::settings::{API, OAUTH, Settings, StudentIdFrom, Version};

const VERSIONS: [(&str, Version); 2] = [("3.0", Version::V3_0), ("3.1", Version::V3_1)];
const IDS: [(&str, StudentIdFrom); 3] = [
    ("sis_id", StudentIdFrom::SisId),
    ("student_number", StudentIdFrom::StudentNumber),
    ("state_id", StudentIdFrom::StateId),
];

/// Reads the table; `educators` says whether the partnership wants teachers and other school staff too. `None` where something
/// is wrong; `table`'s problems then say what.
pub fn read(mut table: TableReader<'_>, educators: bool, secrets: &dyn SecretStore) -> Option<Settings> {
    let problems = table.problems();
    let allow_http = table.or("allow_http", &Bool, false).value;
    let url = Parsed(|text: &str| Endpoint::parse(text, allow_http).map_err(wrong_url));
    let district = table.required("district", &Parsed(district_id), "\"55108ad78349a40100000022\"");
    let client_id = table.required("client_id", &Text, "\"0123456789abcdef0123\"");
    let client_secret = table.required_secret("client_secret", Clear::Refused);
    let api = table.optional("api_url", &url).map(|url| url.value);
    let oauth = table.optional("oauth_url", &url).map(|url| url.value);
    let version = table.or("version", &Word(&VERSIONS), Version::default()).value;
    let student_id = table.or("student_id", &Word(&IDS), StudentIdFrom::default()).value;
    let incremental = table.or("incremental", &Bool, true).value;
    let page_size = table.optional("page_size", &Integer(1..=10_000)).map(|size| size.value);
    let second = Duration::from_secs(1);
    let deadline = table.optional("deadline", &Span(second..=second * 600)).map(|span| span.value);
    let ca_file = table.optional("ca_file", &Text);
    let client_secret = client_secret.and_then(|secret| secret.resolve(secrets, problems));
    // Before anything is given up: what is missing or not known is told by it.
    if !table.finish() {
        return None;
    }
    let usual = |url: &str| Endpoint::parse(url, false).ok();
    let (api, oauth) = (api.or_else(|| usual(API))?, oauth.or_else(|| usual(OAUTH))?);
    let mut settings = Settings::new(&district?.value, &client_id?.value, client_secret?, api, oauth);
    settings.version = version;
    settings.student_id = student_id;
    settings.educators = educators;
    settings.incremental = incremental;
    settings.page_size = page_size.and_then(|size| u32::try_from(size).ok()).unwrap_or(settings.page_size);
    settings.deadline = deadline.unwrap_or(settings.deadline);
    settings.ca_file = ca_file.map(|path| PathBuf::from(path.value));
    Some(settings)
}

/// An id as Clever makes them. It becomes a piece of a path.
fn district_id(text: &str) -> Result<String, Wrong> {
    let text = text.trim();
    if text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::value(
        "is not an id of Clever's",
        "it is 24 digits and letters from a to f: Clever's dashboard shows it with the district, and so does the list of tokens",
    ))
}

fn wrong_url(error: EndpointError) -> Wrong {
    let example = "leave it out for Clever itself, or write an address such as \"https://api.clever.com\"";
    match error {
        EndpointError::PlainHttp => Wrong::value(
            "would send students' data readably over the network",
            "use https; allow_http = true permits http on a network where nobody else can listen",
        ),
        EndpointError::UserInfo => Wrong::value(
            "holds a user name or a password",
            "they have keys of their own: client_id, client_secret",
        ),
        EndpointError::Scheme => Wrong::value("begins neither with https nor with http", example),
        _ => Wrong::value("is not a URL", example),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rostercard_config::{Document, MachineSecrets, Problems, Style};

    use super::*;

    fn read_text(text: &str) -> (Option<Settings>, String) {
        let problems = Problems::new();
        let document = Document::parse("oak.toml", text.as_bytes().to_vec(), &problems);
        let variables = BTreeMap::from([("CLEVER".to_owned(), "s3cret".to_owned())]);
        let secrets = MachineSecrets { variables, ..MachineSecrets::default() };
        let settings = TableReader::top(&document, &problems).and_then(|table| read(table, false, &secrets));
        (settings, problems.render(Style::Plain))
    }

    const LEAST: &str = "district = \"55108ad78349a40100000022\"\nclient_id = \"app\"\nclient_secret = { env = \"CLEVER\" }\n";

    #[test]
    fn the_least_that_is_needed() {
        let (settings, problems) = read_text(LEAST);
        let settings = settings.expect(&problems);
        assert_eq!(settings.api.origin(), "https://api.clever.com");
        assert_eq!(settings.oauth.origin(), "https://clever.com");
        assert_eq!((settings.version, settings.student_id), (Version::V3_1, StudentIdFrom::SisId));
        assert!(settings.incremental && !format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn everything_that_can_be_said() {
        let (settings, problems) = read_text(&format!(
            "{LEAST}api_url = \"http://127.0.0.1:1\"\noauth_url = \"http://sis.example.org\"\nallow_http = true\n\
             version = \"3.0\"\nstudent_id = \"student_number\"\nincremental = false\npage_size = 10000\n\
             deadline = \"20s\"\n"
        ));
        let settings = settings.expect(&problems);
        assert_eq!((settings.version, settings.student_id), (Version::V3_0, StudentIdFrom::StudentNumber));
        assert_eq!((settings.incremental, settings.page_size), (false, 10_000));
        assert_eq!(settings.oauth.origin(), "http://sis.example.org");
        assert_eq!(settings.deadline, Duration::from_secs(20));
    }

    #[test]
    fn every_mistake_is_told() {
        let (settings, problems) = read_text(
            "district = \"../../x\"\nclient_secret = \"written in clear\"\napi_url = \"http://sis.example.org\"\nversion = \"2.1\"\n\
             page_size = 20000\nstudent = \"sis_id\"\n",
        );
        assert!(settings.is_none());
        for part in
            ["client_id", "is not an id of Clever's", "readably", "`3.0` or `3.1`", "10000", "student_id"]
        {
            assert!(problems.contains(part), "{part} is not in\n{problems}");
        }
        assert!(!problems.contains("written in clear"), "{problems}");
    }
}
