//! What Koha does when it is asked: who is let in, what is looked at in which order, what is kept.

use serde_json::{Map, Value, json};

use super::KohaState;
use super::manners::KohaVersion;
use super::query::{Match, attribute_fits, fits, folded, speaks_of_attributes};
use super::record::{self, READ_ONLY, REQUIRED, knows};
use super::reply::Reply;
use super::request::{Asked, Request, pairs};
use crate::ils::patron::{Field, Patron, Refusal};
use crate::ils::register::Register;
use crate::ils::{Counts, Desk};

/// The login's own record: a patron like any other, which no card is.
const LOGIN: u64 = 2_000_000_001;

/// Does what is asked, and says so.
pub(super) fn act(koha: &KohaState, desk: &mut Desk, request: &Request) -> Reply {
    if request.asked == Asked::Token {
        return token(koha, request);
    }
    if let Some(refused) = koha.turned_away(&request.authorization) {
        return refused;
    }
    let manners = &koha.manners;
    let needs = match request.asked {
        Asked::Update(_) | Asked::Password(_) | Asked::Delete(_) => {
            (manners.edit && manners.all_borrowers, json!({ "borrowers": "1" }))
        }
        Asked::Categories => (manners.all_borrowers, json!({ "parameters": "manage_patron_categories" })),
        Asked::Account(_) => (manners.edit, json!({ "updatecharges": "remaining_permissions" })),
        Asked::Libraries | Asked::Other | Asked::Token => (true, Value::Null),
        Asked::Find | Asked::Get(_) | Asked::Create | Asked::Attributes(_) => {
            (manners.edit, json!({ "borrowers": "edit_borrowers" }))
        }
    };
    if !needs.0 {
        return Reply::may_not(&needs.1);
    }
    let reply = match request.asked {
        Asked::Find => find(koha, &desk.register, request),
        Asked::Get(id) => get(koha, &desk.register, id, request),
        Asked::Create => create(koha, desk, request),
        Asked::Update(id) => update(koha, desk, id, request),
        Asked::Password(id) => password(koha, desk, id, request),
        Asked::Attributes(id) => attributes(koha, desk, id, request),
        Asked::Delete(id) => delete(koha, desk, id),
        Asked::Account(id) => account(koha, &desk.register, id),
        Asked::Libraries => libraries(&desk.register),
        Asked::Categories if manners.version == KohaVersion::New => categories(koha, &desk.register),
        Asked::Categories | Asked::Other | Asked::Token => not_found(),
    };
    if reply.status >= 400 {
        let Counts { problems, duplicates_refused, .. } = &mut desk.counts;
        *problems += 1;
        *duplicates_refused += u64::from(reply.status == 409);
    }
    reply
}

fn not_found() -> Reply {
    let one = json!({ "message": "Not Found.", "path": "/" });
    Reply::new(404, json!({ "errors": [one], "status": 404 }), "no such service")
}

fn token(koha: &KohaState, request: &Request) -> Reply {
    if !koha.manners.oauth {
        return Reply::error(400, "Unimplemented grant type");
    }
    let form = pairs(&String::from_utf8_lossy(&request.body));
    let has = |name: &str, value: &str| form.iter().any(|(n, v)| n == name && v == value);
    if !has("grant_type", "client_credentials") {
        return Reply::error(400, "Unimplemented grant type");
    }
    let key = &koha.manners;
    if !has("client_id", &key.client_id) || !has("client_secret", &key.client_secret) {
        return Reply::error(403, "access_denied");
    }
    let body = json!({ "access_token": koha.new_token(), "token_type": "Bearer", "expires_in": 3600 });
    Reply::new(200, body, "token")
}

// ---- reading ----

/// Whether the login sees a patron.
fn visible(koha: &KohaState, patron: &Patron) -> bool {
    koha.manners.see_all
        || patron.id == LOGIN
        || patron.home_branch.as_deref() == Some(koha.manners.library.as_str())
}

/// The login's record.
fn login(koha: &KohaState) -> Patron {
    Patron {
        id: LOGIN,
        surname: "Rostercard".into(),
        category: Some("STAFF".into()),
        home_branch: Some(koha.manners.library.clone()),
        ..Patron::default()
    }
}

fn find(koha: &KohaState, register: &Register, request: &Request) -> Reply {
    let q = match request.parameter("q").map(serde_json::from_str::<Value>) {
        None => None,
        Some(Ok(q)) => Some(q),
        Some(Err(_)) => return Reply::specification("Malformed JSON.", "/q"),
    };
    let embeds = request.embed.split(',').any(|name| name.trim() == "extended_attributes");
    if q.as_ref().is_some_and(speaks_of_attributes) && !embeds {
        return Reply::error(400, "Invalid query: extended_attributes is not embedded");
    }
    let how = Match::named(request.parameter("_match"));
    let plain: Vec<_> =
        request.query.iter().filter(|(name, _)| !name.starts_with('_') && name != "q").collect();
    if let Some((unknown, _)) = plain.iter().find(|(name, _)| !knows(koha.manners.version, name)) {
        return Reply::specification(format!("Properties not allowed: {unknown}."), "/query");
    }
    let login = login(koha);
    let sees = 1 + register.all().filter(|patron| visible(koha, patron)).count();
    // A search by number goes by the index, as a database's would.
    let candidates: Vec<&Patron> = match q.as_ref().and_then(numbers) {
        Some(numbers) => numbers.iter().filter_map(|number| register.find_folded(number)).collect(),
        None => std::iter::once(&login).chain(register.all()).collect(),
    };
    let mut found = Vec::new();
    for patron in candidates.into_iter().filter(|patron| visible(koha, patron)) {
        let fits = match &q {
            None => Ok(true),
            Some(q) => fits(patron, q),
        };
        match fits {
            Ok(fits) if fits && plain.iter().all(|(name, value)| how.holds(patron, name, value)) => {
                found.push(patron);
            }
            Ok(_) => {}
            Err(_) => return Reply::error(400, "Invalid query"),
        }
    }
    let total = found.len();
    let number = |name: &str, otherwise: i64| {
        request.parameter(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(otherwise)
    };
    let per_page = usize::try_from(number("_per_page", 20)).unwrap_or(usize::MAX);
    let skip = usize::try_from(number("_page", 1) - 1).unwrap_or(0).saturating_mul(per_page);
    let body: Value = found
        .into_iter()
        .skip(skip)
        .take(per_page)
        .map(|patron| {
            // A search by an attribute shows the attributes that it was made by.
            let shown =
                |attribute: &&(String, String)| q.as_ref().is_none_or(|q| attribute_fits(attribute, q));
            let attributes = embeds.then(|| patron.koha.attributes.iter().filter(shown).collect());
            record::whole(patron, koha.manners.version, attributes)
        })
        .collect();
    Reply::new(200, body, "searched")
        .header("x-total-count", total.to_string())
        .header("x-base-total-count", sees.to_string())
}

/// The numbers of a search by nothing else.
fn numbers(q: &Value) -> Option<Vec<&str>> {
    let map = q.as_object().filter(|map| map.len() == 1)?;
    match map.get("cardnumber")? {
        Value::String(number) => Some(vec![number]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn seen<'r>(koha: &KohaState, register: &'r Register, id: u64) -> Option<&'r Patron> {
    register.get(id).filter(|patron| visible(koha, patron))
}

fn get(koha: &KohaState, register: &Register, id: u64, request: &Request) -> Reply {
    let Some(patron) = seen(koha, register, id) else { return Reply::error(404, "Patron not found.") };
    let embeds = request.embed.contains("extended_attributes");
    let attributes = embeds.then(|| patron.koha.attributes.iter().collect());
    Reply::new(200, record::whole(patron, koha.manners.version, attributes), "found").about(&patron.barcode)
}

fn account(koha: &KohaState, register: &Register, id: u64) -> Reply {
    let Some(patron) = seen(koha, register, id) else { return Reply::error(404, "Patron not found") };
    let owes = f64::from(i32::try_from(patron.koha.debt).unwrap_or(i32::MAX)) / 100.0;
    let body = json!({
        "balance": owes,
        "outstanding_debits": { "total": owes, "lines": [] },
        "outstanding_credits": { "total": 0, "lines": [] },
    });
    Reply::new(200, body, "account")
}

fn libraries(register: &Register) -> Reply {
    if register.personality().branches.is_empty() {
        // Any code is a library here, and of those there is no list.
        return Reply::may_not(&json!({ "parameters": "manage_libraries" }));
    }
    let list = register.personality().branches.iter();
    Reply::new(200, list.map(|code| json!({ "library_id": code, "name": code })).collect(), "libraries")
}

fn categories(koha: &KohaState, register: &Register) -> Reply {
    let one = |code: &String| {
        let fee = koha.manners.fees.get(code).copied().unwrap_or(0);
        let fee = f64::from(i32::try_from(fee).unwrap_or(i32::MAX)) / 100.0;
        json!({
            "patron_category_id": code, "name": code, "enrolment_fee": fee,
            "min_password_length": koha.manners.pin_min, "require_strong_password": koha.manners.pin_strong,
        })
    };
    Reply::new(200, register.personality().categories.iter().map(one).collect(), "categories")
}

// ---- writing ----

/// The body as an object, or what the specification's check says of it.
fn checked(koha: &KohaState, request: &Request, creates: bool) -> Result<Map<String, Value>, Reply> {
    let Some(Value::Object(body)) = request.json() else {
        return Err(Reply::specification("Expected object.", "/body"));
    };
    if let Some(missing) = REQUIRED.iter().find(|name| !body.contains_key(**name)) {
        return Err(Reply::specification("Missing property.", format!("/body/{missing}")));
    }
    for name in body.keys() {
        if READ_ONLY.contains(&name.as_str()) {
            return Err(Reply::specification("Read-only.", format!("/body/{name}")));
        }
        let attributes = name == "extended_attributes" && creates;
        if !attributes && !knows(koha.manners.version, name) {
            return Err(Reply::specification(format!("Properties not allowed: {name}."), "/body"));
        }
    }
    Ok(body)
}

/// Attributes of a body, checked.
fn attributes_of(
    koha: &KohaState,
    register: &Register,
    id: u64,
    list: &Value,
) -> Result<Vec<(String, String)>, Reply> {
    let mut out = Vec::new();
    for one in list.as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, value) = (text("type"), text("value"));
        let Some(unique) = koha.manners.attribute_types.get(&kind) else {
            let error = format!("Tried to use an invalid attribute type. type={kind}");
            return Err(Reply::error(400, error));
        };
        let same = |(k, v): &(String, String)| *k == kind && folded(v) == folded(&value);
        if *unique && register.all().any(|other| other.id != id && other.koha.attributes.iter().any(same)) {
            let error =
                format!("Your action breaks a unique constraint on the attribute. type={kind} value={value}");
            return Err(Reply::error(400, error));
        }
        out.push((kind, value));
    }
    Ok(out)
}

/// Unique values and codes, in the order in which Koha looks at them.
fn acceptable(register: &Register, patron: &Patron, made: bool) -> Result<(), Reply> {
    let userid = &patron.koha.userid;
    if register.find_userid(userid).is_some_and(|other| other.id != patron.id) {
        return Err(if made {
            // Two at once made the same one.
            Reply::new(409, json!({ "error": "Duplicate ID", "conflict": "userid" }), "duplicate")
        } else {
            Reply::error(400, format!("Problem with {userid}"))
        });
    }
    if register.find_folded(&patron.barcode).is_some_and(|other| other.id != patron.id) {
        let body = json!({ "error": "Duplicate ID", "conflict": "cardnumber" });
        return Err(Reply::new(409, body, "duplicate").about(&patron.barcode));
    }
    Ok(())
}

/// A refusal of the register's, in Koha's words.
fn refused(refusal: &Refusal) -> Reply {
    match refusal {
        Refusal::Duplicate => {
            Reply::new(409, json!({ "error": "Duplicate ID", "conflict": "cardnumber" }), "duplicate")
        }
        Refusal::UnknownPatron => Reply::error(404, "Patron not found"),
        Refusal::UnknownValue { field: Field::Category, .. } => {
            Reply::error(400, "Given category_id does not exist")
        }
        Refusal::UnknownValue { field: Field::HomeBranch, .. } => {
            Reply::error(400, "Given library_id does not exist")
        }
        Refusal::CannotWrite => Reply::error(500, "Something went wrong, check the logs."),
        _ => Reply::error(400, "Invalid parameter(s)"),
    }
}

fn create(koha: &KohaState, desk: &mut Desk, request: &Request) -> Reply {
    let body = match checked(koha, request, true) {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let mut draft = Patron::default();
    if let Err(name) = record::apply(&mut draft, &body) {
        return Reply::specification("Expected string.", format!("/body/{name}"));
    }
    if let Some(list) = body.get("extended_attributes") {
        match attributes_of(koha, &desk.register, 0, list) {
            Ok(attributes) => draft.koha.attributes = attributes,
            Err(reply) => return reply,
        }
    }
    let made = draft.koha.userid.is_empty();
    if made {
        let taken = |userid: &str| desk.register.find_userid(userid).is_some();
        draft.koha.userid = record::made_userid(&draft, taken);
    }
    if draft.expires.is_none() {
        // The category's enrolment period.
        draft.expires = Some("2027-11-24".into());
    }
    if let Err(reply) = acceptable(&desk.register, &draft, made) {
        return reply;
    }
    draft.koha.debt = fee(koha, &draft);
    match desk.register.create(draft, "koha").map(|patron| (patron.id, patron.barcode.clone())) {
        Ok((id, barcode)) => {
            desk.counts.created += 1;
            Reply::new(201, record::echo(&body, id), "created")
                .about(&barcode)
                .header("location", format!("/api/v1/patrons/{id}"))
        }
        Err(refusal) => refused(&refusal),
    }
}

fn fee(koha: &KohaState, patron: &Patron) -> i64 {
    patron.category.as_ref().and_then(|code| koha.manners.fees.get(code)).copied().unwrap_or(0)
}

/// Changes a patron that the login sees.
fn change(
    koha: &KohaState,
    desk: &mut Desk,
    id: u64,
    make: impl FnOnce(&Register, &mut Patron) -> Result<(), Reply>,
) -> Result<Patron, Reply> {
    let before = seen(koha, &desk.register, id).ok_or_else(|| Reply::error(404, "Patron not found"))?.clone();
    let mut after = before.clone();
    make(&desk.register, &mut after)?;
    acceptable(&desk.register, &after, false)?;
    if after.category != before.category {
        after.koha.debt += fee(koha, &after);
    }
    let changed = desk.register.change(&before.barcode, "update", "koha", |patron| {
        *patron = after;
        Ok(())
    });
    let changed = changed.cloned().map_err(|refusal| refused(&refusal))?;
    desk.counts.updated += 1;
    Ok(changed)
}

fn update(koha: &KohaState, desk: &mut Desk, id: u64, request: &Request) -> Reply {
    if seen(koha, &desk.register, id).is_none() && request.json().is_some_and(|body| body == json!({})) {
        return Reply::specification("Missing property.", "/body/category_id");
    }
    let body = match checked(koha, request, false) {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let changed = change(koha, desk, id, |_, patron| {
        record::apply(patron, &body)
            .map_err(|name| Reply::specification("Expected string.", format!("/body/{name}")))
    });
    match changed {
        Ok(patron) => Reply::new(200, record::whole(&patron, koha.manners.version, None), "updated")
            .about(&patron.barcode),
        Err(reply) => reply,
    }
}

fn attributes(koha: &KohaState, desk: &mut Desk, id: u64, request: &Request) -> Reply {
    let list = request.json().unwrap_or_default();
    let changed = change(koha, desk, id, |register, patron| {
        patron.koha.attributes = attributes_of(koha, register, id, &list)?;
        Ok(())
    });
    match changed {
        Ok(patron) => {
            Reply::new(200, record::listed(&patron.koha.attributes), "updated").about(&patron.barcode)
        }
        Err(reply) => reply,
    }
}

fn password(koha: &KohaState, desk: &mut Desk, id: u64, request: &Request) -> Reply {
    let body = request.json().unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(first), Some(second)) = (text("password"), text("password_2")) else {
        return Reply::specification("Missing property.", "/body/password");
    };
    if seen(koha, &desk.register, id).is_none() {
        return Reply::error(404, "Patron not found.");
    }
    let length = first.chars().count();
    if first != second {
        return Reply::error(400, "Passwords don't match");
    }
    if first.trim() != first {
        return Reply::error(400, "[Password contains leading/trailing whitespace character(s)]");
    }
    if length < koha.manners.pin_min {
        let least = koha.manners.pin_min;
        return Reply::error(400, format!("Password length ({length}) is shorter than required ({least})"));
    }
    let kinds: [fn(char) -> bool; 3] =
        [|c| c.is_ascii_digit(), |c| c.is_ascii_lowercase(), |c| c.is_ascii_uppercase()];
    if koha.manners.pin_strong && !kinds.iter().all(|kind| first.chars().any(kind)) {
        return Reply::error(400, "[Password is too weak]");
    }
    let changed = change(koha, desk, id, |_, patron| {
        patron.pin = Some(first);
        Ok(())
    });
    match changed {
        Ok(patron) => Reply::new(200, json!(""), "password set").about(&patron.barcode),
        Err(reply) => reply,
    }
}

fn delete(koha: &KohaState, desk: &mut Desk, id: u64) -> Reply {
    let Some(patron) = seen(koha, &desk.register, id) else { return Reply::error(404, "Patron not found") };
    if patron.koha.debt > 0 {
        let body = json!({ "error": "Pending debts prevent deletion", "error_code": "has_debt" });
        return Reply::new(409, body, "refused");
    }
    let barcode = patron.barcode.clone();
    match desk.register.delete(&barcode) {
        Ok(_) => Reply::new(204, Value::Null, "deleted").about(&barcode),
        Err(refusal) => refused(&refusal),
    }
}
