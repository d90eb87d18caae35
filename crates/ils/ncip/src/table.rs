//! `[ils.NAME.ncip]`: how the configuration says what [`NcipSettings`] hold. Every mistake is told with its place.

use std::path::PathBuf;
use std::time::Duration;

use rostercard_config::{
    Bool, Clear, Code, Integer, List, Parsed, Problem, SecretRef, SecretStore, TableReader, Text, Word,
    Wrong, words,
};
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::ports::Text as Letters;
use rostercard_core::privacy::Secret;
use rostercard_ncip::{
    AddressForm, DateOrder, Dialect, ElementSpelling, ProblemClass, Service, Style, Version, VersionRoot,
};
use rostercard_web::{Endpoint, EndpointError, Identity, Proxy};

use crate::known::Known;
use crate::map::{READABLE, WRITABLE};
use crate::responder::{RESPONDERS, Responder, version_of};
use crate::settings::{Address, NamedBy, NcipSettings, PinWay, PrivilegeMap, Switch};
use crate::tcp::{TcpAddress, TcpAddressError};

/// How messages may be spelt.
const STYLES: [(&str, Style); 3] = [
    ("prefixed", Style::Prefixed),
    ("default_namespace", Style::DefaultNamespace),
    ("unqualified_version", Style::UnqualifiedVersion),
];
/// How element types may be spelt.
const SPELLINGS: [(&str, ElementSpelling); 2] =
    [("spaced", ElementSpelling::Spaced), ("joined", ElementSpelling::Joined)];
/// Which edition is named; the messages of all 2.0x are the same.
const VERSIONS: [(&str, &str); 4] =
    [("1.0", Dialect::V1_0), ("2.0", Dialect::V2_0), ("2.01", Dialect::V2_01), ("2.02", Dialect::V2_02)];
/// How a postal address is written.
const ADDRESSES: [(&str, AddressForm); 3] =
    [("lines", AddressForm::Lines), ("street", AddressForm::Street), ("text", AddressForm::Text)];
/// In which order dates are.
const DATES: [(&str, DateOrder); 2] =
    [("year_month_day", DateOrder::YearMonthDay), ("year_day_month", DateOrder::YearDayMonth)];
/// How the PIN travels.
const PINS: [(&str, PinWay); 3] =
    [("create", PinWay::Create), ("update", PinWay::Update), ("none", PinWay::None)];
/// Whether a service is used.
const SWITCHES: [(&str, Switch); 3] = [("auto", Switch::Auto), ("on", Switch::On), ("off", Switch::Off)];
/// How a patron is named.
const NAMED_BY: [(&str, NamedBy); 2] =
    [("user_id", NamedBy::UserId), ("barcode_input", NamedBy::BarcodeInput)];
/// Where a `LookupVersion` is looked for.
const VERSION_ROOTS: [(&str, Option<VersionRoot>); 3] =
    [("standard", Some(VersionRoot::Standard)), ("message", Some(VersionRoot::Message)), ("off", None)];
/// What a problem type means.
const CLASSES: [(&str, ProblemClass); 7] = [
    ("missing", ProblemClass::Missing),
    ("duplicate", ProblemClass::Duplicate),
    ("not_unique", ProblemClass::NotUnique),
    ("not_visible", ProblemClass::NotVisible),
    ("retry_later", ProblemClass::RetryLater),
    ("this_record", ProblemClass::ThisRecord),
    ("this_target", ProblemClass::ThisTarget),
];

/// Sets what a key says, where it is there.
macro_rules! set {
    ($table:ident, $key:literal, $kind:expr, $place:expr) => {
        if let Some(read) = $table.optional($key, $kind) {
            $place = read.value;
        }
    };
}

/// Reads the table. `limits` are the ILS's: requests at once, and the time for one answer. `None` where something is
/// wrong; `table`'s problems then say what.
pub fn read(
    mut table: TableReader<'_>,
    (connections, deadline): (usize, Duration),
    secrets: &dyn SecretStore,
) -> Option<NcipSettings> {
    let problems = table.problems();
    let allow_http = table.or("allow_http", &Bool, false).value;
    let address = table.required(
        "url",
        &Parsed(|text: &str| address(text, allow_http)),
        "\"https://ils.example.org/ncip\"",
    );
    // A path or query may be a token, so the line is not shown in any later problem.
    problems.hide(&table.place_of("url"));
    let from_agency = table.required("from_agency", &Text, "\"ROSTERCARD\"");
    let to_agency = table.required("to_agency", &Text, "\"MAIN\"");
    // What is missing is told at the end; what is there is read meanwhile all the same.
    let whole = address.as_ref().zip(from_agency.as_ref()).zip(to_agency.as_ref());
    let spare = || Address::Tcp(TcpAddress::nowhere());
    let mut settings = match whole {
        Some(((address, from), to)) => NcipSettings::of(address.value.clone(), &from.value, &to.value),
        None => NcipSettings::of(spare(), "-", "-"),
    };
    let whole = whole.is_some();

    let rows: Vec<(&str, &'static Responder)> = RESPONDERS.iter().map(|row| (row.word, row)).collect();
    if let Some(row) = table.optional("responder", &Word(&rows)) {
        settings.take(row.value);
    }
    settings.from_system = table.optional("from_system", &Text).map(|s| s.value);
    settings.application_profile = table.optional("application_profile", &Text).map(|p| p.value);
    let secret = |secret: Option<SecretRef>| match secret {
        None => Some(None),
        Some(secret) => secret.resolve(secrets, problems).map(Some),
    };
    let system_secret = secret(table.secret("from_system_secret", Clear::Refused));
    let agency_secret = secret(table.secret("from_agency_secret", Clear::Refused));
    dialect(&mut table, &mut settings);
    services(&mut table, &mut settings);
    let proxy_secret = secret(table.secret("proxy_secret", Clear::Refused));
    let proxy = proxy(&mut table, proxy_secret.as_ref().and_then(Option::as_ref));
    transport(&mut table, &mut settings);
    settings.proxy = proxy;
    if let Some(privileges) = table.table("privileges") {
        read_privileges(privileges, &mut settings.privileges);
    }
    if let Some(mut agencies) = table.table("agencies") {
        settings.agencies =
            agencies.map(&Text).into_iter().map(|(branch, code)| (branch.value, code.value)).collect();
        agencies.finish();
    }
    if let Some(mut own) = table.table("problems") {
        // The library's own come first.
        let own_ones = own.map(&Word(&CLASSES)).into_iter().map(|(kind, class)| (kind.value, class.value));
        settings.problems = own_ones.chain(std::mem::take(&mut settings.problems)).collect();
        own.finish();
    }
    advise(&table, &settings);
    // Before anything is given up: what is missing or not known is told by it.
    if !table.finish() || !whole {
        return None;
    }
    settings.from_system_authentication = system_secret?;
    settings.from_agency_authentication = agency_secret?;
    proxy_secret?;
    settings.deadline = deadline;
    settings.connections = connections;
    Some(settings)
}

/// How messages are spelt.
fn dialect(table: &mut TableReader<'_>, settings: &mut NcipSettings) {
    let dialect = &mut settings.dialect;
    if let Some(version) = table.optional("version", &Word(&VERSIONS)) {
        version.value.clone_into(&mut dialect.version_uri);
    }
    dialect.version = version_of(&dialect.version_uri);
    set!(table, "style", &Word(&STYLES), dialect.style);
    set!(table, "schemes", &Bool, dialect.send_schemes);
    set!(table, "doctype", &Bool, dialect.doctype);
    set!(table, "elements", &Word(&SPELLINGS), dialect.elements);
    set!(table, "address_form", &Word(&ADDRESSES), dialect.address);
    if let Some(scheme) = table.optional("agency_scheme", &Text) {
        dialect.agency_scheme = Some(scheme.value);
    }
    if let Some(scheme) = table.optional("privilege_scheme", &Text) {
        dialect.privilege_scheme = Some(scheme.value);
    }
    set!(table, "dates", &Word(&DATES), settings.dates);
    set!(table, "named_by", &Word(&NAMED_BY), settings.named_by);
    if let Some(kind) = table.optional("id_kind", &Text) {
        settings.id_kind = Some(kind.value).filter(|kind| kind != "none");
    }
    set!(table, "empty_id", &Bool, settings.empty_id);
    let letters = words(Letters::ALL, Letters::word);
    set!(table, "text", &Word(&letters), settings.text);
    if settings.dialect.doctype && settings.dialect.version == Version::V2 {
        let advice = "remove the line, or write version = \"1.0\"";
        table.complain("doctype", Code::Contradiction, "only NCIP 1 has a document type", advice);
    }
}

/// What the ILS can do.
fn services(table: &mut TableReader<'_>, settings: &mut NcipSettings) {
    set!(table, "create", &Word(&SWITCHES), settings.create);
    set!(table, "update", &Word(&SWITCHES), settings.update);
    set!(table, "pin", &Word(&PINS), settings.pin);
    set!(table, "lookup_version", &Word(&VERSION_ROOTS), settings.lookup_version);
    let fields = |of: FieldSet| {
        let fields: Vec<Field> = of.iter().collect();
        words(&fields, Field::word)
    };
    let (writable, readable) = (fields(WRITABLE), fields(READABLE));
    if let Some(updates) = table.optional("updates", &List { of: Word(&writable), empty: false }) {
        settings.updates = updates.value.into_iter().collect();
    } else if settings.update == Switch::On && settings.updates.is_empty() {
        // The library knows better than the row; which fields, it does not say.
        settings.updates = WRITABLE;
    }
    if let Some(returns) = table.optional("returns", &List { of: Word(&readable), empty: false }) {
        settings.returns = returns.value.into_iter().collect();
        settings.returns.insert(Field::Barcode);
    }
}

/// How the ILS is reached.
fn transport(table: &mut TableReader<'_>, settings: &mut NcipSettings) {
    if let Some(limit) = table.optional("answer_limit", &Integer(1_024..=64 * 1024 * 1024)) {
        settings.answer_limit = usize::try_from(limit.value).unwrap_or(settings.answer_limit);
    }
    settings.ca_file = table.optional("ca_file", &Text).map(|path| PathBuf::from(path.value));
    let certificate = table.optional("client_certificate", &Text).map(|path| PathBuf::from(path.value));
    let key = table.optional("client_key", &Text).map(|path| PathBuf::from(path.value));
    settings.identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
        (None, None) => None,
        (certificate, _) => {
            let (there, missing) = if certificate.is_some() {
                ("client_certificate", "client_key")
            } else {
                ("client_key", "client_certificate")
            };
            let advice = format!("add this line: {missing} = \"/etc/rostercard/ils-client.pem\"");
            table.complain(there, Code::MissingKey, format!("is of no use without `{missing}`"), advice);
            None
        }
    };
    if matches!(settings.address, Address::Tcp(_)) {
        for key in ["ca_file", "client_certificate", "client_key", "proxy"] {
            if table.has(key) {
                let advice = "remove the line; a tunnel (stunnel, VPN) can make the way secure";
                table.complain(key, Code::Contradiction, "raw TCP has neither TLS nor proxies", advice);
            }
        }
    }
}

fn proxy(table: &mut TableReader<'_>, password: Option<&Secret>) -> Option<Proxy> {
    let user = table.optional("proxy_user", &Text);
    let wrong = |_| {
        Wrong::value(
            "is not the address of a proxy",
            "write, for example, \"http://proxy.example.org:3128\"; user and password have keys of their own",
        )
    };
    let proxy = table.optional("proxy", &Parsed(|text: &str| Proxy::new(text).map_err(wrong)))?.value;
    Some(match (user, password) {
        (Some(user), Some(password)) => proxy.with_login(user.value, password.reveal()),
        _ => proxy,
    })
}

/// Says in a sentence what this ILS cannot do, before it matters.
fn advise(table: &TableReader<'_>, settings: &NcipSettings) {
    let create = Known::default().service(settings, Service::CreateUser);
    // Who wrote create = "off" knows it.
    if !create.usable() && settings.create == Switch::Auto {
        let advice = "let another way of this ILS make the cards; if this one has CreateUser after all, write create = \"on\"; \
                      if you know all this, write create = \"off\"";
        let (place, key) = (table.place_of("responder"), table.key("responder"));
        let message = format!("no card can be made this way: {}", create.why);
        table.problems().add(Problem::warning(Code::Impossible, place, key, message, advice));
    }
}

fn read_privileges(mut table: TableReader<'_>, map: &mut PrivilegeMap) {
    for (key, place) in [("category_kind", &mut map.category_kind), ("status_kind", &mut map.status_kind)] {
        if let Some(kind) = table.optional(key, &Text) {
            // A row may name a kind that this ILS does not have.
            *place = Some(kind.value).filter(|kind| kind != "none");
        }
    }
    set!(table, "branch_kind", &Text, map.branch_kind);
    set!(table, "statistics_prefix", &Text, map.statistics_prefix);
    set!(table, "active", &Text, map.active);
    set!(table, "blocked", &Text, map.blocked);
    table.finish();
}

fn address(text: &str, allow_http: bool) -> Result<Address, Wrong> {
    if text.trim().starts_with(TcpAddress::SCHEME) {
        return TcpAddress::parse(text, allow_http).map(Address::Tcp).map_err(|error| match error {
            TcpAddressError::Plain => wrong_url(EndpointError::PlainHttp),
            TcpAddressError::NotAnAddress => Wrong::value(
                "is not a host with a port",
                "write, for example, \"tcp://ils.example.org:5994\"",
            ),
        });
    }
    Endpoint::parse(text, allow_http).map(Address::Http).map_err(wrong_url)
}

fn wrong_url(error: EndpointError) -> Wrong {
    let example = "write the address as the ILS's vendor gives it, such as \"https://ils.example.org/ncip\"";
    match error {
        EndpointError::PlainHttp => Wrong::value(
            "would send patrons' data readably over the network",
            "use https; allow_http = true permits http and tcp on a network where nobody else can listen",
        ),
        EndpointError::UserInfo => Wrong::value(
            "holds a user name or a password",
            "take it out; what the ILS asks for beside the address has keys of its own, as secrets",
        ),
        EndpointError::Scheme => Wrong::value("begins with none of https, http and tcp", example),
        _ => Wrong::value("is not a URL", example),
    }
}

#[cfg(test)]
mod tests {
    use rostercard_config::{Document, MachineSecrets, Problems, Style as Rendering};

    use super::*;

    fn read_text(text: &str) -> (Option<NcipSettings>, String) {
        let problems = Problems::new();
        let document = Document::parse("rostercard.toml", text.as_bytes().to_vec(), &problems);
        let limits = (3, Duration::from_secs(20));
        let settings = TableReader::top(&document, &problems)
            .and_then(|table| read(table, limits, &MachineSecrets::default()));
        (settings, problems.render(Rendering::Plain))
    }

    const LEAST: &str =
        "url = \"https://ils.example.org/ncip/T0KEN\"\nfrom_agency = \"A\"\nto_agency = \"B\"\n";

    #[test]
    fn the_least_that_is_needed() {
        let (settings, problems) = read_text(LEAST);
        let settings = settings.expect(&problems);
        assert_eq!((settings.connections, settings.deadline), (3, Duration::from_secs(20)));
        assert_eq!(settings.dialect, Dialect::default());
    }

    #[test]
    fn a_dialect_by_its_words() {
        let text = format!(
            "{LEAST}version = \"2.0\"\nstyle = \"default_namespace\"\nschemes = false\npin = \"none\"\n\
             text = \"ascii\"\n[privileges]\nbranch_kind = \"HOME\"\n"
        );
        let (settings, problems) = read_text(&text);
        let settings = settings.expect(&problems);
        assert_eq!(settings.dialect.style, Style::DefaultNamespace);
        assert!(!settings.dialect.send_schemes && settings.dialect.version_uri.contains("v2_0/"));
        assert_eq!((settings.pin, settings.text), (PinWay::None, Letters::Ascii));
        assert_eq!(settings.privileges.branch_kind, "HOME");
    }

    #[test]
    fn every_mistake_is_told_and_the_address_is_not_shown() {
        let text = "url = \"http://ils.example.org/ncip/T0KEN\"\nto_agency = 7\nstile = \"prefixed\"\npin = \"creat\"\n";
        let (settings, problems) = read_text(text);
        assert!(settings.is_none());
        for part in ["readably over the network", "to_agency", "from_agency", "style", "create"] {
            assert!(problems.contains(part), "{part} is not in\n{problems}");
        }
        assert!(!problems.contains("T0KEN"), "{problems}");
    }

    #[test]
    fn a_ready_dialect_and_what_the_library_says_otherwise() {
        let (settings, problems) = read_text(&format!("{LEAST}responder = \"koha\"\n"));
        let settings = settings.expect(&problems);
        assert_eq!(settings.dialect.style, Style::DefaultNamespace);
        assert!(!settings.dialect.send_schemes && settings.dates == DateOrder::YearDayMonth);
        assert_eq!(settings.privileges.category_kind.as_deref(), Some("PROFILE"));
        // Said before it matters, in a sentence.
        assert!(problems.contains("Koha's NCIP server has no CreateUser"), "{problems}");
        assert!(problems.contains("Koha's REST API"), "{problems}");

        let text = format!(
            "{LEAST}responder = \"koha\"\ncreate = \"off\"\nupdate = \"on\"\nupdates = [\"email\"]\n\
             returns = [\"surname\", \"expiry\"]\ndates = \"year_month_day\"\nschemes = true\nid_kind = \"none\"\n\
             named_by = \"barcode_input\"\nlookup_version = \"off\"\naddress_form = \"street\"\n\
             [privileges]\ncategory_kind = \"none\"\nstatus_kind = \"STATE\"\n\
             [agencies]\nWEST = \"WOODLAND-W\"\n[problems]\n\"NO SUCH CARD*\" = \"missing\"\n"
        );
        let (settings, problems) = read_text(&text);
        let settings = settings.expect(&problems);
        assert_eq!(problems, "", "who says it knows it");
        assert_eq!((settings.create, settings.update), (Switch::Off, Switch::On));
        assert_eq!(settings.updates, FieldSet::of(&[Field::Email]));
        assert_eq!(settings.returns, FieldSet::of(&[Field::Barcode, Field::Surname, Field::Expiry]));
        assert!(settings.dialect.send_schemes && settings.dates == DateOrder::YearMonthDay);
        assert_eq!((settings.id_kind, settings.named_by), (None, NamedBy::BarcodeInput));
        assert_eq!((settings.lookup_version, settings.dialect.address), (None, AddressForm::Street));
        assert_eq!(settings.privileges.category_kind, None);
        assert_eq!(settings.privileges.status_kind.as_deref(), Some("STATE"));
        assert_eq!(settings.agencies.get("WEST").map(String::as_str), Some("WOODLAND-W"));
        assert_eq!(settings.problems, [("NO SUCH CARD*".to_owned(), ProblemClass::Missing)]);
    }

    #[test]
    fn every_ready_dialect_can_be_used() {
        for row in RESPONDERS {
            let (settings, problems) = read_text(&format!("{LEAST}responder = \"{}\"\n", row.word));
            let settings = settings.expect(&problems);
            assert_eq!(settings.dialect.version, row.version(), "{}", row.word);
            assert_eq!(problems.contains("no card can be made"), !row.creates, "{}: {problems}", row.word);
        }
    }

    #[test]
    fn the_oldest_are_reached_over_tcp() {
        let text = "url = \"tcp://127.0.0.1:5994\"\nfrom_agency = \"A\"\nto_agency = \"B\"\nversion = \"1.0\"\ndoctype = true\n";
        let (settings, problems) = read_text(text);
        let settings = settings.expect(&problems);
        assert_eq!(settings.address.origin(), "tcp://127.0.0.1:5994");
        assert!(settings.dialect.version == Version::V1 && settings.dialect.doctype);
        let (settings, problems) =
            read_text(&format!("{text}ca_file = \"ca.pem\"\nproxy = \"http://proxy:3128\"\n"));
        assert!(settings.is_none());
        assert_eq!(problems.matches("neither TLS nor proxies").count(), 2, "{problems}");
        let (settings, problems) = read_text(&text.replace("127.0.0.1", "ils.example.org"));
        assert!(settings.is_none() && problems.contains("readably over the network"), "{problems}");
    }

    #[test]
    fn a_certificate_needs_its_key_and_a_doctype_its_version() {
        let (settings, problems) = read_text(&format!("{LEAST}client_key = \"k.pem\"\ndoctype = true\n"));
        assert!(settings.is_none());
        assert!(problems.contains("without `client_certificate`"), "{problems}");
        assert!(problems.contains("only NCIP 1 has a document type"), "{problems}");
        let both = format!(
            "{LEAST}client_key = \"k.pem\"\nclient_certificate = \"c.pem\"\nproxy = \"http://proxy:3128\"\n"
        );
        let (settings, problems) = read_text(&both);
        let settings = settings.expect(&problems);
        assert!(settings.identity.is_some() && settings.proxy.is_some());
        let (settings, problems) = read_text(&format!("{LEAST}proxy = \"http://a:b@proxy/\"\n"));
        assert!(settings.is_none() && problems.contains("not the address of a proxy"), "{problems}");
    }
}
