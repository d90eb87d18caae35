//! `[ils.NAME.koha]`: how the configuration says what [`KohaSettings`] hold. Every mistake is told with its place.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rostercard_config::{
    Bool, Clear, Code as Kind, Integer, Parsed, Problem, SecretRef, SecretStore, TableReader, Text, Word,
    Wrong,
};
use rostercard_core::words::Code;
use rostercard_web::{EndpointError, Reuse};

use crate::settings::{AttributeMap, CodeHome, KohaLogin, KohaSettings, UserIdWay, api};

/// How Rostercard logs in.
const AUTHS: [(&str, Auth); 2] = [("oauth", Auth::OAuth), ("basic", Auth::Basic)];
/// What a new patron's user id is.
const USER_IDS: [(&str, UserIdWay); 2] = [("number", UserIdWay::Number), ("roster", UserIdWay::Roster)];
/// Whether a connection serves more than one call.
const KEEP_ALIVE: [(&str, Reuse); 3] =
    [("auto", Reuse::BehindWebServer), ("always", Reuse::Always), ("never", Reuse::Never)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Auth {
    OAuth,
    Basic,
}

/// Reads the table. `limits` are the ILS's: requests at once, and the time for one answer. `None` where something is
/// wrong; `table`'s problems then say what.
pub fn read(
    mut table: TableReader<'_>,
    (connections, deadline): (usize, Duration),
    secrets: &dyn SecretStore,
) -> Option<KohaSettings> {
    let problems = table.problems();
    let allow_http = table.or("allow_http", &Bool, false).value;
    let url = Parsed(|text: &str| api(text, allow_http).map_err(wrong_url));
    let endpoint = table.required("url", &url, "\"https://koha.example.org\"");
    let auth = table.optional("auth", &Word(&AUTHS)).map(|auth| auth.value);
    let auth = auth.unwrap_or_else(|| {
        let basic = table.has("user") && !table.has("client_id");
        if basic { Auth::Basic } else { Auth::OAuth }
    });
    let (key, secret, example, other) = match auth {
        Auth::OAuth => ("client_id", "client_secret", "\"the API key's client id\"", ["user", "password"]),
        Auth::Basic => ("user", "password", "\"rostercard\"", ["client_id", "client_secret"]),
    };
    for name in other {
        if !table.has(name) {
            continue;
        }
        let problem = Problem::error(
            Kind::Contradiction,
            table.place_of(name),
            table.key(name),
            format!("is not used beside {key}"),
            "write client_id and client_secret (an API key, the better way), or user and password, not both",
        );
        problems.add(problem);
        // Known, so that it is not told once more as unknown.
        let _known = table.node(name);
    }
    let name = table.required(key, &Text, example);
    let password = table.required_secret(secret, Clear::Refused);
    let user_id = table.or("user_id", &Word(&USER_IDS), UserIdWay::Number).value;
    let reuse = table.or("keep_alive", &Word(&KEEP_ALIVE), Reuse::BehindWebServer).value;
    let answer_limit = table.optional("answer_limit", &Integer(65_536..=64 * 1024 * 1024));
    let ca_file = table.optional("ca_file", &Text);
    let attributes = table.table("attributes").map(read_attributes).unwrap_or_default();

    let password = match password {
        None => None,
        Some(secret) => SecretRef::resolve(&secret, secrets, problems),
    };
    // Before anything is given up: what is missing or not known is told by it.
    if !table.finish() {
        return None;
    }
    let (name, password) = (name?.value, password?);
    let login = match auth {
        Auth::OAuth => KohaLogin::OAuth { client_id: name, client_secret: password },
        Auth::Basic => KohaLogin::Basic { user: name, password },
    };
    let mut settings = KohaSettings::of(endpoint?.value, login);
    settings.attributes = attributes;
    settings.user_id = user_id;
    settings.reuse = reuse;
    settings.deadline = deadline;
    settings.connections = connections;
    settings.ca_file = ca_file.map(|path| PathBuf::from(path.value));
    if let Some(limit) = answer_limit {
        settings.answer_limit = usize::try_from(limit.value).unwrap_or(settings.answer_limit);
    }
    Some(settings)
}

/// `student_id` and statistical codes by their names; each an attribute type's code, `statistics_1` or `statistics_2`.
fn read_attributes(mut table: TableReader<'_>) -> AttributeMap {
    let home = Parsed(|text: &str| match text.trim() {
        "" => Err(Wrong::value(
            "is empty",
            "write an attribute type's code, such as \"SCHOOL\", or statistics_1",
        )),
        "statistics_1" => Ok(CodeHome::Statistics1),
        "statistics_2" => Ok(CodeHome::Statistics2),
        kind if kind.chars().count() > 10 => Err(Wrong::value(
            "is longer than a Koha attribute type's code can be",
            "write the code as Koha's administration shows it, such as \"STUDENTID\": ten characters at most",
        )),
        kind => Ok(CodeHome::Attribute(kind.to_owned())),
    });
    let student_id = table.optional("student_id", &home);
    let mut codes = BTreeMap::new();
    for (name, home) in table.map(&home) {
        codes.insert(Code::new(&name.value), home.value);
    }
    let student_id = student_id.and_then(|home| match home.value {
        CodeHome::Attribute(kind) => Some(kind),
        CodeHome::Statistics1 | CodeHome::Statistics2 => {
            table.complain(
                "student_id",
                Kind::BadValue,
                "cannot be kept in a statistical field, which Koha does not keep unique",
                "write the code of an attribute type that is unique, such as \"STUDENTID\"",
            );
            None
        }
    });
    table.finish();
    AttributeMap { student_id, codes }
}

fn wrong_url(error: EndpointError) -> Wrong {
    let example = "write Koha's address as staff open it, such as \"https://koha.example.org\"";
    match error {
        EndpointError::PlainHttp => Wrong::value(
            "would send patrons' data readably over the network",
            "use https; allow_http = true permits http on a network where nobody else can listen",
        ),
        EndpointError::UserInfo => Wrong::value(
            "holds a user name or a password",
            "take it out; user and password have keys of their own, the password as a secret",
        ),
        EndpointError::Scheme => Wrong::value("begins neither with https nor with http", example),
        _ => Wrong::value("is not an address", example),
    }
}

#[cfg(test)]
mod tests {
    use rostercard_config::{Document, MachineSecrets, Problems, Style};

    use super::*;

    fn read_text(text: &str) -> (Option<KohaSettings>, String) {
        let problems = Problems::new();
        let document = Document::parse("rostercard.toml", text.as_bytes().to_vec(), &problems);
        let limits = (3, Duration::from_secs(20));
        let settings = TableReader::top(&document, &problems)
            .and_then(|table| read(table, limits, &MachineSecrets::default()));
        (settings, problems.render(Style::Plain))
    }

    #[test]
    fn every_mistake_is_told() {
        let text = "url = \"http://koha.example.org\"\nclient_id = \"x\"\nuser = \"y\"\nkeep_alife = \"never\"\n\
                    [attributes]\nstudent_id = \"statistics_1\"\nschool = \"MUCH_TOO_LONG\"\n";
        let (settings, problems) = read_text(text);
        assert!(settings.is_none());
        for part in [
            "readably over the network",
            "is not used beside client_id",
            "client_secret",
            "keep_alive",
            "does not keep unique",
            "longer than a Koha",
        ] {
            assert!(problems.contains(part), "{part} is not in\n{problems}");
        }
    }

    #[test]
    fn the_password_does_not_stand_in_the_file() {
        let text = "url = \"https://koha.example.org\"\nuser = \"rostercard\"\npassword = \"hunter2\"\n";
        let (settings, problems) = read_text(text);
        assert!(settings.is_none() && !problems.contains("hunter2"), "{problems}");
    }
}
