//! Who is told, and by which way: `[[contacts]]`, `[mail]`, `[[ends]]`. What is told, and when, is not known here.

use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Date;

use crate::document::Value;
use crate::kind::{Bool, Day, Integer, List, Parsed, Span, Text, Word, Wrong};
use crate::place::{Place, Placed};
use crate::problem::{Code, Problem, Problems};
use crate::reader::TableReader;
use crate::secret::{Clear, SecretRef};

/// What a contact can be told of.
pub const TOLD: [&str; 5] = ["waiting", "failed", "late", "rejects", "ends"];

/// By which way a contact is reached.
#[derive(Clone, Debug)]
pub enum ContactWay {
    /// Mail to this address.
    Mail(Placed<String>),
    /// A POST to this address.
    Webhook(Placed<String>),
    /// The same, where the address is a secret.
    SecretWebhook(SecretRef),
}

/// `[[contacts]]`: somebody who is told.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The name, by which it is remembered what they were told; each file has one but once.
    pub name: String,
    /// How they are reached.
    pub way: ContactWay,
    /// What signs a webhook.
    pub secret: Option<SecretRef>,
    /// The header in which the secret stands, where it is not used to sign.
    pub header: Option<String>,
    /// What they are told of: words of [`TOLD`].
    pub tell: Vec<&'static str>,
    /// Somebody of the district, who is told of its own records alone.
    pub district: bool,
    /// Somebody who stands in for the administrator.
    pub deputy: bool,
    /// Where it is said.
    pub place: Place,
}

/// How the connection to the mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// After a greeting in clear.
    StartTls,
    /// From the first byte.
    Tls,
    /// Not at all: a server on this machine.
    None,
}

/// `[mail]`: where mail is handed over.
#[derive(Clone, Debug)]
pub struct MailTable {
    /// The server.
    pub server: String,
    /// Its port, where it is not the usual one.
    pub port: Option<u16>,
    /// How the connection is secured.
    pub tls: MailTls,
    /// The login's user.
    pub user: Option<String>,
    /// The login's password.
    pub secret: Option<SecretRef>,
    /// The sender.
    pub from: String,
    /// Certificates that are trusted, and none else.
    pub ca_file: Option<PathBuf>,
    /// The time for a whole message.
    pub deadline: Duration,
    /// Where it is said.
    pub place: Place,
}

/// `[[ends]]`: something that ends on a day, such as a secret or a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// What.
    pub what: String,
    /// Its last day.
    pub on: Date,
}

const MAIL_DEADLINE: Duration = Duration::from_secs(30);

/// Reads every `[[contacts]]`. `whole` says that they are the library's, and not one partnership's.
pub(crate) fn contacts(top: &mut TableReader<'_>, whole: bool) -> Vec<Contact> {
    let mut contacts: Vec<Contact> = Vec::new();
    for table in top.tables("contacts") {
        let problems = table.problems();
        let Some(one) = contact(table, whole) else { continue };
        if let Some(other) = contacts.iter().find(|other| other.name == one.name) {
            problems.add(
                Problem::error(
                    Code::Twice,
                    one.place.clone(),
                    "contacts.name",
                    "two contacts have the same name",
                    "give each its own: what they were told is remembered by it",
                )
                .and_at(other.place.clone(), "the other one"),
            );
        }
        contacts.push(one);
    }
    contacts
}

fn contact(mut table: TableReader<'_>, whole: bool) -> Option<Contact> {
    let place = table.place().clone();
    let name = table.required("name", &Text, "\"Pat, systems\"");
    let district = table.or("district", &Bool, false);
    let deputy = table.or("deputy", &Bool, false);
    let told = TOLD.map(|word| (word, word));
    let tell = table.optional("tell", &List { of: Word(&told), empty: false });
    let mail = table.optional("mail", &Parsed(mail_address));
    // An address alone may be told to anybody or be a secret: many chats' are.
    let text = table.node("webhook").is_some_and(|node| matches!(node.value, Value::String(_)));
    let webhook = if text {
        table.optional("webhook", &Parsed(web_address)).map(ContactWay::Webhook)
    } else {
        table.secret("webhook", Clear::Refused).map(ContactWay::SecretWebhook)
    };
    let secret = table.secret("secret", Clear::Refused);
    let header = table.optional("header", &Parsed(header_name)).map(|header| header.value);
    let ways = usize::from(table.has("mail")) + usize::from(table.has("webhook"));
    if ways == 0 {
        table.missing(
            "mail",
            "say how they are reached: mail = \"pat@example.org\", or webhook = \"https://...\"",
        );
    }
    if ways == 2 {
        table.complain(
            "webhook",
            Code::Exclusive,
            "a contact is reached by mail or by a webhook, not by both",
            "make two contacts of it",
        );
    }
    if table.has("mail") && (table.has("secret") || table.has("header")) {
        let key = if table.has("secret") { "secret" } else { "header" };
        table.complain(
            key,
            Code::Contradiction,
            "this belongs to a webhook",
            "remove this line; a login for mail stands in [mail]",
        );
    }
    if table.has("header") && !table.has("secret") {
        table.missing("secret", "a header is for a secret: secret = { credential = \"NAME\" }");
    }
    if district.value && whole {
        table.complain(
            "district",
            Code::Contradiction,
            "a contact of a district is told of one partnership's records alone",
            "put this contact into that partnership's file",
        );
    }
    if district.value && tell.as_ref().is_some_and(|tell| tell.value.iter().any(|word| *word != "rejects")) {
        table.complain(
            "tell",
            Code::Contradiction,
            "a district is told of its own records to correct, and of nothing else",
            "write tell = [\"rejects\"], or leave it out",
        );
    }
    if district.value && deputy.value {
        table.complain(
            "deputy",
            Code::Contradiction,
            "somebody of the district cannot stand in for the library's administrator",
            "remove this line",
        );
    }
    let whole = table.finish();
    let tell = match tell {
        Some(tell) => tell.value,
        None if district.value => vec!["rejects"],
        None => TOLD.to_vec(),
    };
    let way = mail.map(ContactWay::Mail).or(webhook)?;
    whole.then_some(Contact {
        name: name?.value,
        way,
        secret,
        header,
        tell,
        district: district.value,
        deputy: deputy.value,
        place,
    })
}

/// Reads `[mail]`.
pub(crate) fn mail(mut table: TableReader<'_>) -> Option<MailTable> {
    let place = table.place().clone();
    let server = table.required("server", &Text, "\"smtp.example.org\"");
    let port = table.optional("port", &Integer(1..=65_535));
    let ways = [("starttls", MailTls::StartTls), ("tls", MailTls::Tls), ("none", MailTls::None)];
    let tls = table.or("tls", &Word(&ways), MailTls::StartTls);
    let user = table.optional("user", &Text);
    let secret = table.secret("secret", Clear::Refused);
    let from = table.required("from", &Parsed(mail_address), "\"Rostercard <rostercard@example.org>\"");
    let ca_file = table.optional("ca_file", &Text);
    let deadline =
        table.or("deadline", &Span(Duration::from_secs(1)..=Duration::from_secs(300)), MAIL_DEADLINE);
    match (table.has("user"), table.has("secret")) {
        (true, false) => {
            table.missing("secret", "a login has a password: secret = { credential = \"mail\" }");
        }
        (false, true) => {
            table.missing("user", "a login has a user: user = \"rostercard\"");
        }
        _ => {}
    }
    let here = |server: &str| {
        server == "localhost" || server.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    if tls.value == MailTls::None && server.as_ref().is_some_and(|server| !here(&server.value)) {
        table.complain(
            "tls",
            Code::Unwise,
            "without TLS, mail goes to a server on this machine alone",
            "write tls = \"starttls\", or \"tls\" for port 465",
        );
    }
    let whole = table.finish();
    whole.then_some(MailTable {
        server: server?.value,
        port: port.and_then(|port| u16::try_from(port.value).ok()),
        tls: tls.value,
        user: user.map(|user| user.value),
        secret,
        from: from?.value,
        ca_file: ca_file.map(|path| PathBuf::from(path.value)),
        deadline: deadline.value,
        place,
    })
}

/// Reads every `[[ends]]`.
pub(crate) fn ends(top: &mut TableReader<'_>) -> Vec<Ends> {
    let read = |mut table: TableReader<'_>| {
        let what = table.required("what", &Text, "\"the API key of Koha\"");
        let on = table.required("on", &Day, "2027-06-30");
        table.finish();
        Some(Ends { what: what?.value, on: on?.value })
    };
    top.tables("ends").into_iter().filter_map(read).collect()
}

/// Says of each contact by mail that there is no `[mail]` to send it by.
pub(crate) fn mail_is_there(contacts: &[Contact], there: bool, problems: &Problems) {
    for contact in contacts.iter().filter(|_| !there) {
        if let ContactWay::Mail(address) = &contact.way {
            problems.add(Problem::about(
                address,
                Code::MissingKey,
                "there is no mail server to send this by",
                "add [mail] to rostercard.toml, with server and from",
            ));
        }
    }
}

fn mail_address(text: &str) -> Result<String, Wrong> {
    let wrong =
        || Wrong::value("is not a mail address", "write \"pat@example.org\", or \"Pat <pat@example.org>\"");
    let text = text.trim();
    let bare = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').ok_or_else(wrong)?,
        None => text,
    };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,;:\"()@".contains(c))
    };
    match bare.split_once('@') {
        Some((local, domain)) if plain(local) && plain(domain) && !text.contains(char::is_control) => {
            Ok(text.to_owned())
        }
        _ => Err(wrong()),
    }
}

fn web_address(text: &str) -> Result<String, Wrong> {
    let here = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
    if text.starts_with("https://") || here.iter().any(|start| text.starts_with(start)) {
        return Ok(text.to_owned());
    }
    Err(Wrong::value(
        "is not an address of https",
        "write \"https://...\"; plain http is for this machine alone",
    ))
}

fn header_name(text: &str) -> Result<String, Wrong> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain
        .then(|| text.to_owned())
        .ok_or_else(|| Wrong::value("is not a header's name", "write, for example, \"Authorization\""))
}
