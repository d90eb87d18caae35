//! Every key of the configuration: what can stand there, as the readers ask for it; what is said of it, in the annotated
//! examples; and what it is unless said, which is tried out: a line that can be taken away without a difference says the default.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use jiff::tz::TimeZone;
use rostercard_config::{
    FoundSecret, Memory, Problems, Recorded, SecretFault, SecretStore, SecretWay, Shape, Style, load_into,
};
use zeroize::Zeroizing;

use super::examples::{self, MAIN};
use crate::cli::init::Approach;
use crate::connectors::{CONNECTORS, IlsSettings, Reading, SourceSettings};

/// One key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// Its pattern: `ils.*.limits.rate`, `card.for[].grades`.
    pub(super) pattern: String,
    /// The pattern of its table; empty at the top.
    pub(super) table: String,
    /// Its own name; `*` where it is the configuration's own word.
    pub(super) name: String,
    /// What can stand there.
    pub(super) shapes: Vec<Shape>,
    /// Whether its table is refused without it.
    pub(super) required: bool,
    /// Whether its table is written between braces, and not under a line of its own.
    pub(super) inline: bool,
    /// What is said of it.
    pub(super) comment: String,
    /// What it is unless said, as it is written.
    pub(super) default: Option<String>,
    /// Otherwise: how it is written.
    pub(super) example: Option<String>,
}

impl Key {
    /// Whether it is a table, and nothing else.
    pub(super) fn is_table(&self) -> bool {
        self.shapes.iter().all(|shape| matches!(shape, Shape::Table | Shape::Tables))
    }
}

/// All keys, in the order in which the readers ask for them.
pub(super) struct Keys {
    /// Those of rostercard.toml.
    pub(super) main: Vec<Key>,
    /// Those of a partnership's file.
    pub(super) partnership: Vec<Key>,
}

/// A whole configuration in memory.
pub(super) type Files = BTreeMap<String, String>;

/// A secret for everything.
struct AnySecret;

impl SecretStore for AnySecret {
    fn read(&self, _: &SecretWay) -> Result<FoundSecret, SecretFault> {
        Ok(FoundSecret { bytes: Zeroizing::new("ab".repeat(32).into_bytes()), others_can_read: false })
    }
}

/// Reads a configuration as the program does: all that was read, in words, and the problems.
pub(super) fn read(files: &Files, problems: Problems) -> (String, Problems) {
    let memory = Memory::new(files.iter().map(|(name, text)| (format!("/etc/{name}"), text.clone())));
    let loaded = load_into(problems, &memory, &Path::new("/etc").join(MAIN), &BTreeMap::new(), CONNECTORS);
    let mut words = String::new();
    if let Ok(main) = &loaded.main {
        let with = Reading { secrets: &AnySecret, zone: &TimeZone::UTC, base: Path::new("/etc") };
        for ils in &main.ils {
            words.push_str(&format!("{:?}\n", IlsSettings::read(ils, &with, &loaded.problems)));
        }
    }
    for (_, partnership) in &loaded.partnerships {
        let Ok(partnership) = partnership else { continue };
        let (name, table) = (&partnership.source, &partnership.source_table);
        let source = SourceSettings::read(name, table, (true, true), &AnySecret, &loaded.problems);
        words.push_str(&format!("{source:?}\n"));
    }
    words.push_str(&format!("{:?}\n{:?}", loaded.main, loaded.partnerships));
    (words, loaded.problems)
}

/// rostercard.toml around an ILS's tables.
fn main_with(ils: &str) -> String {
    format!(
        "[library]\nname = \"x\"\ntimezone = \"UTC\"\n[state]\npath = \"x\"\nkey = {{ file = \"k\" }}\n[ils.main]\nid = \"main\"\n{ils}"
    )
}

/// A partnership's file around some of its lines. `top` stands before the first table.
pub(super) fn partnership_with(top: &str, source: &str, card: &str, more: &str) -> String {
    format!(
        "id = \"x\"\ndistrict = \"x\"\nils = \"main\"\n{top}\n[source.{source}\n[card]\nmodel = \"full\"\ncategory = \"x\"\n{card}\n\
         [match]\nexisting = \"skip\"\n[homes]\n\"x\" = \"y\"\n{more}"
    )
}

const NCIP: &str = "[ils.main.ncip]\nurl = \"https://x.example\"\nfrom_agency = \"x\"\nto_agency = \"x\"\n";
const CSV: &str = "oneroster_csv]\npath = \"x\"\n";
const CARD: &str = "number = \"7{student_id}\"\npin = \"none\"\nexpires = \"never\"";

/// Other ways to say things than the annotated examples have; some are whole, some lack what must be there.
fn variants() -> Vec<Files> {
    let pair = |main: String, partnership: String| {
        Files::from([(MAIN.to_owned(), main), ("partnerships/x.toml".to_owned(), partnership)])
    };
    let plain = || partnership_with("", CSV, CARD, "");
    let mut all = vec![pair(String::new(), String::new())];
    let ils = CONNECTORS.ils.iter().map(|name| format!("[ils.main.{name}]\n"));
    let others = [
        "[ils.main.koha]\nurl = \"https://x.example\"\nuser = \"x\"\npassword = { file = \"x\" }\n"
            .to_owned(),
        "[ils.main.sip2]\nhost = \"x\"\n".to_owned(),
        "[ils.main.sip2]\nhost = \"x\"\n[ils.main.sip2.create]\n".to_owned(),
        "[ils.main.sip2]\nhost = \"x\"\npin_sha256 = \"x\"\n".to_owned(),
    ];
    all.extend(ils.chain(others).map(|ils| pair(main_with(&ils), plain())));
    // Several libraries, and a source named once for several partnerships.
    for name in CONNECTORS.sources {
        let more =
            if *name == "csvdrop" { "path = \"x\"\nholds = \"snapshot\"\npreset = \"clever\"\n" } else { "" };
        let named = "[libraries.elm]\nname = \"x\"\ntimezone = \"UTC\"\n";
        let main = main_with(NCIP).replace("[library]\nname = \"x\"\ntimezone = \"UTC\"\n", named);
        let partnership = plain().replace("[source.oneroster_csv]\npath = \"x\"\n", "");
        let partnership = format!("library = \"elm\"\nsource = \"x\"\n{partnership}");
        all.push(pair(format!("{main}[sources.x.{name}]\n{more}"), partnership));
    }
    let mut partnership = |source: &str, card: &str, more: &str| {
        all.push(pair(main_with(NCIP), partnership_with("", source, card, more)));
    };
    for name in CONNECTORS.sources {
        partnership(&format!("{name}]\n"), CARD, "");
    }
    let sis = "oneroster]\nurl = \"https://x.example/ims/oneroster/v1p1\"\nversion = \"1.1\"\n";
    partnership(&format!("{sis}auth = \"bearer\"\ntoken = {{ file = \"x\" }}\n"), CARD, "");
    let client = "client_id = \"x\"\nclient_secret = { file = \"x\" }\n";
    partnership(&format!("{sis}auth = \"oauth1_sha256\"\n{client}"), CARD, "");
    partnership("oneroster_csv]\nimport_only = true\n", CARD, "");
    partnership("csvdrop]\nimport_only = true\nholds = \"snapshot\"\npreset = \"clever\"\n", CARD, "");
    partnership("csvdrop]\npath = \"x\"\nholds = \"snapshot\"\npreset = \"clever\"\n", CARD, "");
    for number in [
        "{ template = \"7{student_id}\", check_digit = \"mod10\", student_id_min = 6 }",
        "{ range = \"x\", first = 1, last = 9999, width = 6, check_digit = \"mod10\" }",
    ] {
        for pin in ["{ random = 6 }", "{ birth_date = \"mmdd\" }"] {
            let card =
                format!("number = {number}\npin = {pin}\nexpires = {{ days = 365, renew_before = 30 }}");
            partnership(CSV, &card, &format!("[[card.for]]\ngrades = [1]\n{card}"));
        }
    }
    partnership(
        CSV,
        CARD,
        "[[guards.expect]]\nfrom = 2099-08-10\nuntil = 2099-09-11\nkinds = [\"create\"]\npercent = \"40%\"\nreason = \"x\"",
    );
    all
}

/// Keys that cannot stand beside others of the annotated examples: what is said of them, and how they are written.
const BESIDE: [(&str, &str, &str); 11] = [
    ("libraries", "instead of [library], where one daemon serves several: each by a name of its own", ""),
    (
        "sources",
        "a source named once for several partnerships, by a name of its own: the keys are those of [source.X]",
        "",
    ),
    ("source.csvdrop.import_only", "instead of path: each file is given by `rostercard import`", "true"),
    (
        "source.oneroster_csv.import_only",
        "instead of path: each package is given by `rostercard import`",
        "true",
    ),
    (
        "source",
        "where the roster comes from; the name of one of [sources.NAME], where several share it",
        "\"district\"",
    ),
    ("ils.*.koha.user", "instead of client_id: a Koha user, by HTTP Basic", "\"rostercard\""),
    ("ils.*.koha.password", "instead of client_secret: that user's password", "{ file = \"koha.secret\" }"),
    (
        "ils.*.sip2.pin_sha256",
        "instead of ca_file: the one certificate that is trusted, by its digest",
        "\"64 digits\"",
    ),
    ("source.oneroster.token", "for auth = \"bearer\": a token that stays", "{ file = \"sis.token\" }"),
    (
        "mail.ca_file",
        "certificates that are trusted, and none else; read when a message is sent",
        "\"/etc/rostercard/mail-ca.pem\"",
    ),
    ("guards.expect[].percent", "so many, as a share of the cards; or count", "\"40%\""),
];

/// All keys of all readers.
pub(super) fn all() -> &'static Keys {
    static ALL: OnceLock<Keys> = OnceLock::new();
    ALL.get_or_init(gather)
}

fn gather() -> Keys {
    let mut whole = Vec::new();
    whole.push(examples::files(false));
    whole.push(examples::files(true));
    for (word, approach, _) in Approach::ALL {
        let name = format!("partnerships/{word}.toml");
        whole.push(Files::from([(MAIN.to_owned(), main_with(NCIP)), (name, approach.text().to_owned())]));
    }
    for files in &whole {
        let (_, problems) = read(files, Problems::new());
        assert!(!problems.has_errors(), "{}", problems.render(Style::Plain));
    }
    whole.extend(variants());
    let mut keys: BTreeMap<String, Recorded> = BTreeMap::new();
    let mut absent: BTreeSet<String> = BTreeSet::new();
    let mut without: Vec<BTreeMap<String, Recorded>> = Vec::new();
    for files in &whole {
        let record = read(files, Problems::recording()).1.recorded();
        for (pattern, new) in &record {
            let turn = keys.len();
            let key = keys.entry(pattern.clone()).or_insert_with(|| Recorded { turn, ..new.clone() });
            key.missed |= new.missed;
            for shape in &new.shapes {
                if !key.shapes.contains(shape) {
                    key.shapes.push(shape.clone());
                }
            }
        }
        if !read(files, Problems::new()).1.has_errors() {
            without.push(record);
        }
    }
    // What a right configuration did without is not required.
    for record in &without {
        let tables: BTreeSet<&str> = record
            .iter()
            .filter(|(_, key)| key.present || key.absent)
            .map(|(at, _)| table_of(at).0)
            .collect();
        let left_out = |pattern: &String| match record.get(pattern) {
            Some(key) => key.absent,
            None => tables.contains(table_of(pattern).0),
        };
        absent.extend(keys.keys().filter(|pattern| left_out(pattern)).cloned());
    }
    // What is only ever missed, and never asked for by name, is one of the names that a table of names takes.
    keys.retain(|_, key| !key.shapes.is_empty());
    let (main, partnership) = told_apart(ordered(keys));
    let said = said(&main.iter().chain(&partnership).cloned().collect());
    let key = |(pattern, recorded): (String, Recorded)| {
        let (table, name) = table_of(&pattern);
        let several = table.starts_with("libraries") || table.starts_with("sources");
        let required = recorded.missed && !absent.contains(&pattern);
        // What a [[card.for]] may say is what [card] says; what is named once for several is what is said for one.
        let like = pattern
            .replace("card.for[].", "card.")
            .replace("sources.*.", "source.")
            .replace("libraries.*.", "library.");
        let mut told = match (said.get(&pattern), said.get(&like)) {
            (Some(told), _) => told.clone(),
            (None, Some(like)) if pattern.starts_with("sources") => like.clone(),
            (None, Some(like)) => Said { default: None, ..like.clone() },
            (None, None) => Said::default(),
        };
        if let Some((_, comment, example)) = BESIDE.iter().find(|(beside, ..)| *beside == pattern) {
            told =
                Said { comment: (*comment).to_owned(), default: None, example: Some((*example).to_owned()) };
        }
        if pattern == "library" && recorded.shapes.contains(&Shape::Name) {
            let comment = "which of [libraries.NAME] it is, where there are several";
            told = Said { comment: comment.to_owned(), default: None, example: Some("\"elm\"".to_owned()) };
        }
        // A permanent id is like the name by chance.
        if name == "id" {
            told.example = told.default.take().or(told.example);
        }
        Key {
            table: table.to_owned(),
            name: name.to_owned(),
            required,
            inline: !table.is_empty() && !several && !said.contains_key(&format!("[{table}]")),
            comment: told.comment,
            default: told.default.filter(|_| !required && !recorded.shapes.contains(&Shape::Secret)),
            example: told.example,
            shapes: recorded.shapes,
            pattern,
        }
    };
    Keys {
        main: main.into_iter().map(key).collect(),
        partnership: partnership.into_iter().map(key).collect(),
    }
}

/// Each table's keys together, in the order in which they were asked for.
fn ordered(keys: BTreeMap<String, Recorded>) -> Vec<(String, Recorded)> {
    let turns: BTreeMap<String, usize> =
        keys.iter().map(|(pattern, key)| (pattern.clone(), key.turn)).collect();
    let mut all: Vec<(String, Recorded)> = keys.into_iter().collect();
    let turn =
        |pattern: &str| turns.get(pattern).or_else(|| turns.get(pattern.trim_end_matches("[]"))).copied();
    all.sort_by_key(|(pattern, key)| {
        // The turns of the tables around it, from the outside in.
        let parts: Vec<&str> = pattern.split('.').collect();
        let around = (1..parts.len()).map(|depth| turn(&parts[..depth].join(".")).unwrap_or_default() + 1);
        around.chain([key.turn + 1]).collect::<Vec<usize>>()
    });
    all
}

/// A pattern's table, and its own name.
pub(super) fn table_of(pattern: &str) -> (&str, &str) {
    pattern.rsplit_once('.').unwrap_or(("", pattern))
}

/// Keys with what was recorded of them, in their order.
type Ordered = Vec<(String, Recorded)>;

/// Tables that stand in either file.
const BOTH: [&str; 2] = ["contacts", "ends"];

/// The keys of the two files. Those of rostercard.toml are found by reading one with no partnership beside it; a name that both
/// have at the top has another shape in each.
fn told_apart(all: Ordered) -> (Ordered, Ordered) {
    let mut tops: BTreeMap<String, Vec<Shape>> = BTreeMap::new();
    let files = Files::from([(MAIN.to_owned(), main_with(NCIP))]);
    for (pattern, key) in read(&files, Problems::recording()).1.recorded() {
        if table_of(&pattern).0.is_empty() {
            tops.insert(pattern, key.shapes);
        }
    }
    // What both files may have: each as its own reader asks for it.
    let whole = examples::files(true);
    let asked = |files: Files| read(&files, Problems::recording()).1.recorded();
    let of_main = asked(Files::from([(MAIN.to_owned(), whole[MAIN].clone())]));
    let mut beside = whole.clone();
    beside.insert(MAIN.to_owned(), main_with(NCIP));
    let of_partnership = asked(beside);
    let (mut main, mut partnership) = (Vec::new(), Vec::new());
    for (pattern, key) in all {
        if BOTH.contains(&pattern.split(['.', '[']).next().unwrap_or_default()) {
            if of_main.contains_key(&pattern) {
                main.push((pattern.clone(), key.clone()));
            }
            if of_partnership.contains_key(&pattern) {
                partnership.push((pattern, key));
            }
            continue;
        }
        let Some(shapes) = tops.get(pattern.split(['.', '[']).next().unwrap_or_default()) else {
            partnership.push((pattern, key));
            continue;
        };
        let at_the_top = table_of(&pattern).0.is_empty();
        let others: Vec<Shape> = key.shapes.iter().filter(|shape| !shapes.contains(shape)).cloned().collect();
        if at_the_top && !others.is_empty() {
            partnership.push((pattern.clone(), Recorded { shapes: others, ..key.clone() }));
            main.push((pattern, Recorded { shapes: shapes.clone(), ..key }));
        } else {
            main.push((pattern, key));
        }
    }
    (main, partnership)
}

/// What the annotated examples say of a key.
#[derive(Debug, Clone, Default)]
struct Said {
    comment: String,
    default: Option<String>,
    example: Option<String>,
}

/// By pattern; a table that has a line of its own is there as `[pattern]` too.
fn said(keys: &BTreeMap<String, Recorded>) -> BTreeMap<String, Said> {
    let known: &BTreeSet<String> = &keys.keys().cloned().collect();
    let mut all: BTreeMap<String, Said> = BTreeMap::new();
    for (name, text) in &examples::files(true) {
        let files = alone(name, text);
        let (whole, problems) = read(&files, Problems::new());
        assert!(!problems.has_errors(), "{}", problems.render(Style::Plain));
        for line in examples::lines(text) {
            let full = match (line.table.as_str(), line.key.as_str()) {
                ("", key) => key.to_owned(),
                (table, "") => table.to_owned(),
                (table, key) => format!("{table}.{key}"),
            };
            let Some(pattern) = pattern(&full, known) else { panic!("{name}: nothing asks for {full}") };
            if line.key.is_empty() {
                let plain = pattern.trim_end_matches("[]").to_owned();
                let told = all.entry(plain).or_default();
                if told.comment.is_empty() {
                    told.comment = line.comment;
                }
                all.insert(format!("[{pattern}]"), Said::default());
                continue;
            }
            let others = keys.get(&pattern).map(|key| others(&key.shapes)).unwrap_or_default();
            let plain = keys.get(&pattern).is_some_and(|key| {
                let plain = |shape: &Shape| {
                    matches!(shape, Shape::Bool | Shape::Integer(..) | Shape::Span | Shape::Words(_))
                };
                key.shapes.iter().all(plain)
            });
            let told = all.entry(pattern).or_default();
            if told.comment.is_empty() {
                told.comment = line.comment;
            }
            if told.default.is_none() && told.example.is_none() {
                let with = |text: &str| {
                    let mut other = files.clone();
                    other.get_mut(name).unwrap().replace_range(line.at.clone(), text);
                    let (words, problems) = read(&other, Problems::new());
                    (!problems.has_errors()).then(|| places_apart(&words))
                };
                // Without the line all is the same; with another value it is not, as far as can be seen: a settings' `Debug` may
                // hide it. Then the examples' own rule holds for what is no text: what is commented out is the default.
                let same = places_apart(&whole);
                let is_default = with(" ").as_ref() == Some(&same)
                    && (plain
                        || others.iter().any(|other| {
                            with(&format!("\"{}\" = {other}", line.key)).is_some_and(|words| words != same)
                        }));
                match is_default {
                    true => told.default = Some(line.value),
                    false => told.example = Some(line.value),
                }
            }
        }
    }
    all
}

/// Other values than the one that may be a default, to be tried in its place: the words that can stand there, or what some
/// key or other of its kind takes.
fn others(shapes: &[Shape]) -> Vec<String> {
    let tried: fn(&Shape) -> Vec<String> = |shape| match shape {
        Shape::Words(words) => words.iter().map(|word| format!("\"{word}\"")).collect(),
        Shape::List(_, of) => match &**of {
            Shape::Words(words) => words.iter().map(|word| format!("[\"{word}\"]")).collect(),
            _ => vec!["[]".to_owned(), "[\"ZZ\"]".to_owned()],
        },
        Shape::Text | Shape::TextOrNumber => ["ZZ", ";", "^", "%Y%m%d", "07", "https://other.example"]
            .map(|text| format!("\"{text}\""))
            .to_vec(),
        Shape::TextOrTable => {
            ["11%", "warn", "off", "none", "never"].map(|text| format!("\"{text}\"")).to_vec()
        }
        Shape::Percent => vec!["\"11%\"".to_owned()],
        _ => vec!["\"ZZ\"".to_owned()],
    };
    shapes.iter().flat_map(tried).collect()
}

/// A file with no other beside it than it needs.
pub(super) fn alone(name: &str, text: &str) -> Files {
    let mut files = Files::from([(name.to_owned(), text.to_owned())]);
    files.entry(MAIN.to_owned()).or_insert_with(|| main_with(NCIP));
    files
}

/// What was read, without its places: those move with every line.
fn places_apart(words: &str) -> String {
    let mut kept = String::new();
    for (at, part) in words.split("span: ").enumerate() {
        let rest = part.trim_start_matches(|c: char| at > 0 && (c.is_ascii_digit() || c == '.'));
        kept.push_str(rest);
    }
    kept
}

/// The pattern of a key's path: its own names become `*` where no such key is known.
pub(super) fn pattern(path: &str, known: &BTreeSet<String>) -> Option<String> {
    let mut found = String::new();
    for part in path.split('.') {
        let dot = if found.is_empty() { "" } else { "." };
        let there = |name: &str| known.contains(&format!("{found}{dot}{}", name.trim_end_matches("[]")));
        let name = if there(part) { part } else { "*" };
        if !there(name) {
            return None;
        }
        found = format!("{found}{dot}{name}");
    }
    Some(found)
}
