//! Where the configuration says that secrets are. It reads the files' trees, since a connector's table is its own crate's matter, and
//! takes nothing from them but names of references: a secret that stands in clear is said to, and not shown.

use std::path::{Path, PathBuf};

use rostercard_config::{Document, Node, Problems, Value, is_reference_name, is_secret_name};

/// How the names of those secrets end that may stand in clear, for practice.
const SECRETS: [&str; 3] = ["secret", "password", "token"];
const CLEAR: &str = "in clear, in the file itself: change that";

/// A reference to a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The file in which it stands.
    pub(super) file: String,
    /// Its key path, such as `mail.secret`.
    pub(super) key: String,
    /// Where the secret is.
    pub(super) way: String,
}

/// Every reference of rostercard.toml and the partnerships' files.
pub(super) fn all(config: &Path, partnerships: &[&str]) -> Vec<Reference> {
    let base = config.parent().unwrap_or(Path::new(""));
    let of = |name: &&str| base.join("partnerships").join(format!("{name}.toml"));
    let files: Vec<PathBuf> = std::iter::once(config.to_owned()).chain(partnerships.iter().map(of)).collect();
    let mut found = Vec::new();
    for path in files {
        // It was read a moment ago; what is wrong with it was said then.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        found.extend(of_file(&name, bytes));
    }
    found
}

fn of_file(name: &str, bytes: Vec<u8>) -> Vec<Reference> {
    let mut found = Vec::new();
    if let Some(root) = &Document::parse(name, bytes, &Problems::new()).root {
        walk(name, "", "", root, &mut found);
    }
    found
}

fn walk(file: &str, path: &str, name: &str, node: &Node, found: &mut Vec<Reference>) {
    let mut note = |way: String| {
        found.push(Reference { file: file.to_owned(), key: path.to_owned(), way });
    };
    match &node.value {
        Value::Table(table) => {
            let entries: Vec<_> = table.iter().collect();
            if let [only] = &entries[..]
                && let Value::String(text) = &only.node.value
            {
                let way = match only.name.as_str() {
                    // What can be no name may be the secret itself, written in the wrong place.
                    "credential" | "env" if !is_reference_name(text) => Some(CLEAR.to_owned()),
                    "credential" => Some(format!("credential {text}")),
                    "env" => Some(format!("environment variable {text}")),
                    // A table with `file` alone may also be a source's.
                    "file" if is_secret_name(name) || name == "webhook" => Some(format!("file {text}")),
                    _ => None,
                };
                if let Some(way) = way {
                    note(way);
                    return;
                }
            }
            for entry in entries {
                let path =
                    if path.is_empty() { entry.name.clone() } else { format!("{path}.{}", entry.name) };
                walk(file, &path, &entry.name, &entry.node, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|node| walk(file, path, name, node, found)),
        // A private key is named by its file.
        Value::String(text) if name == "client_key" => note(format!("file {text}")),
        // Not everything that sounds like one is: `token_url`, rules about PINs, columns of a table.
        Value::String(_) if SECRETS.iter().any(|end| name.ends_with(end)) => note(CLEAR.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_and_values_are_not() {
        let text = r#"
            [state]
            key = { credential = "state-key" }
            [mail]
            password = "hunter2zz"
            [[contacts]]
            webhook = { file = "/etc/hook" }
            [ils.main.sip2.login]
            password = { env = "SIP_PASSWORD" }
            [ils.main.ncip]
            pin = "create"
            client_key = "/etc/ils.key"
            from_agency_secret = { env = "not a name but hunter2zz" }
            [source.rest]
            token_url = "https://sis.example.org/token"
            [source.csvdrop]
            file = "roster.csv"
            [card]
            pin = "random"
        "#;
        let found = of_file("rostercard.toml", text.as_bytes().to_vec());
        let told: Vec<(&str, &str)> = found.iter().map(|one| (one.key.as_str(), one.way.as_str())).collect();
        assert_eq!(
            told,
            [
                ("state.key", "credential state-key"),
                ("mail.password", CLEAR),
                ("contacts.webhook", "file /etc/hook"),
                ("ils.main.sip2.login.password", "environment variable SIP_PASSWORD"),
                ("ils.main.ncip.client_key", "file /etc/ils.key"),
                ("ils.main.ncip.from_agency_secret", CLEAR),
            ]
        );
        assert!(!format!("{found:?}").contains("hunter2zz"));
    }

    #[test]
    fn what_is_no_toml_has_none() {
        assert_eq!(of_file("x.toml", b"[[[\xff".to_vec()), Vec::new());
    }
}
