//! Whatever a secret's text, it is not in what is told about the file it stands in.

use proptest::prelude::*;
use rostercard_config::{Clear, Document, Problems, Style, TableReader, Text};

fn told_about(text: &str) -> String {
    let problems = Problems::new();
    let document = Document::parse("x.toml", text.as_bytes().to_vec(), &problems);
    if let Some(mut top) = TableReader::top(&document, &problems) {
        top.required("name", &Text, "\"x\"");
        top.secret("client_secret", Clear::Warned);
        if let Some(mut table) = top.table("ils") {
            table.secret("login", Clear::Refused);
            table.finish();
        }
        top.finish();
    }
    format!("{}{}{problems:?}{document:?}", problems.render(Style::Plain), problems.to_json())
}

/// A secret that no message contains by accident.
fn secret() -> impl Strategy<Value = String> {
    "Zq9[ -~é]{4,40}"
}

proptest! {
    #[test]
    fn quoted_as_it_should_be(secret in secret(), key in "(client_secret|password|api_key|pin|access_token|client_secrt|ils[.]login)") {
        let value = serde_json::to_string(&secret).unwrap();
        let told = told_about(&format!("zzz = 1\n{key} = {value}\nyyy = 2\n"));
        prop_assert!(told.contains("yyy"), "{told}");
        prop_assert!(!told.contains(&secret) && !told.contains("Zq9"), "{told}");
    }

    #[test]
    fn pasted_as_it_is(secret in secret(), before in "(client_secret|password|api_key|pin|token) ?=? ?['\"{\\[]?", after in "[\"'\n}]?") {
        let told = told_about(&format!("zzz = 1\n{before}{secret}{after}\nyyy = 2\n"));
        prop_assert!(!told.contains("Zq9"), "{told}");
    }

    #[test]
    fn beside_another_mistake_on_the_line(secret in secret()) {
        let value = serde_json::to_string(&secret).unwrap();
        let told = told_about(&format!("ils = {{ login = {value}, zzz = 1 }}\nname = \"\"\n"));
        prop_assert!(!told.contains("Zq9"), "{told}");
    }

    #[test]
    fn any_text_at_all_is_read_without_panic(text in "\\PC{0,200}|([a-z\\[\\]={}\"'\n\r\t.,#é0-9 -]{0,200})") {
        let told = told_about(&text);
        prop_assert!(!told.is_empty());
    }

    #[test]
    fn any_bytes_at_all_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let problems = Problems::new();
        let document = Document::parse("x.toml", bytes, &problems);
        prop_assert!(document.root.is_some() || problems.render(Style::Plain).contains("x.toml"));
    }
}
