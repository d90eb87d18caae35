//! What `init` writes: rostercard.toml, and a partnership's file made of a ready-made programme of config/approaches/, with
//! the source, the names and the choices that were said put into it.

use rostercard_core::rules::Existing;

use crate::cli::init::{Approach, Holds};

/// Where the roster comes from.
#[derive(Debug, Clone)]
pub(crate) enum SourceStart {
    /// A OneRoster package.
    OneRosterCsv {
        /// A zip or a folder.
        path: String,
    },
    /// A OneRoster service.
    OneRoster {
        /// Its address.
        url: String,
        /// Where tokens are given.
        token_url: String,
        /// The client's id.
        client: String,
    },
    /// Clever.
    Clever {
        /// Clever's id of the district.
        district: String,
        /// The app's id.
        client: String,
    },
    /// A district's own file.
    CsvDrop {
        /// The file or folder.
        path: String,
        /// What each file holds.
        holds: Holds,
        /// Whose export it is.
        preset: Option<String>,
    },
}

/// How the ILS is reached.
#[derive(Debug, Clone)]
pub(crate) enum WayStart {
    /// NCIP.
    Ncip {
        /// Its address.
        url: String,
    },
    /// Koha's REST API.
    Koha {
        /// As staff open it.
        url: String,
        /// The id of the API key.
        client: String,
    },
    /// Files for a loader, seen by SIP2.
    Sip2Export {
        /// The server's host.
        host: String,
        /// And its port.
        port: u16,
        /// The login.
        login: String,
        /// Whose loader.
        loader: String,
    },
}

/// What rostercard.toml says.
#[derive(Debug, Clone)]
pub(crate) struct MainStart {
    /// The library's name.
    pub(crate) library: String,
    /// Its time zone.
    pub(crate) timezone: String,
    /// The folder of the state store.
    pub(crate) state: String,
    /// The ILS.
    pub(crate) way: WayStart,
}

/// What a partnership's file says.
#[derive(Debug, Clone)]
pub(crate) struct PartnershipStart {
    /// Its name and permanent id.
    pub(crate) name: String,
    /// The district's name.
    pub(crate) district: String,
    /// The ILS's name in rostercard.toml.
    pub(crate) ils: String,
    /// The programme.
    pub(crate) approach: Approach,
    /// What becomes of cards that are there.
    pub(crate) existing: Existing,
    /// Where the roster comes from.
    pub(crate) source: SourceStart,
    /// `[homes]`: school and branch; none yet where it is empty.
    pub(crate) homes: Vec<(String, String)>,
}

impl Approach {
    /// Its file.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Digital => include_str!("../../../../../config/approaches/digital-card.toml"),
            Self::StudentId => include_str!("../../../../../config/approaches/student-id-card.toml"),
            Self::Starter => include_str!("../../../../../config/approaches/starter-card.toml"),
            Self::Linked => include_str!("../../../../../config/approaches/linked-card.toml"),
            Self::Educator => include_str!("../../../../../config/approaches/educator-card.toml"),
        }
    }
}

impl SourceStart {
    fn table(&self) -> String {
        match self {
            Self::OneRosterCsv { path } => {
                format!("[source.oneroster_csv]\npath = {}            # a zip or a folder\n", quoted(path))
            }
            Self::OneRoster { url, token_url, client } => format!(
                "[source.oneroster]\nurl = {}\nversion = \"{}\"\ntoken_url = {}\nclient_id = {}\nclient_secret = {{ file = \"sis.secret\" }}\n",
                quoted(url),
                if url.contains("v1p1") { "1.1" } else { "1.2" },
                quoted(token_url),
                quoted(client),
            ),
            Self::Clever { district, client } => format!(
                "[source.clever]\ndistrict = {}\nclient_id = {}\nclient_secret = {{ file = \"clever.secret\" }}\n",
                quoted(district),
                quoted(client),
            ),
            Self::CsvDrop { path, holds, preset } => {
                let columns = match preset {
                    Some(preset) => format!("preset = {}\n", quoted(preset)),
                    None => "# The file's own names of its columns: change what stands to the right.\n\
                             columns = { student_id = \"Student Number\", given_name = \"First Name\", family_name = \"Last Name\", \
                             birth_date = \"Birth Date\", grade = \"Grade\", school = \"School\" }\n"
                        .to_owned(),
                };
                let (holds, _, what) =
                    Holds::ALL.iter().find(|(_, one, _)| one == holds).unwrap_or(&Holds::ALL[0]);
                format!(
                    "[source.csvdrop]\npath = {}\nholds = \"{holds}\"  # {}\n{columns}",
                    quoted(path),
                    what.trim()
                )
            }
        }
    }

    /// The id of the client by which it is asked, where it has one.
    pub(crate) fn client(&self) -> Option<&str> {
        match self {
            Self::OneRoster { client, .. } | Self::Clever { client, .. } => Some(client),
            Self::OneRosterCsv { .. } | Self::CsvDrop { .. } => None,
        }
    }

    /// The files that secrets have to be written into.
    pub(crate) fn secret(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::OneRosterCsv { .. } | Self::CsvDrop { .. } => None,
            Self::OneRoster { .. } => Some(("sis.secret", "the client's secret")),
            Self::Clever { .. } => Some(("clever.secret", "the app's secret")),
        }
    }
}

impl WayStart {
    fn tables(&self) -> String {
        match self {
            Self::Ncip { url } => format!(
                "[ils.main]\n{ID}\n[ils.main.ncip]\nurl = {}\nfrom_agency = \"ROSTERCARD\"  # what the ILS knows Rostercard as\n\
                 to_agency = \"MAIN\"          # the library's agency code in the ILS\n",
                quoted(url),
            ),
            Self::Koha { url, client } => format!(
                "[ils.main]\n{ID}\n[ils.main.koha]\nurl = {}\nclient_id = {}\nclient_secret = {{ file = \"koha.secret\" }}\n\n\
                 [ils.main.koha.attributes]\nstudent_id = \"STUDENTID\"   # an attribute type that is unique in Koha; without it nobody is found by student id\n",
                quoted(url),
                quoted(client),
            ),
            Self::Sip2Export { host, port, login, loader } => {
                let local = ["localhost", "127.0.0.1", "::1"].contains(&host.as_str());
                let tls = if local { "tls = \"off\"                 # it is on this machine\n" } else { "" };
                format!(
                    "[ils.main]\n{ID}create = \"export\"           # files for the loader make the cards\nverify = \"sip2\"             # SIP2 says whether they are there\n\n\
                     [ils.main.export]\nfolder = \"export\"           # where the files are put; beside this file unless absolute\npreset = {}\n\n\
                     [ils.main.sip2]\nhost = {}\nport = {port}\n{tls}institution = \"MAIN\"        # the institution id, as the server is set\n\
                     login = {}\npassword = {{ file = \"sip2.secret\" }}\n",
                    quoted(loader),
                    quoted(host),
                    quoted(login),
                )
            }
        }
    }

    /// The files that secrets have to be written into.
    pub(crate) fn secret(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Ncip { .. } => None,
            Self::Koha { .. } => Some(("koha.secret", "the API key's secret")),
            Self::Sip2Export { .. } => Some(("sip2.secret", "the SIP2 login's password")),
        }
    }
}

const ID: &str = "id = \"main\"                 # permanent: the store knows the ILS by it\n";

/// rostercard.toml.
pub(crate) fn main_file(start: &MainStart) -> String {
    format!(
        r#"# Rostercard's main file. `rostercard check` finds every mistake in it; docs/reference/configuration.md has every key.

[library]
name = {library}
timezone = {timezone}

[state]
path = {state}
# 64 hexadecimal digits. Without this key the store cannot be read: keep a copy in a safe place.
key = {{ file = "state.key" }}

{ils}
[ils.main.limits]
connections = {connections}
deadline = "30s"
"#,
        library = quoted(&start.library),
        timezone = quoted(&start.timezone),
        state = quoted(&start.state),
        ils = start.way.tables(),
        connections = if matches!(start.way, WayStart::Sip2Export { .. }) { 1 } else { 4 },
    )
}

/// partnerships/NAME.toml.
pub(crate) fn partnership_file(start: &PartnershipStart) -> String {
    let mut written = String::new();
    let mut table = "";
    for line in start.approach.text().lines() {
        if line.starts_with("#:schema") {
            continue;
        }
        if line.starts_with('[') {
            let name = line.split(']').next().unwrap_or(line);
            table = name.trim_start_matches('[');
            if table.starts_with("source.") {
                written.push_str(&start.source.table());
                written.push('\n');
                continue;
            }
        }
        let key = line.split(" =").next().unwrap_or_default();
        match (table, key) {
            ("", "id") => set(&mut written, line, &quoted(&start.name)),
            ("", "district") => set(&mut written, line, &quoted(&start.district)),
            ("", "ils") => set(&mut written, line, &quoted(&start.ils)),
            ("match", "existing") => {
                let what =
                    crate::cli::init::Existing::ALL.iter().find(|(word, ..)| *word == start.existing.word());
                let what = what.map_or("", |(.., what)| what.trim());
                written.push_str(&format!("existing = \"{}\"       # {what}\n", start.existing.word()));
            }
            ("homes", _) if line.starts_with('"') && !start.homes.is_empty() => {
                for (school, branch) in &start.homes {
                    written.push_str(&format!("{} = {}\n", quoted(school), quoted(branch)));
                }
            }
            (source, _) if source.starts_with("source.") => {}
            _ => {
                written.push_str(line);
                written.push('\n');
            }
        }
    }
    written
}

/// The line with another value, and what stood behind it.
fn set(written: &mut String, line: &str, value: &str) {
    let key = line.split(" =").next().unwrap_or_default();
    let behind = line.split_once('#').map_or_else(String::new, |(_, words)| format!("   #{words}"));
    written.push_str(&format!("{key} = {value}{behind}\n"));
}

/// A TOML string. JSON's escapes are TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
