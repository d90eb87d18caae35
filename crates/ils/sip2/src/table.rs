//! `[ils.NAME.sip2]`: how the configuration says what [`Sip2Settings`] hold. Every mistake is told with its place.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use rostercard_config::{
    Bool, Clear, Integer, List, Parsed, SecretStore, Span, TableReader, Text, Word, Wrong,
};
use rostercard_sip2::{
    ChecksumRule, Code, Delimiter, Dialect, DialectFields, Encoding, ErrorDetection, FieldCode, Terminator,
    Wire,
};

use crate::extension::{self, Extension, FixedPart, Success};
use crate::settings::{BlockSettings, Login, Sip2Settings, TlsSettings, ZoneStyle};

const ENCODINGS: [(&str, Encoding); 4] = [
    ("cp850", Encoding::Cp850),
    ("latin-1", Encoding::Latin1),
    ("utf-8", Encoding::Utf8),
    ("ascii", Encoding::Ascii),
];
const TERMINATORS: [(&str, Terminator); 2] = [("cr", Terminator::Cr), ("crlf", Terminator::CrLf)];
const DETECTION: [(&str, ErrorDetection); 3] =
    [("auto", ErrorDetection::Auto), ("required", ErrorDetection::Required), ("off", ErrorDetection::Off)];
const CHECKSUMS: [(&str, ChecksumRule); 3] =
    [("lenient", ChecksumRule::Lenient), ("strict", ChecksumRule::Strict), ("off", ChecksumRule::Off)];
const ZONES: [(&str, ZoneStyle); 3] =
    [("blank", ZoneStyle::Blank), ("0000", ZoneStyle::Zeros), ("utc", ZoneStyle::Utc)];
const TLS: [(&str, bool); 2] = [("required", true), ("off", false)];
/// SIP2 has no port of its own; this one is the custom.
const PORT: u16 = 6001;

/// Reads the table. `deadline` is the ILS's for one answer, `zone` the library's. `None` where something is wrong; the
/// table's problems then say what.
pub fn read(
    mut table: TableReader<'_>,
    deadline: Duration,
    zone: TimeZone,
    secrets: &dyn SecretStore,
) -> Option<Sip2Settings> {
    let problems = table.problems();
    let host = table.required("host", &Parsed(host), "\"sip.example.org\"");
    let port = table.optional("port", &Integer(1..=65_535));
    let tls = table.or("tls", &Word(&TLS), true).value;
    let ca_file = table.optional("ca_file", &Text);
    let pin = table.optional("pin_sha256", &Parsed(digest));
    let server_name = table.optional("server_name", &Text);
    let institution = table.optional("institution", &Text);
    let terminal_password = table.secret("terminal_password", Clear::Refused);
    let login = table.optional("login", &Text);
    let password = table.secret("password", Clear::Refused);
    let location = table.optional("location", &Text);
    let encoding = table.or("encoding", &Word(&ENCODINGS), Encoding::Cp850).value;
    let terminator = table.or("terminator", &Word(&TERMINATORS), Terminator::Cr).value;
    let delimiter = table.or("delimiter", &Parsed(delimiter), Delimiter::default()).value;
    let detection = table.or("error_detection", &Word(&DETECTION), ErrorDetection::Auto).value;
    let checksum = table.or("checksum", &Word(&CHECKSUMS), ChecksumRule::Lenient).value;
    let status = table.or("status", &Bool, true).value;
    let aliases = table.or("aliases", &Bool, false).value;
    let dialect = table.or("dialect", &Word(&Dialect::ALL), Dialect::Generic).value;
    let connections = table.or("max_connections", &Integer(1..=64), 1).value;
    let seconds = |from, to| Span(Duration::from_millis(from)..=Duration::from_secs(to));
    let connect_timeout = table.or("connect_timeout", &seconds(100, 120), Duration::from_secs(5)).value;
    let keepalive = table.or("keepalive", &seconds(1_000, 3_600), Duration::from_secs(240)).value;
    let frame_limit = table.or("frame_limit", &Integer(1_024..=1_048_576), 65_536).value;
    let style = table.or("time_zone", &Word(&ZONES), ZoneStyle::Blank).value;
    let probe_card = table.optional("probe_card", &Text);
    let check_new_pins = table.or("check_new_pins", &Bool, false).value;
    let fields = table.table("fields").map(|fields| read_fields(fields, dialect.fields()));
    let block = table.table("block").map(read_block);
    let create = table.table("create").map(read_create);

    let resolve = |secret: Option<rostercard_config::SecretRef>| match secret {
        None => Some(None),
        Some(secret) => secret.resolve(secrets, problems).map(Some),
    };
    let (terminal_password, password) = (resolve(terminal_password), resolve(password));
    if login.is_some() != table.has("password") {
        let (name, example) = if login.is_some() {
            ("password", "password = { credential = \"sip2\" }")
        } else {
            ("login", "login = \"rostercard\"")
        };
        table.missing(name, &format!("a login needs both: add this line: {example}"));
    }
    if pin.is_some() && ca_file.is_some() {
        table.complain(
            "pin_sha256",
            rostercard_config::Code::Exclusive,
            "a pinned certificate needs no ca_file",
            "remove one of the two",
        );
    }
    if !tls {
        for key in ["ca_file", "pin_sha256", "server_name"].into_iter().filter(|key| table.has(key)) {
            table.complain(
                key,
                rostercard_config::Code::Contradiction,
                "has no meaning where tls = \"off\"",
                "remove it, or write tls = \"required\"",
            );
        }
    }
    if !table.finish() {
        return None;
    }
    let tls = if tls {
        TlsSettings::Required {
            ca_file: ca_file.map(|path| PathBuf::from(path.value)),
            pin: pin.map(|pin| pin.value),
            server_name: server_name.map(|name| name.value),
        }
    } else {
        TlsSettings::Off
    };
    let port = port.and_then(|port| u16::try_from(port.value).ok()).unwrap_or(PORT);
    let mut settings = Sip2Settings::of(host?.value, port, tls, zone);
    settings.institution = institution.map(|i| i.value).unwrap_or_default();
    settings.terminal_password = terminal_password?.unwrap_or_default();
    settings.login = match (login, password?) {
        (Some(login), Some(password)) => {
            Some(Login { name: login.value, password, location: location.map(|l| l.value) })
        }
        _ => None,
    };
    let frame_limit = usize::try_from(frame_limit).unwrap_or(settings.wire.frame_limit);
    settings.wire = Wire { delimiter, encoding, terminator, checksum, frame_limit, ..Wire::default() };
    settings.detection = detection;
    settings.status = status;
    settings.aliases = aliases;
    settings.dialect = dialect;
    settings.fields = fields.unwrap_or_else(|| dialect.fields());
    settings.connect_timeout = connect_timeout;
    settings.deadline = deadline;
    settings.keepalive = keepalive;
    settings.max_connections = usize::try_from(connections).unwrap_or(1);
    settings.clock.style = style;
    settings.check_new_pins = check_new_pins;
    settings.probe_card = probe_card.map(|card| card.value);
    if let Some(block) = block {
        settings.block = block;
    }
    settings.create = match create {
        Some(None) => return None,
        Some(create) => create,
        None => None,
    };
    Some(settings)
}

fn read_fields(mut table: TableReader<'_>, otherwise: DialectFields) -> DialectFields {
    let mut field =
        |name, otherwise| table.optional(name, &Parsed(field_code)).map(|c| c.value).or(otherwise);
    let fields = DialectFields {
        expiry: field("expiry", otherwise.expiry),
        birth_date: field("birth_date", otherwise.birth_date),
        category: field("category", otherwise.category),
        home_branch: field("home_branch", otherwise.home_branch),
        internal_id: otherwise.internal_id,
    };
    table.finish();
    fields
}

fn read_block(mut table: TableReader<'_>) -> BlockSettings {
    let enabled = table.or("enabled", &Bool, true).value;
    let reason = table.or("reason", &Text, "Student program: left".to_owned()).value;
    let most = table.or("max_per_run", &Integer(1..=100_000), 50).value;
    table.finish();
    BlockSettings { enabled, reason, max_per_run: u32::try_from(most).unwrap_or(50) }
}

fn read_create(mut table: TableReader<'_>) -> Option<Extension> {
    let request = table.required("request", &Parsed(code), "\"NN\", from your vendor's document");
    let response = table.required("response", &Parsed(code), "\"NN\", from your vendor's document");
    let fixed = table.or("fixed", &List { of: Parsed(fixed_part), empty: true }, Vec::new()).value;
    let fields =
        table.required("fields", &List { of: Parsed(field), empty: false }, "[\"AA={barcode}\", ...]");
    let at = table.or("ok_at", &Integer(0..=60), 0).value;
    let equals = table.required("ok_equals", &Parsed(letter), "\"1\"");
    if !table.finish() {
        return None;
    }
    Some(Extension {
        request: request?.value,
        response: response?.value,
        fixed,
        fields: fields?.value,
        ok: Success { at: usize::try_from(at).ok()?, equals: equals?.value },
    })
}

fn host(text: &str) -> Result<String, Wrong> {
    if text.contains("://") || text.contains('/') || text.contains(' ') {
        return Err(Wrong::value(
            "is not a host name",
            "write the name alone, such as \"sip.example.org\", and the port as `port`",
        ));
    }
    Ok(text.to_owned())
}

fn digest(text: &str) -> Result<[u8; 32], Wrong> {
    let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b':' | b' ')).collect();
    let wrong = || {
        Wrong::value(
            "is not a SHA-256 digest",
            "write 64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256` prints them",
        )
    };
    let mut out = [0; 32];
    if digits.len() != 64 {
        return Err(wrong());
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(out)
}

fn delimiter(text: &str) -> Result<Delimiter, Wrong> {
    let only = text.as_bytes().first().copied().filter(|_| text.len() == 1);
    only.and_then(Delimiter::new).ok_or_else(|| {
        Wrong::value(
            "is not one sign of punctuation",
            "write \"|\" or what the server is set to, such as \"^\"",
        )
    })
}

fn field_code(text: &str) -> Result<FieldCode, Wrong> {
    FieldCode::parse(text).ok_or_else(|| {
        Wrong::value("is not a field's code", "write two capital letters or digits, such as \"PA\"")
    })
}

fn code(text: &str) -> Result<Code, Wrong> {
    let known = ["93", "94", "99", "98", "23", "24", "63", "64", "01", "25", "26", "35", "36", "97", "96"];
    if known.contains(&text) {
        return Err(Wrong::value(
            "is a message of SIP 2.00, which makes no patron",
            "see your vendor's document",
        ));
    }
    Code::parse(text).ok_or_else(|| Wrong::value("is not a message's number", "write its two digits"))
}

fn fixed_part(text: &str) -> Result<FixedPart, Wrong> {
    if text == "{date}" {
        return Ok(FixedPart::Date);
    }
    if text.contains(['{', '}']) || !text.is_ascii() {
        return Err(Wrong::value(
            "is not a fixed part",
            "write \"{date}\" for the time, or plain characters",
        ));
    }
    Ok(FixedPart::Text(text.to_owned()))
}

fn field(text: &str) -> Result<(FieldCode, String), Wrong> {
    let wrong = || {
        let places: Vec<&str> = extension::PLACES.iter().map(|(name, _)| *name).collect();
        Wrong::value(
            "is not a field",
            format!(
                "write a code, =, and text with places in braces, such as \"AA={{barcode}}\"; there are: {}",
                places.join(", ")
            ),
        )
    };
    let (code, template) = text.split_once('=').ok_or_else(wrong)?;
    let code = FieldCode::parse(code).ok_or_else(wrong)?;
    if !extension::is_known(template) {
        return Err(wrong());
    }
    Ok((code, template.to_owned()))
}

fn letter(text: &str) -> Result<char, Wrong> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Ok(letter),
        _ => Err(Wrong::value("is not one character", "write, for example, \"1\"")),
    }
}

#[cfg(test)]
mod tests {
    use rostercard_config::{Document, MachineSecrets, Problems, Style as Rendering};

    use super::*;

    fn read_text(text: &str) -> (Option<Sip2Settings>, String) {
        let problems = Problems::new();
        let document = Document::parse("rostercard.toml", text.as_bytes().to_vec(), &problems);
        let secrets = MachineSecrets {
            variables: [("SIP2".to_owned(), "4711".to_owned())].into(),
            ..MachineSecrets::default()
        };
        let settings = TableReader::top(&document, &problems)
            .and_then(|table| read(table, Duration::from_secs(9), TimeZone::UTC, &secrets));
        (settings, problems.render(Rendering::Plain))
    }

    #[test]
    fn the_least_that_is_needed() {
        let (settings, problems) = read_text("host = \"sip.example.org\"");
        let settings = settings.expect(&problems);
        assert_eq!((settings.port, settings.max_connections), (6001, 1));
        assert!(matches!(
            settings.tls,
            TlsSettings::Required { ca_file: None, pin: None, server_name: None }
        ));
        assert_eq!(settings.deadline, Duration::from_secs(9));
    }

    #[test]
    fn everything_by_its_words() {
        let text = "host = \"127.0.0.1\"\nport = 6002\ntls = \"off\"\nlogin = \"sync\"\npassword = { env = \"SIP2\" }\n\
                    institution = \"PLS\"\nencoding = \"utf-8\"\ndelimiter = \"^\"\ndialect = \"polaris\"\n\
                    error_detection = \"required\"\nchecksum = \"strict\"\ntime_zone = \"utc\"\n\
                    [fields]\nexpiry = \"DE\"\n[block]\nreason = \"left\"\n\
                    [create]\nrequest = \"77\"\nresponse = \"78\"\nfixed = [\"N\", \"{date}\"]\n\
                    fields = [\"AO={institution}\", \"AE={surname}, {given_name}\"]\nok_equals = \"1\"\n";
        let (settings, problems) = read_text(text);
        let settings = settings.expect(&problems);
        assert_eq!(settings.login.unwrap().password.reveal(), "4711");
        assert_eq!(settings.fields.expiry, FieldCode::parse("DE"));
        assert_eq!(settings.fields.birth_date, FieldCode::parse("BC"));
        assert!(settings.block.enabled && settings.create.is_some());
    }

    #[test]
    fn every_mistake_is_told() {
        let text = "host = \"https://sip.example.org/\"\nprot = 7\ntls = \"maybe\"\nlogin = \"sync\"\ndelimiter = \"x\"\n\
                    [create]\nrequest = \"63\"\nresponse = \"7\"\nfields = [\"AA={number}\"]\n";
        let (settings, problems) = read_text(text);
        assert!(settings.is_none());
        for part in [
            "not a host name",
            "`port`",
            "`required`",
            "password",
            "punctuation",
            "message of SIP 2.00",
            "not a message's number",
            "barcode",
            "ok_equals",
        ] {
            assert!(problems.contains(part), "{part} is not in\n{problems}");
        }
    }
}
