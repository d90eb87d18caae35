//! `init`: a starting configuration, with a key for the store. It asks on a terminal, or takes flags; what can do harm has no
//! default. Nothing that is there is written over.

mod ask;
mod compose;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use rostercard_config::Name;
use rostercard_core::rules::Existing as Rule;
use zeroize::Zeroizing;

use crate::cli::Global;
use crate::cli::init::{Approach, Existing, Holds, Init, Source, Way};
use crate::exit::Exit;
use crate::machine;
use crate::output::{Out, complain};

use self::ask::{Answers, Question, Unanswered};
pub(crate) use self::compose::{MainStart, PartnershipStart, SourceStart, WayStart};

/// Writes a starting configuration.
pub(crate) fn init(global: &Global, args: &Init) -> Result<Exit, Exit> {
    let mut lines = machine::lines();
    let asked = args.ask || (machine::is_a_terminal() && !global.json);
    let mut answers = Answers::new(asked.then_some(&mut lines));
    let folder = match &args.out {
        Some(folder) => folder.clone(),
        None => global.config.parent().unwrap_or(Path::new("")).to_owned(),
    };
    let start = answered(args, &mut answers).map_err(|why| {
        complain(global.json, &why.what, &why.hint);
        Exit::Usage
    })?;
    match write(&folder, start.main.as_ref(), &start.partnership) {
        Ok(written) if global.json => {
            let secrets: Vec<String> =
                start.secrets().map(|(file, _)| folder.join(file).display().to_string()).collect();
            Out::stdout().json(&serde_json::json!({ "written": written, "secrets_to_write": secrets }));
            Ok(Exit::Done)
        }
        Ok(written) => {
            Out::stdout().line(&said(global, &folder, &start, &written));
            Ok(Exit::Done)
        }
        Err(error) => {
            let hint = "nothing that is there is written over; name another folder by --out, or another partnership by \
                        --partnership and --only-partnership";
            complain(global.json, &format!("the configuration cannot be written: {error}"), hint);
            Err(Exit::Failed)
        }
    }
}

/// What is to be written.
struct Start {
    /// None: rostercard.toml is there.
    main: Option<MainStart>,
    partnership: PartnershipStart,
}

impl Start {
    /// The files that secrets have to be written into, each with what belongs there.
    fn secrets(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.main.iter().filter_map(|main| main.way.secret()).chain(self.partnership.source.secret())
    }
}

const ANY: fn(&str) -> Result<(), String> =
    |text| if text.trim().is_empty() { Err("write something".to_owned()) } else { Ok(()) };

/// Each question, with its flag, its words, its default and what an answer must be.
const LIBRARY: Question =
    Question { flag: "--library", ask: "The library's name", default: Some("My Library"), check: ANY };
const TIMEZONE: Question = Question {
    flag: "--timezone",
    ask: "The library's time zone, as area and city",
    default: Some("America/Los_Angeles"),
    check: |text| {
        let known = TimeZone::get(text).is_ok();
        known.then_some(()).ok_or_else(|| "write an area and a city, as in America/Los_Angeles".to_owned())
    },
};
const STATE: Question = Question {
    flag: "--state",
    ask: "The folder in which Rostercard keeps what it knows",
    default: Some("/var/lib/rostercard"),
    check: ANY,
};
const PARTNERSHIP: Question = Question {
    flag: "--partnership",
    ask: "A short name for the agreement with the district: lowercase letters, digits, hyphens",
    default: Some("my-district"),
    check: |text| {
        Name::new(text).map(|_| ()).ok_or_else(|| match Name::suggest(text) {
            Some(name) => format!("write {name}: lowercase letters, digits and hyphens"),
            None => "use lowercase letters, digits and hyphens".to_owned(),
        })
    },
};
const DISTRICT: Question = Question {
    flag: "--district",
    ask: "The district's name, as people know it",
    default: Some("My School District"),
    check: ANY,
};
const PACKAGE: Question = Question {
    flag: "--package",
    ask: "The roster: a zip, a file, or a folder",
    default: Some("/var/lib/rostercard/rosters/my-district.zip"),
    check: ANY,
};
const PRESET: Question = Question {
    flag: "--preset",
    ask: "Whose export is it: clever, aeries, powerschool, or none of them",
    default: Some("none"),
    check: |text| one_of(text, &["none", "clever", "aeries", "powerschool"]),
};
const SIS_URL: Question = Question {
    flag: "--sis-url",
    ask: "The address of the SIS's OneRoster service, up to v1p1 or v1p2",
    default: Some("https://sis.example.org/ims/oneroster/rostering/v1p2"),
    check: address,
};
const TOKEN_URL: Question = Question {
    flag: "--token-url",
    ask: "The address at which it gives tokens",
    default: Some("https://sis.example.org/oauth/token"),
    check: address,
};
const SIS_CLIENT: Question =
    Question { flag: "--sis-client", ask: "The client's id", default: Some("my-library"), check: ANY };
const CLEVER_DISTRICT: Question = Question {
    flag: "--clever-district",
    ask: "Clever's id of the district: 24 letters and digits, as Clever's dashboard shows it",
    default: Some("55108ad78349a40100000022"),
    check: ANY,
};
const ILS_NAME: Question = Question {
    flag: "--ils-name",
    ask: "The ILS's name in rostercard.toml",
    default: Some("main"),
    check: ANY,
};
const NCIP: Question = Question {
    flag: "--ncip",
    ask: "The ILS's NCIP address",
    default: Some("https://ils.example.org/ncip"),
    check: address,
};
const KOHA: Question = Question {
    flag: "--koha",
    ask: "Koha's address, as staff open it",
    default: Some("https://koha.example.org"),
    check: address,
};
const KOHA_CLIENT: Question =
    Question { flag: "--koha-client", ask: "The id of its API key", default: Some("rostercard"), check: ANY };
const SIP2: Question = Question {
    flag: "--sip2",
    ask: "Host and port of the SIP2 server",
    default: Some("sip.example.org:6001"),
    check: |text| {
        host_and_port(text).map(|_| ()).ok_or_else(|| "write it like sip.example.org:6001".to_owned())
    },
};
const SIP2_LOGIN: Question = Question {
    flag: "--sip2-login",
    ask: "The login at the SIP2 server",
    default: Some("rostercard"),
    check: ANY,
};
const LOADER: Question = Question {
    flag: "--loader",
    ask: "Whose loader takes the files: generic, koha, polaris, sierra, symphony, evergreen",
    default: Some("generic"),
    check: |text| one_of(text, &["generic", "koha", "polaris", "sierra", "symphony", "evergreen"]),
};

fn one_of(text: &str, words: &[&str]) -> Result<(), String> {
    if words.contains(&text) { Ok(()) } else { Err(format!("write one of {}", words.join(", "))) }
}

fn address(text: &str) -> Result<(), String> {
    let begins = ["https://", "http://", "tcp://", "tls://"].iter().any(|scheme| text.starts_with(scheme));
    if begins { Ok(()) } else { Err("write the whole address, with https:// before it".to_owned()) }
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    Some((host.to_owned(), port.parse().ok()?)).filter(|_| !host.is_empty())
}

fn answered(args: &Init, answers: &mut Answers<'_>) -> Result<Start, Unanswered> {
    // What cannot be a name is told first: it is the commonest mistake.
    let main = match args.only_partnership {
        true => None,
        false => Some((
            answers.text(args.library.as_ref(), &LIBRARY)?,
            answers.text(args.timezone.as_ref(), &TIMEZONE)?,
            answers.text(args.state.as_ref(), &STATE)?,
        )),
    };
    let name = answers.text(args.partnership.as_ref(), &PARTNERSHIP)?;
    let district = answers.text(args.district.as_ref(), &DISTRICT)?;
    let ask = ("--approach", "Which programme is it?");
    let approach = answers.choice(args.approach, ask, Approach::ALL, Some(Approach::Digital))?;
    let existing = match approach {
        // It is the programme itself.
        Approach::Linked if args.existing.is_none() => Existing::Link,
        _ => {
            let ask =
                ("--existing", "Many children have a card of the library already. What becomes of those?");
            answers.choice(args.existing, ask, Existing::ALL, None)?
        }
    };
    let source = source(args, answers)?;
    let (main, ils) = match main {
        Some((library, timezone, state)) => {
            let way = way(args, answers)?;
            (Some(MainStart { library, timezone, state, way }), "main".to_owned())
        }
        None => (None, answers.text(args.ils_name.as_ref(), &ILS_NAME)?),
    };
    let existing = match existing {
        Existing::Separate => Rule::Separate,
        Existing::Link => Rule::Link,
        Existing::Skip => Rule::Skip,
    };
    let partnership = PartnershipStart { name, district, ils, approach, existing, source, homes: Vec::new() };
    Ok(Start { main, partnership })
}

fn source(args: &Init, answers: &mut Answers<'_>) -> Result<SourceStart, Unanswered> {
    let ask = ("--source", "Where does the roster come from?");
    let meant = args.source.or_else(|| match (&args.package, &args.sis_url, &args.clever_district) {
        (Some(_), _, _) if args.holds.is_some() || args.preset.is_some() => Some(Source::CsvDrop),
        (Some(_), _, _) => Some(Source::OneRosterCsv),
        (_, Some(_), _) => Some(Source::OneRoster),
        (_, _, Some(_)) => Some(Source::Clever),
        _ => None,
    });
    Ok(match answers.choice(meant, ask, Source::ALL, Some(Source::OneRosterCsv))? {
        Source::OneRosterCsv => {
            SourceStart::OneRosterCsv { path: answers.text(args.package.as_ref(), &PACKAGE)? }
        }
        Source::OneRoster => SourceStart::OneRoster {
            url: answers.text(args.sis_url.as_ref(), &SIS_URL)?,
            token_url: answers.text(args.token_url.as_ref(), &TOKEN_URL)?,
            client: answers.text(args.sis_client.as_ref(), &SIS_CLIENT)?,
        },
        Source::Clever => SourceStart::Clever {
            district: answers.text(args.clever_district.as_ref(), &CLEVER_DISTRICT)?,
            client: answers.text(args.sis_client.as_ref(), &SIS_CLIENT)?,
        },
        Source::CsvDrop => {
            let path = answers.text(args.package.as_ref(), &PACKAGE)?;
            let ask = ("--holds", "What does each file hold?");
            let holds = answers.choice(args.holds, ask, Holds::ALL, None)?;
            let preset = Some(answers.text(args.preset.as_ref(), &PRESET)?).filter(|preset| preset != "none");
            SourceStart::CsvDrop { path, holds, preset }
        }
    })
}

fn way(args: &Init, answers: &mut Answers<'_>) -> Result<WayStart, Unanswered> {
    let ask = ("--ils", "How is the ILS reached?");
    let meant = args.ils.or(match (&args.ncip, &args.koha, &args.sip2) {
        (Some(_), _, _) => Some(Way::Ncip),
        (_, Some(_), _) => Some(Way::Koha),
        (_, _, Some(_)) => Some(Way::Sip2Export),
        _ => None,
    });
    Ok(match answers.choice(meant, ask, Way::ALL, Some(Way::Ncip))? {
        Way::Ncip => WayStart::Ncip { url: answers.text(args.ncip.as_ref(), &NCIP)? },
        Way::Koha => WayStart::Koha {
            url: answers.text(args.koha.as_ref(), &KOHA)?,
            client: answers.text(args.koha_client.as_ref(), &KOHA_CLIENT)?,
        },
        Way::Sip2Export => {
            let server = answers.text(args.sip2.as_ref(), &SIP2)?;
            let (host, port) = host_and_port(&server).unwrap_or((server, 6001));
            let login = answers.text(args.sip2_login.as_ref(), &SIP2_LOGIN)?;
            WayStart::Sip2Export { host, port, login, loader: answers.text(args.loader.as_ref(), &LOADER)? }
        }
    })
}

/// What was written, and what comes next: three commands.
fn said(global: &Global, folder: &Path, start: &Start, written: &[PathBuf]) -> String {
    let mut text = String::new();
    for path in written {
        text.push_str(&format!("Wrote {}\n", path.display()));
    }
    if start.main.is_some() {
        text.push_str("Keep a copy of state.key in a safe place: without it the store cannot be read.\n");
    }
    for (file, what) in start.secrets() {
        let path = folder.join(file);
        text.push_str(&format!("Put {what} into {0}:  install -m 600 /dev/stdin {0}\n", path.display()));
    }
    if start.partnership.source.client() == SIS_CLIENT.default {
        text.push_str("Write the id that belongs to the secret in place of client_id's example, too.\n");
    }
    let config = folder.join("rostercard.toml");
    let with =
        if config == global.config { String::new() } else { format!(" --config {}", config.display()) };
    let name = &start.partnership.name;
    text.push_str(&format!(
        "Look through {}: the category, the number, and below [homes] the branch of each school. Then\n\
         \x20 rostercard{with} check --online\n\
         \x20 rostercard{with} source schools {name}\n\
         \x20 rostercard{with} plan {name}",
        folder.join("partnerships").join(format!("{name}.toml")).display(),
    ));
    text
}

/// Writes the files: those of which none is there yet, or none at all. Which they are.
pub(crate) fn write(
    folder: &Path,
    main: Option<&MainStart>,
    partnership: &PartnershipStart,
) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    if let Some(main) = main {
        let mut secret = Zeroizing::new([0; 32]);
        machine::fill(&mut *secret);
        let key = Zeroizing::new(secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        files.push((folder.join("rostercard.toml"), 0o640, Zeroizing::new(compose::main_file(main))));
        files.push((folder.join("state.key"), 0o600, Zeroizing::new(format!("{}\n", *key))));
    } else if !folder.join("rostercard.toml").is_file() {
        return Err(format!("{}: it is not there", folder.join("rostercard.toml").display()));
    }
    let name = format!("{}.toml", partnership.name);
    let text = Zeroizing::new(compose::partnership_file(partnership));
    files.push((folder.join("partnerships").join(name), 0o640, text));
    // Half a configuration beside an old one would be neither.
    if let Some((there, ..)) = files.iter().find(|(path, ..)| path.exists()) {
        return Err(format!("{}: it is there already", there.display()));
    }
    let partnerships = folder.join("partnerships");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(&partnerships)
        .map_err(|error| format!("{}: {error}", partnerships.display()))?;
    for (path, mode, text) in &files {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(*mode)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(files.into_iter().map(|(path, ..)| path).collect())
}
