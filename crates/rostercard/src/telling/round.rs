//! A round: everybody who is to be told now is told, and what came of it is remembered. What could not be sent is tried again by a
//! later round, with a bound.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rostercard_core::digest::Digest as Person;
use rostercard_store::rows::PartnershipId;
use rostercard_store::{SqliteStore, Store, StoreError, StoreKey};
use rostercard_tell::rules::{remembered, step};
use rostercard_tell::{Item, Kind, Letter, Memory, News, Seen, Situation, Step, TellError, What};

use super::gather::{self, Known};
use super::{Teller, Tellers, library_of};
use crate::commands::rejects::corrections;
use crate::setup::Setup;

/// What one contact was told in a round.
pub(crate) struct Told {
    /// The contact's name.
    pub(crate) contact: String,
    /// The subject of the letter.
    pub(crate) subject: String,
    /// What came of it.
    pub(crate) result: Result<(), TellError>,
}

/// A round, with all that it needs.
pub(crate) struct Round<'r> {
    /// Where it is remembered what was told.
    pub(crate) path: PathBuf,
    /// The store's key.
    pub(crate) key: StoreKey,
    /// The store, to be read.
    pub(crate) store: Option<&'r dyn Store>,
    /// The configuration whose library and whose contacts count.
    pub(crate) setup: &'r Setup,
    /// Every partnership.
    pub(crate) known: &'r [Known<'r>],
    /// Now.
    pub(crate) now: Timestamp,
}

/// What is done about one kind for one contact, once the letter has gone or not.
struct Pending {
    partnership: String,
    kind: Kind,
    step: Step,
    seen: Seen,
    /// All rejects that the contact knows of, where the letter has gone.
    rejects: Option<(PartnershipId, Vec<(Person, String)>)>,
    digest: Option<rostercard_tell::Digest>,
}

impl Round<'_> {
    /// Tells everybody who is to be told; nobody where there is no store to remember it in.
    pub(crate) async fn tell(&self, tellers: &[(&Tellers, &Teller)]) -> Result<Vec<Told>, StoreError> {
        let (Ok(main), Some(store)) = (&self.setup.loaded.main, self.store) else { return Ok(Vec::new()) };
        if tellers.is_empty() {
            return Ok(Vec::new());
        }
        let memory: Vec<Memory> =
            SqliteStore::told_beside(&self.path, &self.key)?.into_iter().filter_map(from_row).collect();
        let mut done = Vec::new();
        for (tellers, teller) in tellers {
            let (items, pending) = self.items(store, teller, &memory).await?;
            let mut went = true;
            if !items.is_empty() {
                let (library, zone) = library_of(main, self.setup, teller);
                let letter = letter(teller, &library, zone, self.now, items);
                let result = tellers.send(teller, &letter).await;
                went = result.is_ok();
                done.push(Told { contact: teller.name.clone(), subject: letter.subject(), result });
            }
            self.remember(teller, &pending, &memory, went)?;
        }
        Ok(done)
    }

    /// What a contact is to be told, and what is to be remembered of it.
    async fn items(
        &self,
        store: &dyn Store,
        teller: &Teller,
        memory: &[Memory],
    ) -> Result<(Vec<Item>, Vec<Pending>), StoreError> {
        let (mut items, mut pending) = (Vec::new(), Vec::new());
        let mut take = |about: Option<&Known<'_>>, kind: Kind, seen: &Seen| {
            let partnership = about.map_or(String::new(), |known| known.about.id.clone());
            let remembered = find(memory, &teller.key, &partnership, kind);
            let step = step(kind, seen, remembered, self.now);
            if step == Step::Nothing {
                return;
            }
            if let Step::Tell(news) = step {
                let what = match seen {
                    Seen::Is(situation) if news != News::Over => Some(situation.what.clone()),
                    _ => None,
                };
                let since = remembered.filter(|memory| !memory.over).map_or(self.now, |memory| memory.since);
                items.push(Item { news, kind, about: about.map(|known| known.about.clone()), what, since });
            }
            pending.push(Pending {
                partnership,
                kind,
                step,
                seen: seen.clone(),
                rejects: None,
                digest: None,
            });
        };
        let theirs =
            |known: &&Known<'_>| teller.partnership.as_ref().is_none_or(|name| *name == known.about.name);
        for known in self.known.iter().filter(theirs) {
            for kind in teller.kinds.iter().filter(|kind| **kind != Kind::Rejects) {
                take(Some(known), *kind, known.of(*kind));
            }
        }
        if teller.partnership.is_none() && teller.kinds.contains(&Kind::Ends) {
            take(None, Kind::Ends, &self.library_ends());
        }
        if teller.kinds.contains(&Kind::Rejects) {
            for known in self.known.iter().filter(theirs) {
                if let Some((item, one)) = self.rejects(store, teller, known, memory).await? {
                    items.extend(item);
                    pending.push(one);
                }
            }
        }
        Ok((items, pending))
    }

    fn library_ends(&self) -> Seen {
        let (Ok(main), Ok(today)) = (&self.setup.loaded.main, self.setup.today()) else {
            return Seen::Unknown;
        };
        let ends = gather::ending(&main.ends, today);
        if ends.is_empty() {
            return Seen::Not;
        }
        Seen::Is(Situation { about: None, kind: Kind::Ends, what: What::Ends(ends) })
    }

    /// The rejects of a run that was not looked at yet: those that the contact was not told of before.
    async fn rejects(
        &self,
        store: &dyn Store,
        teller: &Teller,
        known: &Known<'_>,
        memory: &[Memory],
    ) -> Result<Option<(Option<Item>, Pending)>, StoreError> {
        let (Some(row), Some(run)) = (known.row, known.read_by) else { return Ok(None) };
        let remembered = find(memory, &teller.key, &known.about.id, Kind::Rejects);
        let digest = gather::run_digest(run);
        let waits = remembered.and_then(|memory| memory.retry_at).is_some_and(|at| at > self.now);
        if waits || remembered.is_some_and(|memory| memory.digest == digest && memory.retry_at.is_none()) {
            return Ok(None);
        }
        let now_rejected = gather::rejected(store, row).await?;
        let told = SqliteStore::told_rejects_beside(&self.path, &self.key, row, &teller.key)?;
        let all: Vec<(Person, String)> =
            now_rejected.iter().map(|one| (one.person, one.line.rule.clone())).collect();
        let count = u64::try_from(now_rejected.len()).unwrap_or(u64::MAX);
        let mut new: Vec<_> = now_rejected
            .into_iter()
            .filter(|one| {
                // They come in order of the person.
                let at = told.binary_search_by(|(person, _)| person.0.cmp(&one.person.0));
                at.ok().and_then(|at| told.get(at)).is_none_or(|(_, rule)| *rule != one.line.rule)
            })
            .collect();
        // Only the district reads ids, and only the roster has them.
        if let Some(setup) = known.setup.filter(|_| teller.district && !new.is_empty())
            && let Ok(partnership) = setup.partnership(&known.about.name)
            && let Ok(mut corrections) = corrections(setup, partnership, store.digest_key()).await
        {
            for one in &mut new {
                if let Some(correction) = corrections.remove(&one.person) {
                    // The one place where an id is written out on purpose: a letter to whom it came from.
                    one.line.id = correction.student_id;
                    one.line.place = correction.place;
                    one.line.field = correction.field;
                }
            }
        }
        let mut new: Vec<_> = new.into_iter().map(|one| one.line).collect();
        new.sort_by(|a, b| (&a.school, &a.id).cmp(&(&b.school, &b.id)));
        let about = Some(known.about.clone());
        let item = (!new.is_empty()).then(|| Item {
            news: News::Begins,
            kind: Kind::Rejects,
            about: about.clone(),
            what: Some(What::Rejects { new, all: count }),
            since: self.now,
        });
        let what = What::Rejects { new: Vec::new(), all: count };
        let pending = Pending {
            partnership: known.about.id.clone(),
            kind: Kind::Rejects,
            step: Step::Tell(News::Begins),
            seen: Seen::Is(Situation { about, kind: Kind::Rejects, what }),
            rejects: Some((row, all)),
            digest: Some(digest),
        };
        Ok(Some((item, pending)))
    }

    fn remember(
        &self,
        teller: &Teller,
        pending: &[Pending],
        memory: &[Memory],
        went: bool,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for one in pending {
            let before = find(memory, &teller.key, &one.partnership, one.kind);
            let what = (teller.key.as_str(), one.partnership.as_str(), one.kind);
            let Some(mut after) = remembered(what, (one.step, &one.seen), before, went, self.now) else {
                continue;
            };
            if let Some(digest) = one.digest.filter(|_| went || after.retry_at.is_none()) {
                after.digest = digest;
            }
            // The rejects first: cut short in between, they are looked at again, and nothing is new.
            if let Some((row, all)) = one.rejects.as_ref().filter(|_| went) {
                SqliteStore::note_told_rejects_beside(&self.path, &self.key, *row, &teller.key, all)?;
            }
            rows.push(to_row(after));
        }
        if rows.is_empty() {
            return Ok(());
        }
        SqliteStore::note_told_beside(&self.path, &self.key, &rows)
    }
}

/// A letter to a contact.
pub(crate) fn letter(
    teller: &Teller,
    library: &str,
    zone: &TimeZone,
    at: Timestamp,
    items: Vec<Item>,
) -> Letter {
    Letter {
        contact: teller.name.clone(),
        library: library.to_owned(),
        zone: zone.clone(),
        district: teller.district,
        deputy: teller.deputy,
        at,
        items,
    }
}

fn find<'m>(memory: &'m [Memory], contact: &str, partnership: &str, kind: Kind) -> Option<&'m Memory> {
    memory.iter().find(|one| one.contact == contact && one.partnership == partnership && one.kind == kind)
}

fn from_row(row: rostercard_store::keep::Told) -> Option<Memory> {
    Some(Memory {
        kind: Kind::from_word(&row.kind)?,
        contact: row.contact,
        partnership: row.partnership,
        digest: row.digest.0,
        since: row.since,
        told_at: row.told_at,
        over: row.over,
        tries: row.tries,
        retry_at: row.retry_at,
    })
}

fn to_row(memory: Memory) -> rostercard_store::keep::Told {
    rostercard_store::keep::Told {
        kind: memory.kind.word().to_owned(),
        contact: memory.contact,
        partnership: memory.partnership,
        digest: Person(memory.digest),
        since: memory.since,
        told_at: memory.told_at,
        over: memory.over,
        tries: memory.tries,
        retry_at: memory.retry_at,
    }
}
