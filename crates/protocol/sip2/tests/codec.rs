//! The codec: round trips of every message, hostile bytes, sums and answers from the field.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rostercard_sip2::*;

/// The folder of samples, where there is one. CI must have it.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the samples are")]
fn samples() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    let folder = std::env::var_os("ROSTERCARD_SPECS").map_or(beside, PathBuf::from).join("sip2");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no samples here");
    println!("skipped: no samples here");
    None
}

#[test]
fn every_sum_from_the_field_is_right() {
    let Some(folder) = samples() else { return };
    let text = std::fs::read_to_string(folder.join("checksum-vectors.tsv")).unwrap();
    let mut rows = 0;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let mut columns = line.split('\t');
        let (message, wanted) = (columns.next().unwrap(), columns.next().unwrap());
        let wanted = u16::from_str_radix(wanted, 16).unwrap();
        let frame = [message.as_bytes(), format!("{wanted:04X}").as_bytes()].concat();
        let read =
            |rule| decode(&frame, &Wire { encoding: Encoding::Utf8, checksum: rule, ..Wire::default() });
        if checksum(message.as_bytes()) == wanted {
            assert_eq!(read(ChecksumRule::Strict).unwrap().summed, Summed::Bytes, "{message}");
        } else {
            assert_eq!(checksum_of_code_points(message.as_bytes(), Encoding::Utf8), wanted);
            assert_eq!(read(ChecksumRule::Lenient).unwrap().summed, Summed::CodePoints);
            assert!(matches!(read(ChecksumRule::Strict), Err(DecodeError::Checksum { .. })));
        }
        rows += 1;
    }
    assert_eq!(rows, 6);
}

/// Which rows of the vendors' answers say that there is no such patron; all others are of patrons that are there.
fn is_nobody(name: &str, frame: &str) -> bool {
    name.ends_with("no_such_patron") || name == "evergreen_inactive_account" || frame.contains("AENo Name")
}

#[test]
fn every_answer_of_a_vendor_is_read_and_judged() {
    let Some(folder) = samples() else { return };
    let text = std::fs::read_to_string(folder.join("vendor-patron-info-responses.tsv")).unwrap();
    // Some of their sums were spoilt when they were made anonymous.
    let wire = Wire { encoding: Encoding::Utf8, checksum: ChecksumRule::Off, ..Wire::default() };
    let mut rows = 0;
    for line in text.lines().filter(|line| line.contains('\t')) {
        let (name, frame) = line.split_once('\t').unwrap();
        let frame = frame.strip_suffix("\\r").unwrap_or(frame);
        if name == "evergreen_card_reported_lost" {
            // One blank short: whoever read it leniently would shift every field behind.
            let refused = decode(frame.as_bytes(), &wire);
            assert!(matches!(refused, Err(DecodeError::Malformed { what: "date", .. })), "{refused:?}");
            rows += 1;
            continue;
        }
        let decoded = decode(frame.as_bytes(), &wire).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!decoded.lossy, "{name}");
        rows += 1;
        let Message::PatronInformationResponse(answer) = &decoded.message else {
            let Message::EndSessionResponse(answer) = &decoded.message else { panic!("{name}") };
            assert!(answer.ended.0 && answer.fields.len() == 4);
            continue;
        };
        let wanted = if is_nobody(name, frame) { Verdict::NotFound } else { Verdict::Found };
        assert_eq!(judge(answer), wanted, "{name}: {frame}");
        let field =
            |code: &str| answer.fields.get(FieldCode::parse(code).unwrap()).map(|v| v.reveal().to_owned());
        assert!(field("AA").is_some() && field("AO").is_some(), "{name}");
        match name {
            "polaris_excess_fines" => {
                let expiry = Dialect::Polaris.fields().expiry.unwrap();
                assert_eq!(day(answer.fields.get(expiry).unwrap().reveal()), Some((2017, 4, 24)));
                assert!(answer.flags.is_set(PatronFlag::ExcessiveFines));
            }
            "evergreen_active_user" => {
                let fields = Dialect::Evergreen.fields();
                let get = |code: Option<FieldCode>| answer.fields.get(code.unwrap()).unwrap().reveal();
                assert_eq!(day(get(fields.expiry)), Some((2019, 10, 4)));
                assert_eq!((get(fields.category), get(fields.home_branch)), ("Adult", "NEWTWN"));
            }
            "sierra_invalid_login" => {
                assert_eq!(answer.fields.all(FieldCode::SCREEN).count(), 2);
                assert_eq!(answer.fields.yes_no(FieldCode::VALID_PASSWORD), Some(false));
            }
            _ => {}
        }
        // The delimiters in this e-mail address are its own.
        if frame.contains("leona|rdr@|bar.com") {
            assert_eq!(field("BE").as_deref(), Some("leona|rdr@|bar.com"));
        }
        // What was read can be written and is read alike, but for delimiters inside a value.
        match encode(&decoded.message, &wire, decoded.trail) {
            Ok(bytes) => assert_eq!(decode(&bytes, &wire).unwrap().message, decoded.message, "{name}"),
            Err(error) => {
                assert!(matches!(error, EncodeError::Forbidden { field: FieldCode::EMAIL }), "{name}");
            }
        }
    }
    assert_eq!(rows, 20);
}

fn values(encoding: Encoding) -> BoxedStrategy<String> {
    let pattern = match encoding {
        Encoding::Ascii => "[ -{}~]{0,20}",
        Encoding::Latin1 => "[ -{}~\u{a0}-\u{ff}]{0,20}",
        Encoding::Cp850 => "[ -{}~éñßÜ¿─█ ]{0,20}",
        Encoding::Utf8 => "[ -{}~éñłż漢🙂]{0,20}",
    };
    pattern.prop_map(|s| s).boxed()
}

fn fields(encoding: Encoding) -> impl Strategy<Value = Fields> {
    let code = "[A-Z0-9]{2}".prop_map(|code| FieldCode::parse(&code).unwrap());
    let field = (code, values(encoding).prop_map(Value::from));
    proptest::collection::vec(field, 0..8).prop_map(|all| all.into_iter().collect())
}

fn stamp() -> impl Strategy<Value = Option<Stamp>> {
    let zone =
        prop_oneof![Just(Zone::Local), Just(Zone::Utc), Just(Zone::Written(Chars::new(*b"0000").unwrap())),];
    let some = (0..=9999_u16, 1..=12_u8, 1..=31_u8, 0..24_u8, 0..60_u8, 0..=60_u8, zone)
        .prop_map(|(y, m, d, h, min, s, zone)| Stamp::new((y, m, d), (h, min, s), zone));
    prop_oneof![some, Just(None)]
}

fn chars<const N: usize>() -> impl Strategy<Value = Chars<N>> {
    proptest::collection::vec(b' '..=b'~', N).prop_map(|all| Chars::new(all.try_into().unwrap()).unwrap())
}

fn number<const N: usize>() -> impl Strategy<Value = Number<N>> {
    prop_oneof![any::<u16>().prop_map(Number::new), Just(Number::blank())]
}

fn messages(encoding: Encoding) -> BoxedStrategy<Message> {
    let f = move || fields(encoding);
    let yes = || any::<bool>().prop_map(YesNo);
    let head = || (number::<3>(), stamp());
    prop_oneof![
        (chars::<1>(), chars::<1>(), f()).prop_map(|(user_algorithm, password_algorithm, fields)| {
            Login { user_algorithm, password_algorithm, fields }.into()
        }),
        (any::<bool>(), f()).prop_map(|(ok, fields)| LoginResponse { ok: OneZero(ok), fields }.into()),
        (chars::<1>(), number::<3>(), chars::<4>(), f()).prop_map(
            |(status, print_width, version, fields)| {
                ScStatus { status, print_width, version, fields }.into()
            }
        ),
        (
            (yes(), yes(), yes(), yes(), yes(), yes()),
            (number::<3>(), number::<3>(), stamp(), chars::<4>(), f())
        )
            .prop_map(
                |(
                    (online, checkin, checkout, renewal, status_update, offline),
                    (timeout, retries, date, version, fields),
                )| {
                    AcsStatus {
                        online,
                        checkin,
                        checkout,
                        renewal,
                        status_update,
                        offline,
                        timeout,
                        retries,
                        date,
                        version,
                        fields,
                    }
                    .into()
                }
            ),
        (head(), f()).prop_map(|((language, date), fields)| PatronStatus { language, date, fields }.into()),
        (chars::<14>(), head(), f()).prop_map(|(flags, (language, date), fields)| {
            PatronStatusResponse { flags, language, date, fields }.into()
        }),
        (head(), chars::<10>(), f()).prop_map(|((language, date), summary, fields)| {
            PatronInformation { language, date, summary, fields }.into()
        }),
        (chars::<14>(), head(), proptest::array::uniform6(number::<4>()), f()).prop_map(
            |(flags, (language, date), [holds, overdue, charged, fines, recalls, unavailable], fields)| {
                PatronInformationResponse {
                    flags,
                    language,
                    date,
                    holds,
                    overdue,
                    charged,
                    fines,
                    recalls,
                    unavailable,
                    fields,
                }
                .into()
            }
        ),
        (yes(), stamp(), f())
            .prop_map(|(card_retained, date, fields)| { BlockPatron { card_retained, date, fields }.into() }),
        (stamp(), f()).prop_map(|(date, fields)| PatronEnable { date, fields }.into()),
        (chars::<14>(), head(), f()).prop_map(|(flags, (language, date), fields)| {
            PatronEnableResponse { flags, language, date, fields }.into()
        }),
        (stamp(), f()).prop_map(|(date, fields)| EndSession { date, fields }.into()),
        (yes(), stamp(), f())
            .prop_map(|(ended, date, fields)| EndSessionResponse { ended, date, fields }.into()),
        f().prop_map(|fields| ResendFromServer { fields }.into()),
        f().prop_map(|fields| ResendFromClient { fields }.into()),
        ("(7[0-9]|0[2-8]|8[0-9])", "[ -{}~]{0,12}", f()).prop_map(|(code, fixed, fields)| {
            let wire = Wire::default();
            Message::Other(Other::build(Code::parse(&code).unwrap(), &fixed, &fields, &wire).unwrap())
        }),
    ]
    .boxed()
}

fn wires() -> impl Strategy<Value = Wire> {
    let encodings = [Encoding::Ascii, Encoding::Latin1, Encoding::Cp850, Encoding::Utf8];
    proptest::sample::select(encodings.to_vec()).prop_map(|encoding| Wire {
        encoding,
        checksum: ChecksumRule::Strict,
        ..Wire::default()
    })
}

fn trails() -> impl Strategy<Value = Trail> {
    prop_oneof![(0..10_u8).prop_map(Trail::Sequenced), Just(Trail::SumOnly), Just(Trail::None)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        (wire, message) in wires().prop_flat_map(|wire| (Just(wire), messages(wire.encoding))),
        trail in trails(),
    ) {
        let bytes = match encode(&message, &wire, trail) {
            Ok(bytes) => bytes,
            // The only message that may not be written is one whose end is its own checksum's.
            Err(error) => {
                prop_assert!(matches!(error, EncodeError::Ambiguous { .. }), "{error}");
                return Ok(());
            }
        };
        prop_assert!(!bytes.contains(&b'\r') && !bytes.contains(&b'\n') && !bytes.contains(&0));
        let decoded = decode(&bytes, &wire).unwrap();
        prop_assert_eq!(&decoded.message, &message);
        prop_assert_eq!(decoded.trail, trail);
        prop_assert!(!decoded.lossy);
        // One changed byte is noticed wherever there is a sum.
        if trail != Trail::None {
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                if let Ok(taken) = decode(&damaged, &wire) {
                    prop_assert_ne!(taken.trail, trail, "byte {} of {}", at, String::from_utf8_lossy(&bytes));
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic_and_nothing_is_kept_past_the_limit(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..6),
        limit in 1..600_usize,
    ) {
        let mut framer = Framer::new(limit);
        let wire = Wire { frame_limit: limit, ..Wire::default() };
        'all: for chunk in &chunks {
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                let Ok((taken, frame)) = framer.take(rest) else { break 'all };
                prop_assert!(taken > 0 && framer.capacity() <= limit && framer.partial() <= limit);
                rest = &rest[taken..];
                if let Some(frame) = frame {
                    prop_assert!(frame.len() <= limit && !frame.contains(&b'\r'));
                    let _read = decode(&frame, &wire);
                }
            }
        }
    }

    #[test]
    fn nearly_right_frames_are_read_without_panic(
        code in "(24|26|36|64|94|96|98|97|80)",
        body in "[YN 0-9]{0,60}",
        rest in "([A-Z]{2}[ -~éñ]{0,6}\\|){0,6}",
        tail in "(AY[0-9])?(AZ[0-9A-F]{4})?",
    ) {
        for checksum in [ChecksumRule::Strict, ChecksumRule::Lenient, ChecksumRule::Off] {
            let wire = Wire { checksum, ..Wire::default() };
            if let Ok(decoded) = decode(format!("{code}{body}{rest}{tail}").as_bytes(), &wire) {
                let shown = format!("{decoded:?}");
                prop_assert!(shown.len() < 4_000);
                if let Message::PatronInformationResponse(answer) = &decoded.message {
                    let _verdict = judge(answer);
                }
            }
        }
    }
}

#[test]
fn no_value_smuggles_an_end_or_a_delimiter() {
    for evil in ["O|Brien", "O\rBrien", "O\nBrien", "O\0Brien", "O\u{1b}Brien", "O\u{85}Brien"] {
        let fields = Fields::new().with(FieldCode::NAME, evil);
        let message = PatronEnable { date: None, fields: fields.clone() }.into();
        let refused = encode(&message, &Wire::default(), Trail::None);
        assert_eq!(refused, Err(EncodeError::Forbidden { field: FieldCode::NAME }));
        let code = Code::parse("77").unwrap();
        assert!(Other::build(code, "", &fields, &Wire::default()).is_err());
        let smuggled = Message::Other(Other { code, body: evil.into() });
        assert_eq!(encode(&smuggled, &Wire::default(), Trail::None).is_ok(), evil == "O|Brien");
    }
    let long = Fields::new().with(FieldCode::ADDRESS, "x".repeat(256));
    let long = encode(&PatronEnable { date: None, fields: long }.into(), &Wire::default(), Trail::None);
    assert_eq!(long, Err(EncodeError::TooLong { field: FieldCode::ADDRESS, limit: 255 }));
}

#[test]
fn nothing_of_a_field_is_in_what_is_printed() {
    let frame =
        "64              00120260901    080000000000000000000000000000AOPLS|AAS1|AEZoe Quick|BLY|AD4711|";
    let shown = format!("{:?}", decode(frame.as_bytes(), &Wire::default()).unwrap());
    for part in ["Zoe", "4711", "S1"] {
        assert!(!shown.contains(part), "{shown}");
    }
    let odd = decode(b"Problems with Zoe Quick", &Wire::default()).unwrap_err();
    assert!(!format!("{odd} {odd:?}").contains("Zoe"));
}

#[test]
fn what_servers_send_instead_of_messages() {
    let read = |text: &str| decode(text.as_bytes(), &Wire::default()).unwrap_err();
    assert_eq!(read("HTTP/1.1 400 Bad Request"), DecodeError::Http);
    assert!(matches!(read("Problems handling the request: null"), DecodeError::NotAMessage { .. }));
    let short = "64YYYY          0020260901    080000000000000000000000000000AOPLS|AAS1|AE|BLN|";
    assert!(matches!(read(short), DecodeError::Malformed { .. }), "one character short");
    assert!(matches!(read("94"), DecodeError::Malformed { what: "ok", .. }));
}

#[test]
fn an_extension_is_taken_apart_again() {
    let wire = Wire::default();
    let fields = Fields::new().with(FieldCode::PATRON, "S9").with(FieldCode::NAME, "Lee, Ana");
    let other = Other::build(Code::parse("77").unwrap(), "1ok", &fields, &wire).unwrap();
    assert_eq!(other.split(3, &wire), Some(("1ok".to_owned(), fields)));
    assert_eq!(other.split(99, &wire), None);
}
