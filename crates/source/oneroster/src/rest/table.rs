//! `[source.oneroster]`: how the configuration says what [`RestSettings`] hold. Every mistake is told with its place.

use std::path::PathBuf;
use std::time::Duration;

use rostercard_config::{
    Bool, Clear, Code, Integer, List, Parsed, SecretStore, Span, TableReader, Text, Word, Wrong,
};
use rostercard_oneroster::Version;
use rostercard_oneroster::rest::oauth1::Method;
use rostercard_web::{ClientAuth, Endpoint, EndpointError};

use super::settings::{Login, PeopleFrom, RestSettings};
use crate::table::{columns, student_id};

const VERSIONS: [(&str, Version); 2] = [("1.1", Version::V1_1), ("1.2", Version::V1_2)];

/// The ways to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Auth {
    OAuth2(ClientAuth),
    Bearer,
    OAuth1(Method),
}

const AUTHS: [(&str, Auth); 6] = [
    ("basic", Auth::OAuth2(ClientAuth::BasicRaw)),
    ("basic_encoded", Auth::OAuth2(ClientAuth::Basic)),
    ("post", Auth::OAuth2(ClientAuth::Post)),
    ("bearer", Auth::Bearer),
    ("oauth1_sha1", Auth::OAuth1(Method::HmacSha1)),
    ("oauth1_sha256", Auth::OAuth1(Method::HmacSha256)),
];

const PEOPLE: [(&str, PeopleFrom); 2] = [("students", PeopleFrom::Students), ("users", PeopleFrom::Users)];

/// Reads the table; `educators` says whether the partnership wants teachers and other school staff, `birth_dates` whether
/// it may read birth dates. `None` where something is wrong; `table`'s problems then say what.
pub fn read(
    mut table: TableReader<'_>,
    (educators, birth_dates): (bool, bool),
    secrets: &dyn SecretStore,
) -> Option<RestSettings> {
    let allow_http = table.or("allow_http", &Bool, false).value;
    let address = Parsed(|text: &str| {
        let trimmed = text.trim();
        if trimmed.contains(['?', '#']) {
            return Err(Wrong::value(
                "has a query",
                "write the address up to v1p1 or v1p2, without a question mark",
            ));
        }
        let slashed = format!("{}/", trimmed.trim_end_matches('/'));
        Endpoint::parse(&slashed, allow_http)
            .map(|endpoint| (trimmed.to_owned(), endpoint))
            .map_err(wrong_url)
    });
    let url = table.required("url", &address, "\"https://sis.example.org/ims/oneroster/rostering/v1p2\"");
    let version = table.required("version", &Word(&VERSIONS), "\"1.2\"");
    let auth = table.or("auth", &Word(&AUTHS), AUTHS[0].1).value;
    let login = login(&mut table, auth, allow_http, version.as_ref().map(|v| v.value), birth_dates, secrets);
    let page_size = table.or("page_size", &Integer(1..=10_000), 500).value;
    let people = table.or("people", &Word(&PEOPLE), PeopleFrom::Students).value;
    let student_id = student_id(&mut table);
    let incremental = table.or("incremental", &Bool, true).value;
    let day = Duration::from_secs(24 * 3600);
    let overlap = table.or("overlap", &Span(Duration::from_secs(3600)..=day * 30), day).value;
    let full_every = table.or("full_every", &Span(day..=day * 60), day * 7).value;
    let ignore_total = table.or("ignore_total", &Bool, false).value;
    let deadline = table.or(
        "deadline",
        &Span(Duration::from_secs(1)..=Duration::from_secs(600)),
        Duration::from_secs(60),
    );
    let answer_limit = table.or("answer_limit", &Integer(65_536..=1 << 30), 64 << 20).value;
    let ca_file = table.optional("ca_file", &Text).map(|path| PathBuf::from(path.value));
    let columns = table.table("columns").map(columns).unwrap_or_default();
    if let (Some(url), Some(version)) = (&url, &version) {
        odd_path(&table, &url.value.0, version.value);
    }
    if !table.finish() {
        return None;
    }
    let (url, endpoint) = url?.value;
    let mut settings = RestSettings::of(&url, endpoint, version?.value, login?);
    settings.page_size = usize::try_from(page_size).unwrap_or(settings.page_size);
    settings.answer_limit = usize::try_from(answer_limit).unwrap_or(settings.answer_limit);
    settings.deadline = deadline.value;
    settings.student_id = student_id;
    settings.columns = columns;
    settings.educators = educators;
    settings.people = people;
    settings.incremental = incremental;
    settings.overlap = overlap;
    settings.full_every = full_every;
    settings.ignore_total = ignore_total;
    settings.ca_file = ca_file;
    Some(settings)
}

/// What the way to log in needs, each key asked for only there.
fn login(
    table: &mut TableReader<'_>,
    auth: Auth,
    allow_http: bool,
    version: Option<Version>,
    birth_dates: bool,
    secrets: &dyn SecretStore,
) -> Option<Login> {
    let problems = table.problems();
    if auth == Auth::Bearer {
        let token = table.required_secret("token", Clear::Refused);
        return token?.resolve(secrets, problems).map(Login::Bearer);
    }
    let id = table.required("client_id", &Text, "\"woodland-library\"");
    let secret = table.required_secret("client_secret", Clear::Refused);
    let token_url = Parsed(|text: &str| Endpoint::parse(text, allow_http).map_err(wrong_url));
    match auth {
        Auth::OAuth1(method) => {
            let secret = secret?.resolve(secrets, problems);
            Some(Login::OAuth1 { method, key: id?.value, secret: secret? })
        }
        Auth::OAuth2(auth) => {
            let url = table.required("token_url", &token_url, "\"https://sis.example.org/oauth/token\"");
            // A query may be a key.
            problems.hide(&table.place_of("token_url"));
            let scopes = table.optional("scopes", &List { of: Text, empty: true }).map(|scopes| scopes.value);
            let usual = || usual_scopes(version.unwrap_or(Version::V1_2), birth_dates);
            let secret = secret?.resolve(secrets, problems);
            Some(Login::OAuth2 {
                token_url: url?.value,
                client_id: id?.value,
                client_secret: secret?,
                scopes: scopes.unwrap_or_else(usual),
                auth,
            })
        }
        Auth::Bearer => None,
    }
}

/// The least that is needed: people and organisations, and demographics where birth dates may be read.
fn usual_scopes(version: Version, birth_dates: bool) -> Vec<String> {
    let path = match version {
        Version::V1_1 => "v1p1",
        Version::V1_2 => "v1p2",
    };
    let scope = |name: &str| format!("https://purl.imsglobal.org/spec/or/{path}/scope/{name}");
    let mut scopes = vec![scope("roster-core.readonly")];
    scopes.extend(birth_dates.then(|| scope("roster-demographics.readonly")));
    scopes
}

/// A path that names the other version is most likely a mistake, and may be right.
fn odd_path(table: &TableReader<'_>, url: &str, version: Version) {
    let (own, other) = match version {
        Version::V1_1 => ("v1p1", "v1p2"),
        Version::V1_2 => ("v1p2", "v1p1"),
    };
    if url.contains(other) && !url.contains(own) {
        table.complain(
            "url",
            Code::BadValue,
            format!("the address is of {other}, and version says {}", version.as_str()),
            "write the version that the address is of",
        );
    }
}

fn wrong_url(error: EndpointError) -> Wrong {
    let example = "write the address as the SIS's screen shows it, such as \"https://sis.example.org/ims/oneroster/v1p1\"";
    match error {
        EndpointError::PlainHttp => Wrong::value(
            "would send students' data readably over the network",
            "use https; allow_http = true permits http on a network where nobody else can listen",
        ),
        EndpointError::UserInfo => Wrong::value(
            "holds a user name or a password",
            "take it out; client_id and client_secret are keys of their own",
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

    fn read_text(text: &str) -> (Option<RestSettings>, String) {
        let problems = Problems::new();
        let document = Document::parse("woodland.toml", text.as_bytes().to_vec(), &problems);
        let secrets = MachineSecrets {
            variables: BTreeMap::from([("SIS".to_owned(), "s3cret".to_owned())]),
            ..MachineSecrets::default()
        };
        let settings =
            TableReader::top(&document, &problems).and_then(|table| read(table, (false, true), &secrets));
        (settings, problems.render(Style::Plain))
    }

    const LEAST: &str = "url = \"https://sis.example.org/ims/oneroster/rostering/v1p2/\"\nversion = \"1.2\"\n\
                         token_url = \"https://sis.example.org/oauth/token?appName=T0KEN\"\nclient_id = \"lib\"\n\
                         client_secret = { env = \"SIS\" }\n";

    #[test]
    fn the_least_that_is_needed() {
        let (settings, problems) = read_text(LEAST);
        let settings = settings.expect(&problems);
        assert_eq!(settings.url, "https://sis.example.org/ims/oneroster/rostering/v1p2");
        let Login::OAuth2 { scopes, auth, .. } = &settings.login else { panic!("{settings:?}") };
        assert_eq!(*auth, ClientAuth::BasicRaw);
        assert!(scopes.len() == 2 && scopes.iter().all(|s| s.contains("v1p2/scope/roster-")), "{scopes:?}");
        assert!(!format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn ways_to_log_in() {
        let base = "url = \"https://sis.example.org/v1p1\"\nversion = \"1.1\"\n";
        let (settings, problems) =
            read_text(&format!("{base}auth = \"bearer\"\ntoken = {{ env = \"SIS\" }}\n"));
        assert!(matches!(settings.expect(&problems).login, Login::Bearer(_)));
        let (settings, problems) = read_text(&format!(
            "{base}auth = \"oauth1_sha256\"\nclient_id = \"k\"\nclient_secret = {{ env = \"SIS\" }}\n"
        ));
        let login = settings.expect(&problems).login;
        assert!(matches!(login, Login::OAuth1 { method: Method::HmacSha256, .. }));
        let (settings, problems) = read_text(&LEAST.replace("client_id", "scopes = []\nclient_id"));
        let Login::OAuth2 { scopes, .. } = settings.expect(&problems).login else { panic!() };
        assert!(scopes.is_empty());
    }

    #[test]
    fn every_mistake_is_told_and_no_secret_address_is_shown() {
        let (settings, problems) = read_text(
            "url = \"http://sis.example.org/ims/oneroster/v1p1?x=1\"\nversion = \"1.3\"\nauth = \"basik\"\n\
             token_url = \"ftp://sis.example.org/T0KEN\"\nclient_secret = \"clear\"\npagesize = 3\n",
        );
        assert!(settings.is_none());
        for part in ["has a query", "1.1", "basic", "client_id", "page_size"] {
            assert!(problems.contains(part), "{part} is not in\n{problems}");
        }
        assert!(!problems.contains("T0KEN") && !problems.contains("clear\""), "{problems}");
        let (settings, problems) = read_text(&LEAST.replace("\"1.2\"", "\"1.1\""));
        assert!(settings.is_none() && problems.contains("the address is of v1p2"), "{problems}");
    }
}
