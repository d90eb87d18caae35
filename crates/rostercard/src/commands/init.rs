//! `init`: a starting configuration, with a key for the store, to be filled in.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rostercard_config::Name;
use zeroize::Zeroizing;

use crate::cli::{Global, Init};
use crate::exit::Exit;
use crate::machine;
use crate::output::{Out, complain};

/// What the starting configuration says.
pub(crate) struct Start<'a> {
    /// The library's name.
    pub(crate) library: &'a str,
    /// Its time zone.
    pub(crate) timezone: &'a str,
    /// The ILS's NCIP address.
    pub(crate) ncip: &'a str,
    /// The folder of the state store.
    pub(crate) state: &'a Path,
    /// The partnership's name.
    pub(crate) partnership: &'a str,
    /// The district's name.
    pub(crate) district: &'a str,
    /// The roster's package.
    pub(crate) package: &'a Path,
    /// `[homes]`: school and branch.
    pub(crate) homes: &'a [(String, String)],
}

/// Writes a starting configuration.
pub(crate) fn init(global: &Global, args: &Init) -> Result<Exit, Exit> {
    let folder = match &args.out {
        Some(folder) => folder.clone(),
        None => global.config.parent().unwrap_or(Path::new("")).to_owned(),
    };
    if Name::new(&args.partnership).is_none() {
        let hint = match Name::suggest(&args.partnership) {
            Some(name) => format!("write {}: lowercase letters, digits and hyphens", name.as_str()),
            None => "use lowercase letters, digits and hyphens".to_owned(),
        };
        complain(global.json, &format!("`{}` cannot be a partnership's name", args.partnership), &hint);
        return Err(Exit::Usage);
    }
    let start = Start {
        library: &args.library,
        timezone: &args.timezone,
        ncip: &args.ncip,
        state: &args.state,
        partnership: &args.partnership,
        district: &args.district,
        package: &args.package,
        homes: &[],
    };
    match write(&folder, &start) {
        Ok(()) => {
            Out::stdout().line(&format!(
                "Wrote {0}/rostercard.toml, {0}/partnerships/{1}.toml and {0}/state.key.\n\
                 Keep a copy of state.key in a safe place: without it the store cannot be read.\n\
                 Next: fill in the ILS's address, the roster's path and [homes], then\n\
                 \x20 rostercard --config {0}/rostercard.toml check --online",
                folder.display(),
                args.partnership
            ));
            Ok(Exit::Done)
        }
        Err(error) => {
            let hint = "nothing that is there is written over; name another folder by --out";
            complain(global.json, &format!("the configuration cannot be written: {error}"), hint);
            Err(Exit::Failed)
        }
    }
}

/// Writes the three files. Nothing that is there is written over.
pub(crate) fn write(folder: &Path, start: &Start<'_>) -> Result<(), String> {
    let partnerships = folder.join("partnerships");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(&partnerships)
        .map_err(|error| format!("{}: {error}", partnerships.display()))?;
    let mut secret = Zeroizing::new([0; 32]);
    machine::fill(&mut *secret);
    let key = Zeroizing::new(secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let file = |name: &str, mode: u32, text: &str| {
        let path = folder.join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    file("rostercard.toml", 0o640, &main_file(start))?;
    file(&format!("partnerships/{}.toml", start.partnership), 0o640, &partnership_file(start))?;
    file("state.key", 0o600, &format!("{}\n", *key))
}

/// A TOML string. JSON's escapes are TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn main_file(start: &Start<'_>) -> String {
    format!(
        r#"# Rostercard's main file. `rostercard check` finds every mistake in it.

[library]
name = {library}
timezone = {timezone}

[state]
path = {state}
# 64 hexadecimal digits. Without this key the store cannot be read: keep a copy in a safe place.
key = {{ file = "state.key" }}

[ils.main]
id = "main"                 # permanent: the store knows the ILS by it

[ils.main.ncip]
url = {ncip}
from_agency = "ROSTERCARD"  # what the ILS knows Rostercard as
to_agency = "MAIN"          # the library's agency code in the ILS

[ils.main.limits]
connections = 4
deadline = "30s"
"#,
        library = quoted(start.library),
        timezone = quoted(start.timezone),
        state = quoted(&start.state.display().to_string()),
        ncip = quoted(start.ncip),
    )
}

fn partnership_file(start: &Start<'_>) -> String {
    let mut homes: String = start
        .homes
        .iter()
        .map(|(school, branch)| format!("{} = {}\n", quoted(school), quoted(branch)))
        .collect();
    if homes.is_empty() {
        homes.push_str("\"Example Elementary School\" = \"MAIN\"\n");
    }
    format!(
        r#"# One agreement between a district and the library.

id = {id}                   # permanent: cards are known by it, whatever the file is called
district = {district}
ils = "main"
schedule = "30 4 * * MON-FRI"

[source.oneroster_csv]
path = {package}            # a zip or a folder

[card]
model = "digital"
category = "STUDENT"
number = "77{{student_id:0>8}}"
pin = "random"
expires = {{ every_year = "10-01" }}

[match]
existing = "separate"       # a card of its own beside any that the child has

[homes]                     # school -> branch; a school that is not here waits, it is never guessed
{homes}"#,
        id = quoted(start.partnership),
        district = quoted(start.district),
        package = quoted(&start.package.display().to_string()),
    )
}
