//! The ledger: a narrow row that every run reads of everybody, and a wide one that is read of those who change.

use rostercard_core::digest::Digest;
use rostercard_core::privacy::Personal;
use rostercard_core::threeway::FieldDigests;
use rostercard_core::who::{CARD_ELSEWHERE, MOVED_AWAY, Who};
use rostercard_core::words::{CardModel, Code, LinkState};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::codes::Coded;
use super::db::Db;
use super::fault::{Fault, damaged, not_found};
use super::partnerships;
use super::values::{count, days, digest, optional_date};
use crate::rows::{
    Link, LinkCell, LinkData, LinkId, LinkIndex, LinkWrite, Missing, PartnershipId, SchoolId, StateCount,
};
use crate::seal::{Place, pack, unpack};
use crate::store::StoreError;

/// The most links that room is made for before there are any: a ledger may hold other, larger partnerships.
const MOST_ROOM: usize = 2_000_000;

/// The narrow row of every link, in order of the person. The table lies in that order.
pub(super) fn index(db: &Db<'_>, partnership: PartnershipId) -> Result<Vec<LinkIndex>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select id, person, decided, state, school, expiry, missing_since, feeds_missed
         from link where partnership = ?1 order by person",
    )?;
    // A list that grows by doubling would hold a million links twice while it is copied. Room that is not used costs
    // no memory, so the newest row's number is a count that is good enough and, unlike a count, costs no scan.
    let newest: Option<i64> = db.conn.query_row("select max(id) from link_detail", [], |row| row.get(0))?;
    let room = usize::try_from(newest.unwrap_or(0)).unwrap_or(0).min(MOST_ROOM);
    let mut links = Vec::with_capacity(room);
    let mut rows = statement.query([partnership.0])?;
    while let Some(row) = rows.next()? {
        links.push(LinkIndex {
            link: LinkId(row.get(0)?),
            person: digest(row, 1)?,
            decided: digest(row, 2)?,
            state: LinkState::from_code(row.get(3)?)?,
            school: SchoolId(row.get(4)?),
            expiry: optional_date(row, 5)?,
            missing_since: optional_date(row, 6)?,
            feeds_missed: count(row.get(7)?)?,
        });
    }
    Ok(links)
}

/// Whole links of people.
pub(super) fn links(db: &Db<'_>, partnership: PartnershipId, people: &[Digest]) -> Result<Vec<Link>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select l.id, l.decided, l.state, s.key, s.label, l.expiry, l.missing_since, l.feeds_missed,
                d.reason, d.grade, d.model, d.category, d.branch, d.digests, d.sealed
         from link l
         join link_detail d on d.id = l.id
         join school s on s.id = l.school
         where l.partnership = ?1 and l.person = ?2",
    )?;
    let mut links = Vec::with_capacity(people.len());
    for person in people {
        let mut rows = statement.query(params![partnership.0, person.0.as_slice()])?;
        if let Some(row) = rows.next()? {
            links.push(link(db, partnership, *person, row)?);
        }
    }
    Ok(links)
}

fn link(db: &Db<'_>, partnership: PartnershipId, person: Digest, row: &Row<'_>) -> Result<Link, Fault> {
    let code = |column: usize| -> Result<Option<Code>, Fault> {
        Ok(row.get::<_, Option<String>>(column)?.map(Code::new))
    };
    let digests: Vec<u8> = row.get(13)?;
    let sealed: Vec<u8> = row.get(14)?;
    let identity = Identity::open(db, partnership, person, &sealed)?;
    Ok(Link {
        id: LinkId(row.get(0)?),
        person,
        data: LinkData {
            state: LinkState::from_code(row.get(2)?)?,
            decided: digest(row, 1)?,
            reason: row.get(8)?,
            school: (row.get(3)?, row.get(4)?),
            grade: row.get(9)?,
            model: row.get::<_, Option<i64>>(10)?.map(CardModel::from_code).transpose()?,
            category: code(11)?,
            branch: code(12)?,
            expiry: optional_date(row, 5)?,
            digests: FieldDigests::from_bytes(&digests)
                .ok_or_else(|| damaged("digests of fields that are none"))?,
            source_ids: identity.source_ids,
            patron_id: identity.patron_id,
            barcode: identity.barcode,
            user_name: identity.user_name,
        },
        missing_since: optional_date(row, 6)?,
        feeds_missed: count(row.get(7)?)?,
    })
}

/// Writes a link: new where the person has none in the partnership.
pub(super) fn write(
    db: &Db<'_>,
    partnership: PartnershipId,
    ils: &str,
    write: &LinkWrite,
) -> Result<(), Fault> {
    let (person, data) = (write.person.0.as_slice(), &write.data);
    let school = partnerships::school(db, partnership, &data.school)?;
    let sealed = Identity::seal(db, partnership, write)?;
    let number = data.barcode.as_ref().map(|number| db.secrets.number(ils, number.reveal()).0);
    let (reason, grade) = (data.reason.as_deref(), data.grade);
    let model = data.model.map(Coded::code);
    let (category, branch) =
        (data.category.as_ref().map(Code::as_str), data.branch.as_ref().map(Code::as_str));
    let digests = data.digests.to_bytes();
    let who = Who::was(&data.digests).map(Who::short);

    let id: Option<i64> = db
        .conn
        .prepare_cached("select id from link where partnership = ?1 and person = ?2")?
        .query_row(params![partnership.0, person], |row| row.get(0))
        .optional()?;
    let id = match id {
        Some(id) => {
            let mut change = db.conn.prepare_cached(
                "update link_detail set reason = ?2, grade = ?3, model = ?4, category = ?5, branch = ?6,
                    digests = ?7, sealed = ?8, number_digest = ?9, who = ?10
                 where id = ?1",
            )?;
            change
                .execute(params![id, reason, grade, model, category, branch, digests, sealed, number, who])
                .map_err(patron_taken)?;
            id
        }
        None => {
            let mut make = db.conn.prepare_cached(
                "insert into link_detail (partnership, person, reason, grade, model, category, branch, digests,
                    sealed, number_digest, who)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?;
            make.insert(params![
                partnership.0,
                person,
                reason,
                grade,
                model,
                category,
                branch,
                digests,
                sealed,
                number,
                who
            ])
            .map_err(patron_taken)?
        }
    };
    // Who is written is there: `missing_since` and `feeds_missed` go.
    let mut narrow = db.conn.prepare_cached(
        "insert into link (partnership, person, id, decided, state, school, expiry) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict (partnership, person) do update set decided = excluded.decided, state = excluded.state,
            school = excluded.school, expiry = excluded.expiry, missing_since = null, feeds_missed = 0",
    )?;
    narrow.execute(params![
        partnership.0,
        person,
        id,
        data.decided.0.as_slice(),
        data.state.code(),
        school.0,
        data.expiry.map(days)
    ])?;
    Ok(())
}

/// The one unique index of `link_detail` is that of numbers.
fn patron_taken(error: rusqlite::Error) -> Fault {
    let fault = Fault::from(error);
    if fault.is_unique() { StoreError::PatronTaken.into() } else { fault }
}

/// Gives links to the same people under other keys. By way of a key that nobody has, so that two may swap theirs.
pub(super) fn rekey(
    db: &Db<'_>,
    partnership: PartnershipId,
    people: &[(Digest, Digest)],
) -> Result<(), Fault> {
    let between = |key: Digest| Digest(key.0.map(|byte| !byte));
    people.iter().try_for_each(|(old, new)| rekey_one(db, partnership, *old, between(*new)))?;
    people.iter().try_for_each(|(_, new)| rekey_one(db, partnership, between(*new), *new))
}

fn rekey_one(db: &Db<'_>, partnership: PartnershipId, old: Digest, new: Digest) -> Result<(), Fault> {
    let found = links(db, partnership, &[old])?.pop();
    let link = found.ok_or_else(|| not_found("link of this person"))?;
    let (old_key, new_key) = (old.0.as_slice(), new.0.as_slice());
    if let Some(other) = links(db, partnership, &[new])?.pop() {
        if other.data.barcode.is_some() {
            return Err(StoreError::PatronTaken.into());
        }
        for table in ["link", "link_detail", "pin"] {
            let sql = format!("delete from {table} where partnership = ?1 and person = ?2");
            db.conn.execute(&sql, params![partnership.0, new_key])?;
        }
    }
    // What is sealed is bound to its row, so it is sealed anew.
    let sealed = Identity::seal(db, partnership, &LinkWrite { person: new, data: link.data })?;
    db.conn.execute(
        "update link_detail set person = ?2, sealed = ?3 where id = ?1",
        params![link.id.0, new_key, sealed],
    )?;
    let change = "update link set person = ?3 where partnership = ?1 and person = ?2";
    db.conn.execute(change, params![partnership.0, old_key, new_key])?;
    super::pins::rekey(db, partnership, old, new)?;
    db.conn.execute(
        "update or ignore wish set person = ?3 where partnership = ?1 and person = ?2 and ended_at is null",
        params![partnership.0, old_key, new_key],
    )?;
    db.conn.execute(
        "update answer set person = ?3 where partnership = ?1 and person = ?2",
        params![partnership.0, old_key, new_key],
    )?;
    Ok(())
}

/// Notes who is missing, and who is there again.
pub(super) fn write_missing(db: &Db<'_>, missing: &[Missing]) -> Result<(), Fault> {
    let mut statement = db.conn.prepare_cached(
        "update link set missing_since = ?2, feeds_missed = ?3
         where (partnership, person) = (select partnership, person from link_detail where id = ?1)",
    )?;
    for note in missing {
        let changed = statement.execute(params![note.link.0, note.since.map(days), note.feeds])?;
        if changed == 0 {
            return Err(not_found(format!("link {}", note.link)));
        }
    }
    Ok(())
}

/// Who has which of these numbers within an ILS.
pub(super) fn numbers_in_use(
    db: &Db<'_>,
    ils: &str,
    numbers: Vec<Personal>,
) -> Result<Vec<(Personal, Digest)>, Fault> {
    let mut used = Vec::new();
    for number in numbers {
        if let Some((_, person)) = holder(db, db.secrets.number(ils, number.reveal()))? {
            used.push((number, person));
        }
    }
    Ok(used)
}

/// The link that has a number, by the number's digest.
pub(super) fn holder(db: &Db<'_>, number: Digest) -> Result<Option<(PartnershipId, Digest)>, Fault> {
    let mut statement =
        db.conn.prepare_cached("select partnership, person from link_detail where number_digest = ?1")?;
    let mut rows = statement.query([number.0.as_slice()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((PartnershipId(row.get(0)?), digest(row, 1)?)))
}

/// Links of other partnerships of the same ILS whose person has the same names and birth date.
pub(super) fn alike_elsewhere(
    db: &Db<'_>,
    partnership: PartnershipId,
    who: Who,
) -> Result<Vec<(PartnershipId, Link)>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select d.partnership, d.person from link_detail d join partnership p on p.id = d.partnership
         where d.who = ?1 and d.partnership <> ?2
           and p.ils = (select ils from partnership where id = ?2)
         order by d.id",
    )?;
    let mut rows = statement.query(params![who.short(), partnership.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (elsewhere, person) = (PartnershipId(row.get(0)?), digest(row, 1)?);
        let alike = links(db, elsewhere, &[person])?;
        found.extend(
            alike
                .into_iter()
                .filter(|link| Who::was(&link.data.digests) == Some(who))
                .map(|l| (elsewhere, l)),
        );
    }
    Ok(found)
}

/// Gives a card to a person of another partnership: whose it was keeps none, and who gets it has its PIN with it.
pub(super) fn hand_over(
    db: &Db<'_>,
    (from, left): (PartnershipId, &LinkWrite),
    (to, taken): (PartnershipId, &LinkWrite),
) -> Result<(), Fault> {
    let ils = partnerships::ils(db, from)?;
    // First who lets go: a number belongs to one link of an ILS.
    write(db, from, &ils, left)?;
    write(db, to, &partnerships::ils(db, to)?, taken)?;
    super::pins::hand_over(db, (from, left.person), (to, taken.person))
}

/// Before a partnership's links go, or one of them: a card whose child another district of the ILS has as well goes to
/// that one. Otherwise nobody would look after it, and the child would get a second one.
pub(super) fn leave_to_others(
    db: &Db<'_>,
    partnership: PartnershipId,
    person: Option<Digest>,
) -> Result<(), Fault> {
    let mut statement = db.conn.prepare_cached(
        "select mine.person, d.partnership, d.person
         from link_detail d
         join link_detail mine on mine.who = d.who and mine.partnership = ?1
         join partnership p on p.id = d.partnership
         where d.partnership <> ?1 and d.reason = ?2 and mine.number_digest is not null
           and (?3 is null or mine.person = ?3)
           and p.ils = (select ils from partnership where id = ?1)
         order by d.id",
    )?;
    let only = person.map(|person| person.0.to_vec());
    let mut rows = statement.query(params![partnership.0, CARD_ELSEWHERE, only])?;
    let mut pairs = Vec::new();
    while let Some(row) = rows.next()? {
        pairs.push((digest(row, 0)?, PartnershipId(row.get(1)?), digest(row, 2)?));
    }
    for (person, elsewhere, other) in pairs {
        let card = links(db, partnership, &[person])?.pop();
        let (Some(card), Some(other)) = (card, links(db, elsewhere, &[other])?.pop()) else { continue };
        // The first of several has it by now, or they only share the short form.
        if card.data.barcode.is_none() || Who::was(&card.data.digests) != Who::was(&other.data.digests) {
            continue;
        }
        let left = LinkData {
            state: LinkState::Skipped,
            reason: Some(MOVED_AWAY.to_owned()),
            patron_id: None,
            barcode: None,
            user_name: None,
            ..card.data.clone()
        };
        let taken = LinkData {
            // Looked at again with the district's next roster.
            decided: Digest([0; 16]),
            school: other.data.school,
            grade: other.data.grade,
            source_ids: other.data.source_ids,
            ..card.data
        };
        let left = LinkWrite { person, data: left };
        let taken = LinkWrite { person: other.person, data: taken };
        hand_over(db, (partnership, &left), (elsewhere, &taken))?;
    }
    Ok(())
}

/// Works out for links of an older schema who they are about.
pub(super) fn fill_who(conn: &Connection) -> Result<(), Fault> {
    let mut all = conn.prepare("select id, digests from link_detail")?;
    let mut change = conn.prepare("update link_detail set who = ?2 where id = ?1")?;
    let mut rows = all.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, bytes): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let digests =
            FieldDigests::from_bytes(&bytes).ok_or_else(|| damaged("a link's digests that are none"))?;
        found.extend(Who::was(&digests).map(|who| (id, who.short())));
    }
    for (id, who) in found {
        change.execute(params![id, who])?;
    }
    Ok(())
}

/// How many links there are by state, in the order of the states.
pub(super) fn state_counts(db: &Db<'_>, partnership: PartnershipId) -> Result<Vec<StateCount>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select state, count(*) from link where partnership = ?1 group by state order by state",
    )?;
    let mut rows = statement.query([partnership.0])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        counts.push(StateCount { state: LinkState::from_code(row.get(0)?)?, count: count(row.get(1)?)? });
    }
    Ok(counts)
}

/// How many links are alike.
pub(super) fn cells(db: &Db<'_>, partnership: PartnershipId) -> Result<Vec<LinkCell>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select s.key, s.label, d.grade, d.model, l.state, d.reason, count(*)
         from link l join link_detail d on d.id = l.id join school s on s.id = l.school
         where l.partnership = ?1 group by 1, 2, 3, 4, 5, 6 order by 1, 3, 4, 5, 6",
    )?;
    let mut rows = statement.query([partnership.0])?;
    let mut cells = Vec::new();
    while let Some(row) = rows.next()? {
        cells.push(LinkCell {
            school: (row.get(0)?, row.get(1)?),
            grade: row.get::<_, Option<i64>>(2)?.map(count).transpose()?,
            model: row.get::<_, Option<i64>>(3)?.map(CardModel::from_code).transpose()?,
            state: LinkState::from_code(row.get(4)?)?,
            reason: row.get(5)?,
            count: count(row.get(6)?)?,
        });
    }
    Ok(cells)
}

/// What of a link is sealed.
struct Identity {
    patron_id: Option<Personal>,
    barcode: Option<Personal>,
    user_name: Option<Personal>,
    source_ids: Vec<Personal>,
}

impl Identity {
    const COLUMN: &'static str = "link_detail.sealed";

    fn seal(db: &Db<'_>, partnership: PartnershipId, write: &LinkWrite) -> Result<Vec<u8>, Fault> {
        fn bytes(value: &Personal) -> &[u8] {
            value.reveal().as_bytes()
        }
        let data = &write.data;
        let mut parts = vec![
            data.patron_id.as_ref().map(bytes),
            data.barcode.as_ref().map(bytes),
            data.user_name.as_ref().map(bytes),
        ];
        parts.extend(data.source_ids.iter().map(|id| Some(bytes(id))));
        let place = Place { column: Self::COLUMN, row: &[&partnership.0.to_le_bytes(), &write.person.0] };
        Ok(db.secrets.sealer.seal(&place, &pack(&parts))?)
    }

    fn open(db: &Db<'_>, partnership: PartnershipId, person: Digest, sealed: &[u8]) -> Result<Self, Fault> {
        let place = Place { column: Self::COLUMN, row: &[&partnership.0.to_le_bytes(), &person.0] };
        let packed = db.secrets.sealer.open(&place, sealed)?;
        let wrong = || damaged("a link's sealed values that are none");
        let parts = unpack(&packed).ok_or_else(wrong)?;
        let texts = parts
            .into_iter()
            .map(|part| part.map(|bytes| std::str::from_utf8(bytes).map(Personal::new)).transpose())
            .collect::<Result<Vec<Option<Personal>>, _>>()
            .map_err(|_| wrong())?;
        let mut texts = texts.into_iter();
        let mut next = || texts.next().ok_or_else(wrong);
        Ok(Self {
            patron_id: next()?,
            barcode: next()?,
            user_name: next()?,
            source_ids: texts.flatten().collect(),
        })
    }
}
