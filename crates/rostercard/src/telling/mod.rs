//! Telling people, put together: who is told and by which way ([`Tellers`]), what is so (gather.rs), and a round of it
//! (round.rs). When a contact is told, and in which words, is the rules' matter: `rostercard-tell`.

mod gather;
mod round;

use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use rostercard_config::{
    Code, Contact, ContactWay, Loaded, MachineSecrets, MailTable, MailTls, Main, Problem, Problems,
};
use rostercard_tell::mail::MailSettings;
use rostercard_tell::{Kind, Letter, Mail, Security, Signing, TellError, Webhook};
use secrecy::SecretString;

use crate::setup::Setup;

pub(crate) use gather::Known;
pub(crate) use round::{Round, letter};

/// The time for a call to a webhook.
const HOOK_DEADLINE: Duration = Duration::from_secs(20);

/// By which way a contact is reached.
enum Way {
    Mail(String),
    Webhook(Box<Webhook>),
    /// Its secret could not be had, or its address cannot be used; why was said.
    Broken,
}

/// Somebody who is told.
pub(crate) struct Teller {
    /// By what it is remembered what they were told: the name, with the partnership's id before it where it is that one's alone.
    pub(crate) key: String,
    /// The name.
    pub(crate) name: String,
    /// The partnership whose contact it is, by its name; none: the library's.
    pub(crate) partnership: Option<String>,
    /// What they are told of.
    pub(crate) kinds: Vec<Kind>,
    /// Somebody of the district.
    pub(crate) district: bool,
    /// Somebody who stands in for the administrator.
    pub(crate) deputy: bool,
    way: Way,
}

impl Teller {
    /// The way, in words. An address of the web may be a secret.
    pub(crate) fn way_in_words(&self) -> &str {
        match &self.way {
            Way::Mail(address) => address,
            Way::Webhook(_) => "a webhook",
            Way::Broken => "unreachable: see `rostercard check`",
        }
    }
}

/// The library in whose name a contact is told, and its time zone: the partnership's, where they are one partnership's alone.
pub(crate) fn library_of<'m>(main: &'m Main, setup: &Setup, teller: &Teller) -> (String, &'m TimeZone) {
    let partnerships = setup.loaded.partnerships.iter();
    let theirs = partnerships
        .filter(|(name, _)| teller.partnership.as_ref() == Some(name))
        .find_map(|(_, partnership)| partnership.as_ref().ok());
    match theirs {
        Some(partnership) => {
            let library = main.library_of(partnership);
            (library.name.clone(), &library.timezone)
        }
        None => (main.library_names(), &main.library.timezone),
    }
}

/// Everybody who is told.
#[derive(Default)]
pub(crate) struct Tellers {
    mail: Option<Mail>,
    all: Vec<Teller>,
}

impl Tellers {
    /// Sets every contact's way up; what cannot be is a problem with a place, and stops nothing else.
    pub(crate) fn read(loaded: &Loaded, secrets: &MachineSecrets, base: &Path) -> Self {
        let problems = &loaded.problems;
        let Ok(main) = &loaded.main else { return Self::default() };
        let mail = main.mail.as_ref().and_then(|table| mail(table, secrets, base, problems));
        let mut all: Vec<Teller> =
            main.contacts.iter().map(|contact| teller(contact, None, secrets, problems)).collect();
        for partnership in loaded.partnerships.iter().filter_map(|(_, partnership)| partnership.as_ref().ok())
        {
            let whose = Some((partnership.name.as_str(), partnership.id.as_str()));
            all.extend(partnership.contacts.iter().map(|contact| teller(contact, whose, secrets, problems)));
        }
        Self { mail, all }
    }

    /// All of them: the library's first, then each partnership's.
    pub(crate) fn all(&self) -> &[Teller] {
        &self.all
    }

    /// Sends a letter.
    pub(crate) async fn send(&self, teller: &Teller, letter: &Letter) -> Result<(), TellError> {
        match &teller.way {
            Way::Webhook(webhook) => webhook.send(letter).await,
            Way::Mail(to) => match &self.mail {
                Some(mail) => mail.send(to, letter).await,
                None => Err(TellError::Settings { why: "[mail] cannot be used".to_owned() }),
            },
            Way::Broken => Err(TellError::Settings { why: "this contact cannot be reached".to_owned() }),
        }
    }
}

fn teller(
    contact: &Contact,
    whose: Option<(&str, &str)>,
    secrets: &MachineSecrets,
    problems: &Problems,
) -> Teller {
    let secret = contact.secret.as_ref().map(|secret| secret.resolve(secrets, problems));
    let hook = |url: &str| {
        let signing = match (&secret, &contact.header) {
            (None, _) => Signing::None,
            // What is wrong with the secret was told.
            (Some(None), _) => return Way::Broken,
            (Some(Some(secret)), None) => Signing::Hmac(SecretString::from(secret.reveal())),
            (Some(Some(secret)), Some(header)) => {
                Signing::Header(header.clone(), SecretString::from(secret.reveal()))
            }
        };
        match Webhook::new(url, signing, HOOK_DEADLINE) {
            Ok(webhook) => Way::Webhook(Box::new(webhook)),
            Err(error) => {
                let (place, why) = (contact.place.clone(), error.to_string());
                problems.add(Problem::error(
                    Code::BadValue,
                    place,
                    "contacts.webhook",
                    why,
                    "write \"https://...\"",
                ));
                Way::Broken
            }
        }
    };
    let way = match &contact.way {
        ContactWay::Mail(address) => Way::Mail(address.value.clone()),
        ContactWay::Webhook(url) => hook(&url.value),
        ContactWay::SecretWebhook(url) => match url.resolve(secrets, problems) {
            Some(url) => hook(url.reveal()),
            None => Way::Broken,
        },
    };
    Teller {
        key: whose.map_or_else(|| contact.name.clone(), |(_, id)| format!("{id}/{}", contact.name)),
        name: contact.name.clone(),
        partnership: whose.map(|(name, _)| name.to_owned()),
        kinds: contact.tell.iter().filter_map(|word| Kind::from_word(word)).collect(),
        district: contact.district,
        deputy: contact.deputy,
        way,
    }
}

fn mail(table: &MailTable, secrets: &MachineSecrets, base: &Path, problems: &Problems) -> Option<Mail> {
    let security = match table.tls {
        MailTls::StartTls => Security::StartTls,
        MailTls::Tls => Security::Tls,
        MailTls::None => Security::None,
    };
    let login = match (&table.user, &table.secret) {
        (Some(user), Some(secret)) => {
            let secret = secret.resolve(secrets, problems)?;
            Some((user.clone(), SecretString::from(secret.reveal())))
        }
        _ => None,
    };
    let settings = MailSettings {
        server: table.server.clone(),
        port: table.port.unwrap_or_else(|| security.port()),
        security,
        login,
        from: table.from.clone(),
        ca_file: table.ca_file.as_ref().map(|path| base.join(path)),
        deadline: table.deadline,
    };
    match Mail::new(&settings) {
        Ok(mail) => Some(mail),
        Err(error) => {
            let (place, why) = (table.place.clone(), error.to_string());
            problems.add(Problem::error(Code::BadValue, place, "mail", why, error.hint()));
            None
        }
    }
}
