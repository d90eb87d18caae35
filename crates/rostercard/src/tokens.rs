//! The page's tokens: fetched from where they are kept, and looked at. One that cannot be used lets nobody in, and is a
//! problem with a place; the others can be used.

use rostercard_config::{Code, Http, Loaded, Problem, SecretStore};
use rostercard_core::privacy::Secret;
use rostercard_page::door::SHORTEST_TOKEN;

/// Reads them.
pub(crate) fn read(loaded: &Loaded, http: &Http, secrets: &dyn SecretStore) -> Vec<(String, Secret)> {
    let mut read: Vec<(String, Secret)> = Vec::new();
    for token in &http.tokens {
        known(loaded, token);
        let Some(secret) = token.token.resolve(secrets, &loaded.problems) else { continue };
        let wrong = |message: &str, advice: &str| {
            let (place, key) = (token.token.place().clone(), token.token.key());
            loaded.problems.add(Problem::error(Code::OutOfRange, place, key, message, advice));
        };
        if secret.reveal().trim().len() < SHORTEST_TOKEN {
            wrong("this token can be guessed: it is too short", "make one by `openssl rand -hex 32`");
        } else if read.iter().any(|(_, other)| other.reveal() == secret.reveal()) {
            wrong(
                "another name has the same token",
                "give each person one of their own: `openssl rand -hex 32`",
            );
        } else {
            read.push((token.name.as_str().to_owned(), secret));
        }
    }
    read
}

/// Names that no partnership has are mistyped, and would show nothing.
fn known(loaded: &Loaded, token: &rostercard_config::PageToken) {
    let Some(named) = &token.partnerships else { return };
    for name in &named.value {
        if loaded.partnerships.iter().any(|(known, _)| known == name.as_str()) {
            continue;
        }
        let problem = Problem::about(
            named,
            Code::UnknownWord,
            format!("there is no partnership `{name}`: this token sees nothing of it"),
            "write the names of files in partnerships/, without .toml",
        );
        let all = loaded.partnerships.iter().map(|(name, _)| name.as_str());
        loaded.problems.add(problem.as_warning().did_you_mean(name.as_str(), all));
    }
}
