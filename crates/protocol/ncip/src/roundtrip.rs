//! What is written is valid, and is read back as it was. The reader of requests is here and nowhere else: nothing in
//! the program answers requests with this crate.

use std::path::PathBuf;
use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::read::{Element, fields, parse};
use crate::*;

/// The folder of NISO's schemas and of the sample documents, or `None` where it is not to hand.
#[expect(
    clippy::disallowed_methods,
    reason = "where the specifications are is said by the environment of a test"
)]
pub(crate) fn specifications() -> Option<PathBuf> {
    let root = std::env::var_os("ROSTERCARD_SPECS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"),
        PathBuf::from,
    );
    let folder = root.join("ncip");
    if folder.is_dir() {
        return Some(folder);
    }
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!must, "CI needs the specifications: set ROSTERCARD_SPECS");
    println!("skipped: no specifications here");
    None
}

/// The schema's judgements of a document, or `None` where the schemas are not to hand.
fn faults(document: &str, schema: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(specifications()?.join("xsd").join(schema)).unwrap();
    let parsed = uppsala::parse(&text).unwrap();
    let validator = uppsala::XsdValidator::from_schema(&parsed).unwrap();
    Some(judge(&validator, document))
}

fn judge(validator: &uppsala::XsdValidator, document: &str) -> Vec<String> {
    match uppsala::parse(document) {
        Ok(document) => validator.validate(&document).iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

fn schema_2_02() -> Option<&'static uppsala::XsdValidator> {
    static SCHEMA: OnceLock<Option<uppsala::XsdValidator>> = OnceLock::new();
    SCHEMA
        .get_or_init(|| {
            let text = std::fs::read_to_string(specifications()?.join("xsd/ncip_v2_02.xsd")).unwrap();
            Some(uppsala::XsdValidator::from_schema(&uppsala::parse(&text).unwrap()).unwrap())
        })
        .as_ref()
}

/// Reads a request of ours back into the model.
fn read_request(body: &Body) -> Request {
    let text = std::str::from_utf8(body.reveal()).unwrap();
    let root = parse(text, Limits::default()).unwrap();
    let [message] = &root.children[..] else { panic!("one message") };
    let inputs = |parent: &Element| -> Vec<AuthenticationInput> {
        let input = |e: &Element| AuthenticationInput {
            kind: e.code_of("AuthenticationInputType").unwrap().to_owned(),
            format: e.code_of("AuthenticationDataFormatType").unwrap().to_owned(),
            data: e.text_of("AuthenticationInputData").unwrap(),
        };
        parent.children_named("AuthenticationInput").map(input).collect()
    };
    let mut unreadable = Vec::new();
    let mut all =
        |parent: &Element| Fields { authentication: inputs(parent), ..fields(parent, &mut unreadable) };
    let id = |whole: &Fields| whole.user_ids.first().cloned().map(Who::Id);
    let whole = all(message);
    let who = id(&whole)
        .or_else(|| Some(whole.authentication.clone()).filter(|i| !i.is_empty()).map(Who::Authentication));
    let request = match message.name.as_str() {
        "LookupUser" => Request::LookupUser(LookupUser {
            who: who.unwrap(),
            elements: message
                .children_named("UserElementType")
                .map(|e| {
                    *ELEMENTS
                        .iter()
                        .find(|el| el.spaced().replace(' ', "") == e.value().replace(' ', ""))
                        .unwrap()
                })
                .collect(),
        }),
        "CreateUser" => Request::CreateUser(CreateUser {
            who,
            name: whole.name.clone().unwrap(),
            fields: Fields { name: None, authentication: Vec::new(), user_ids: Vec::new(), ..whole },
        }),
        "UpdateUser" => Request::UpdateUser(UpdateUser {
            who: who.unwrap(),
            delete: message.child("DeleteUserFields").map(&mut all).unwrap_or_default(),
            add: message.child("AddUserFields").map(&mut all).unwrap_or_default(),
        }),
        _ => panic!("a request that was not written here"),
    };
    assert!(unreadable.is_empty());
    request
}

const ELEMENTS: [UserElement; 9] = [
    UserElement::AuthenticationInput,
    UserElement::BlockOrTrap,
    UserElement::DateOfBirth,
    UserElement::NameInformation,
    UserElement::UserAddressInformation,
    UserElement::UserLanguage,
    UserElement::UserPrivilege,
    UserElement::UserId,
    UserElement::PreviousUserId,
];

/// Values as people have them and as attackers would: scripts, directions, emoji, mark-up; never blank at the ends.
fn words() -> SBoxedStrategy<String> {
    let word = prop_oneof![
        4 => "[A-Za-zÀ-ž'’ -]{1,24}",
        2 => "[\\PC]{1,24}",
        2 => Just("O'Brien & <Nguyễn> \"x\"".to_owned()),
        1 => Just("]]>".to_owned()),
        1 => Just("<![CDATA[x]]>&amp;&#x41;".to_owned()),
        1 => Just("مريم ‏שרה".to_owned()),
        1 => Just("👩🏽‍🎓 Zoë 𝒵".to_owned()),
        1 => Just("x".repeat(10_000)),
    ];
    word.prop_map(|w| w.trim().to_owned()).prop_filter("nothing left", |w| !w.is_empty()).sboxed()
}

fn text() -> SBoxedStrategy<Text> {
    // Made once: it holds expressions that take their time to compile.
    static TEXT: OnceLock<SBoxedStrategy<Text>> = OnceLock::new();
    TEXT.get_or_init(|| words().prop_map(Text::new).sboxed()).clone()
}

fn code() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_.:-]{1,12}"
}

fn date() -> impl Strategy<Value = Date> {
    (1900u16..2200, 1u8..13, 1u8..32).prop_filter_map("no such day", |(y, m, d)| Date::new(y, m, d))
}

fn user_id() -> BoxedStrategy<UserId> {
    (option::of(code()), option::of(code()), text())
        .prop_map(|(agency, kind, value)| UserId { agency, kind, value })
        .boxed()
}

fn input() -> BoxedStrategy<AuthenticationInput> {
    prop_oneof![text().prop_map(AuthenticationInput::pin), text().prop_map(AuthenticationInput::barcode)]
        .boxed()
}

fn who() -> BoxedStrategy<Who> {
    prop_oneof![user_id().prop_map(Who::Id), vec(input(), 1..3).prop_map(Who::Authentication)].boxed()
}

fn name() -> BoxedStrategy<UserName> {
    let part = || option::of(text());
    let structured =
        (part(), part(), part(), text(), part()).prop_map(|(prefix, given, initials, surname, suffix)| {
            UserName::Structured(StructuredName { prefix, given, initials, surname, suffix })
        });
    prop_oneof![5 => structured, 1 => text().prop_map(UserName::Unstructured)].boxed()
}

fn address() -> BoxedStrategy<Address> {
    let part = || option::of(text());
    let lines = prop_oneof![
        Just((None, None)),
        text().prop_map(|l| (None, Some(l))),
        text().prop_map(|l| (Some(l), None)),
        (text(), text()).prop_map(|(a, b)| (Some(a), Some(b)))
    ];
    let postal = (code(), lines, part(), part(), part(), part(), part()).prop_map(
        |(kind, (line1, line2), locality, region, country, postal_code, care_of)| Place::Postal {
            kind,
            address: PostalAddress { line1, line2, locality, region, country, postal_code, care_of },
        },
    );
    let place = prop_oneof![
        2 => postal,
        2 => (code(), text()).prop_map(|(kind, data)| Place::Electronic { kind, data }),
        1 => (code(), code(), text(), text()).prop_map(|(kind, format, a, b)| Place::PostalText {
            kind, format, data: format!("{}\n{}", a.reveal(), b.reveal()).into() }),
    ];
    (code(), place).prop_map(|(role, place)| Address { role, place }).boxed()
}

fn privilege() -> BoxedStrategy<Privilege> {
    (code(), code(), option::of(date()), option::of(date()), option::of(code()), option::of(text()))
        .prop_map(|(agency, kind, valid_from, valid_to, status, description)| Privilege {
            agency,
            kind,
            valid_from,
            valid_to,
            status,
            description,
        })
        .boxed()
}

fn some_fields() -> BoxedStrategy<Fields> {
    let block = (code(), code()).prop_map(|(agency, kind)| Block { agency, kind });
    (
        vec(address(), 0..4),
        option::of(date()),
        vec("[a-z]{3}", 0..2),
        vec(privilege(), 0..4),
        vec(block, 0..2),
    )
        .prop_map(|(addresses, birth_date, languages, privileges, blocks)| Fields {
            addresses,
            birth_date,
            languages,
            privileges,
            blocks,
            ..Fields::default()
        })
        .boxed()
}

fn update_fields() -> BoxedStrategy<Fields> {
    (vec(input(), 0..2), option::of(name()), some_fields())
        .prop_map(|(authentication, name, rest)| Fields { authentication, name, ..rest })
        .boxed()
}

fn request() -> BoxedStrategy<Request> {
    prop_oneof![
        (who(), proptest::sample::subsequence(ELEMENTS.to_vec(), 0..9))
            .prop_map(|(who, elements)| Request::LookupUser(LookupUser { who, elements })),
        (option::of(who()), name(), some_fields())
            .prop_map(|(who, name, fields)| Request::CreateUser(CreateUser { who, name, fields })),
        (who(), update_fields(), update_fields())
            .prop_filter("nothing to update", |(_, d, a)| !(d.is_empty() && a.is_empty()))
            .prop_map(|(who, delete, add)| Request::UpdateUser(UpdateUser { who, delete, add })),
    ]
    .boxed()
}

fn header() -> BoxedStrategy<Header> {
    let (secret, plain) = (|| option::of(text()), || option::of(code()));
    (plain(), secret(), code(), secret(), code(), plain())
        .prop_map(|(system, pass, from, key, to, profile)| Header {
            from_system: system,
            from_system_authentication: pass,
            from_agency_authentication: key,
            application_profile: profile,
            ..Header::new(from, to)
        })
        .boxed()
}

fn dialect(style: Style) -> impl Strategy<Value = Dialect> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(move |(send_schemes, joined, own)| Dialect {
        style,
        send_schemes,
        elements: if joined { ElementSpelling::Joined } else { ElementSpelling::Spaced },
        agency_scheme: own.then(|| "urn:example:agencies".to_owned()),
        ..Dialect::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_valid_and_reads_back_equal(
        request in request(),
        header in header(),
        dialect in prop_oneof![dialect(Style::Prefixed), dialect(Style::DefaultNamespace)],
    ) {
        let body = encode(&request, &header, &dialect).unwrap();
        prop_assert!(read_request(&body) == request, "not what was written: {request:?}");
        if let Some(schema) = schema_2_02() {
            let found = judge(schema, std::str::from_utf8(body.reveal()).unwrap());
            prop_assert!(found.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn the_spelling_that_is_not_valid_reads_back_equal_too(
        request in request(), header in header(), dialect in dialect(Style::UnqualifiedVersion),
    ) {
        let body = encode(&request, &header, &dialect).unwrap();
        prop_assert!(read_request(&body) == request);
        if let Some(schema) = schema_2_02() {
            prop_assert!(!judge(schema, std::str::from_utf8(body.reveal()).unwrap()).is_empty());
        }
    }

    #[test]
    fn a_debug_print_shows_nothing_personal(mut request in request(), header in header()) {
        const SECRET: &str = "Zoe4711";
        match &mut request {
            Request::LookupUser(m) => m.who = Who::Authentication(vec![AuthenticationInput::pin(SECRET)]),
            Request::CreateUser(m) => m.name = UserName::Unstructured(SECRET.into()),
            Request::UpdateUser(m) => m.who = Who::Id(UserId::barcode("LAKELIB", SECRET)),
        }
        let body = encode(&request, &header, &Dialect::default()).unwrap();
        prop_assert!(String::from_utf8_lossy(body.reveal()).contains(SECRET));
        let shown = format!("{request:?} {body:?}");
        prop_assert!(!shown.contains(SECRET));
    }
}

#[test]
fn the_judge_bites() {
    let (Some(folder), Some(schema)) = (specifications(), schema_2_02()) else {
        return;
    };
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.join("neg")).unwrap() {
        let path = entry.unwrap().path();
        let document = std::fs::read_to_string(&path).unwrap();
        assert!(!judge(schema, &document).is_empty(), "passed: {}", path.display());
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} negative documents");
    let good = std::fs::read_to_string(folder.join("samples/authored/CreateUser-v2-prefixed.xml")).unwrap();
    assert_eq!(judge(schema, &good), Vec::<String>::new());
}

#[test]
fn one_of_each_message_is_valid_in_2_0_and_2_01_as_well() {
    let who =
        || Who::Authentication(vec![AuthenticationInput::barcode("1"), AuthenticationInput::pin("4711")]);
    let name =
        || UserName::Structured(StructuredName { surname: "Marsh".into(), ..StructuredName::default() });
    let fields = || Fields {
        birth_date: Date::new(2012, 2, 29),
        privileges: vec![Privilege { agency: "L".into(), kind: "STUDENT".into(), ..Privilege::default() }],
        ..Fields::default()
    };
    let requests = [
        Request::LookupUser(LookupUser { who: who(), elements: UserElement::ALL.to_vec() }),
        Request::CreateUser(CreateUser { who: Some(who()), name: name(), fields: fields() }),
        Request::UpdateUser(UpdateUser {
            who: who(),
            delete: fields(),
            add: Fields { name: Some(name()), ..fields() },
        }),
    ];
    for request in &requests {
        let body = encode(request, &Header::new("USD", "L"), &Dialect::default()).unwrap();
        let document = std::str::from_utf8(body.reveal()).unwrap();
        for schema in ["ncip_v2_0.xsd", "ncip_v2_01.xsd", "ncip_v2_02.xsd"] {
            assert_eq!(
                faults(document, schema).unwrap_or_default(),
                Vec::<String>::new(),
                "{schema}: {document}"
            );
        }
    }
}
