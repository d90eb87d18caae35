//! Look-ups: one question for each key that Koha can be searched by, always for the whole value.
//!
//! What a search shows is compared with what was asked for. Koha's database compares without case and accents, so what it
//! takes for the same counts as the same; anything else shows that the search was not understood, and then nobody can tell.

use std::collections::{HashMap, HashSet};

use rostercard_core::patron::Patron;
use rostercard_core::ports::{ConnectorError, Fault, FindKey, Lookup, Retry};
use rostercard_core::privacy::Personal;
use serde_json::{Map, Value, json};

use crate::answer::What;
use crate::api::{Searched, Seen};
use crate::directory::KohaDirectory;
use crate::fold::{fold, same};
use crate::map::clean;
use crate::record::{ATTRIBUTES, Record, Unreadable};

/// The most patrons that a look-up reads: enough to see that there are several, and to leave namesakes out.
const SEVERAL: usize = 50;
/// How many numbers [`KohaDirectory::find_many`] asks for in one request.
const AT_ONCE: usize = 100;

/// A look-up, with the record that the patron came from.
pub(crate) enum Looked {
    Found(Box<Patron>, Box<Record>),
    Not(Lookup),
}

impl KohaDirectory {
    pub(crate) fn read(&self, record: Record) -> Looked {
        self.learn_properties(&record);
        match self.mapping().patron(&record) {
            Ok(patron) => Looked::Found(Box::new(patron), Box::new(record)),
            Err(Unreadable(property)) => {
                Looked::Not(Lookup::Unknown(self.api.unreadable(What::Read, property)))
            }
        }
    }

    /// Looks up by a query. `is_it` says of a record whether it is what was asked for: what is not shows that the query
    /// was not understood as it was meant, and then nobody can tell.
    async fn look(&self, query: Value, is_it: impl Fn(&Record) -> Result<bool, Unreadable>) -> Looked {
        let unknown = |error| Looked::Not(Lookup::Unknown(error));
        let mut list = match self.api.search(&query, SEVERAL).await {
            Searched::Failed(error) => return unknown(error),
            Searched::Found(list, _) => list,
        };
        for record in &list {
            match is_it(record) {
                Ok(true) => {}
                Ok(false) => return unknown(self.searched_loosely()),
                Err(Unreadable(property)) => return unknown(self.api.unreadable(What::Search, property)),
            }
        }
        match (list.pop(), list.is_empty()) {
            (Some(record), true) => self.read(record),
            (Some(_), false) => Looked::Not(Lookup::Many),
            (None, _) => Looked::Not(Lookup::NotFound),
        }
    }

    fn searched_loosely(&self) -> ConnectorError {
        ConnectorError::new(
            Fault::Ils,
            Retry::NotThisTarget,
            format!(
                "{}: a search for one patron found others too: this Koha does not understand exact searches",
                self.origin()
            ),
            "Show this message to whoever runs Koha; versions from 20.05 on understand `q`.",
        )
    }

    pub(crate) async fn by_number(&self, number: &str) -> Looked {
        let looked = self
            .look(json!({ "cardnumber": number }), |record| {
                Ok(record.text("cardnumber")?.is_some_and(|held| same(held, number)))
            })
            .await;
        match looked {
            Looked::Not(Lookup::NotFound) if self.known().hidden.contains(&fold(number)) => {
                Looked::Not(Lookup::NotVisible)
            }
            looked => looked,
        }
    }

    pub(crate) async fn by_id(&self, id: &Personal) -> Looked {
        let Ok(number) = id.reveal().parse() else {
            return Looked::Not(Lookup::Unknown(ConnectorError::new(
                Fault::Rostercard,
                Retry::NotThisRecord,
                "the id that is kept of this patron is none of Koha's",
                "Look it up by its number.",
            )));
        };
        match self.api.patron(number).await {
            Seen::Found(record) => self.read(*record),
            Seen::NoPatron => Looked::Not(Lookup::NotFound),
            Seen::Failed(error) => Looked::Not(Lookup::Unknown(error)),
        }
    }

    async fn by_text(&self, property: &'static str, text: &str) -> Looked {
        let text = text.trim();
        let mut query = Map::new();
        query.insert(property.to_owned(), json!(text));
        self.look(Value::Object(query), |record| {
            Ok(record.text(property)?.is_some_and(|held| same(held, text)))
        })
        .await
    }

    async fn by_student_id(&self, kind: &str, id: &str) -> Looked {
        let id = id.trim();
        let query = json!({ "extended_attributes.code": kind, "extended_attributes.value": id });
        let looked = self
            .look(query, |record| {
                let attributes = record.attributes()?.ok_or(Unreadable(ATTRIBUTES))?;
                Ok(attributes.iter().any(|held| held.kind == kind && same(&held.value, id)))
            })
            .await;
        match looked {
            // Such a search shows the attributes that it was made by, and no others.
            Looked::Found(patron, _) => self.by_id(&patron.id).await,
            not @ Looked::Not(_) => not,
        }
    }

    async fn by_person(&self, surname: &str, given: &str, born: jiff::civil::Date) -> Looked {
        let (surname, given) = (clean(surname), clean(given));
        let query = json!({ "surname": surname, "date_of_birth": born.to_string() });
        let is_it = |record: &Record| {
            Ok(record.text("surname")?.is_some_and(|held| same(held, &surname))
                && record.date("date_of_birth")? == Some(born))
        };
        let list = match self.api.search(&query, SEVERAL).await {
            Searched::Failed(error) => return Looked::Not(Lookup::Unknown(error)),
            Searched::Found(list, _) => list,
        };
        // Twins share both, so the given name is compared here; a name that is missing is a name of its own.
        let mut namesakes = Vec::new();
        let full = list.len() >= SEVERAL;
        for record in list {
            let given_held = record.text("firstname").map(|held| held.unwrap_or_default().to_owned());
            match (is_it(&record), given_held) {
                (Ok(true), Ok(held)) => {
                    if same(&held, &given) {
                        namesakes.push(record);
                    }
                }
                (Ok(false), _) => return Looked::Not(Lookup::Unknown(self.searched_loosely())),
                (Err(Unreadable(property)), _) | (_, Err(Unreadable(property))) => {
                    return Looked::Not(Lookup::Unknown(self.api.unreadable(What::Search, property)));
                }
            }
        }
        match (namesakes.pop(), namesakes.is_empty()) {
            (Some(record), true) if !full => self.read(record),
            (Some(_), _) => Looked::Not(Lookup::Many),
            // More than were read: the one that was meant may be among the rest.
            (None, _) if full => Looked::Not(Lookup::Many),
            (None, _) => Looked::Not(Lookup::NotFound),
        }
    }

    pub(crate) async fn look_up(&self, key: &FindKey) -> Looked {
        match key {
            FindKey::Barcode(number) => self.by_number(number.reveal()).await,
            FindKey::PatronId(id) => self.by_id(id).await,
            FindKey::UserName(name) => self.by_text("userid", name.reveal()).await,
            FindKey::Email(address) => self.by_text("email", address.reveal()).await,
            FindKey::StudentId(id) => match self.settings.attributes.student_id.as_deref() {
                Some(kind) => self.by_student_id(kind, id.reveal()).await,
                None => Looked::Not(key.not_possible("Koha, without [ils.NAME.koha.attributes] student_id,")),
            },
            FindKey::NameAndBirthDate { surname, given_name, birth_date } => {
                self.by_person(surname.reveal(), given_name.reveal(), birth_date.reveal()).await
            }
        }
    }

    /// Looks many numbers up at once, a hundred a request: several hundred a second where one by one takes as many
    /// requests. The answers are in the order of the numbers.
    pub async fn find_many(&self, numbers: &[Personal]) -> Vec<Lookup> {
        let mut out = Vec::with_capacity(numbers.len());
        for batch in numbers.chunks(AT_ONCE) {
            let asked: Vec<&str> = batch.iter().map(Personal::reveal).collect();
            // One more than could be there shows that the query was not understood.
            let list = match self.api.search(&json!({ "cardnumber": asked }), AT_ONCE + 1).await {
                Searched::Found(list, _) => list,
                Searched::Failed(error) => {
                    out.extend(batch.iter().map(|_| Lookup::Unknown(error.clone())));
                    continue;
                }
            };
            let mut held: HashMap<String, Vec<Record>> = HashMap::new();
            let mut unreadable = None;
            for record in list {
                match record.text("cardnumber") {
                    Ok(number) => held.entry(fold(number.unwrap_or_default())).or_default().push(record),
                    Err(Unreadable(property)) => unreadable = Some(property),
                }
            }
            let asked: HashSet<String> = asked.iter().map(|number| fold(number)).collect();
            let error = match unreadable {
                Some(property) => Some(self.api.unreadable(What::Search, property)),
                None => held.keys().any(|number| !asked.contains(number)).then(|| self.searched_loosely()),
            };
            for number in batch {
                out.push(match (&error, held.get(&fold(number.reveal())).map(Vec::as_slice)) {
                    (Some(error), _) => Lookup::Unknown(error.clone()),
                    (None, Some([one])) => match self.read(one.clone()) {
                        Looked::Found(patron, _) => Lookup::Found(patron),
                        Looked::Not(lookup) => lookup,
                    },
                    (None, Some([_, _, ..])) => Lookup::Many,
                    (None, Some([]) | None) => {
                        let hidden = self.known().hidden.contains(&fold(number.reveal()));
                        if hidden { Lookup::NotVisible } else { Lookup::NotFound }
                    }
                });
            }
        }
        out
    }
}
