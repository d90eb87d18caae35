//! `practice`: systems that speak the real protocols, with invented people.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rostercard_practice::ils::{
    Ils, KohaManners, Options, PERSONALITIES, Personality, SIP2_PERSONALITIES, Sip2Personality,
};
use rostercard_practice::roster::{Spec, Version, generate};
use rostercard_practice::sis::package::Package;
use rostercard_practice::sis::{Sis, clever, oneroster};
use serde_json::{Value, json};

use crate::cli::{Global, PracticeCommand};
use crate::exit::Exit;
use crate::output::{Out, complain};

/// Runs a practice system.
pub(crate) async fn practice(global: &Global, command: &PracticeCommand) -> Result<Exit, Exit> {
    match command {
        PracticeCommand::Ils {
            ncip,
            ncip_tcp,
            koha,
            sip2,
            sip2_personality,
            page,
            patrons,
            latency_ms,
            personality,
        } => {
            // Koha as it comes: passwords of eight and more, with capitals, small letters and digits.
            let manners = match personality.as_deref() {
                Some("strict") => KohaManners { pin_min: 8, pin_strong: true, ..KohaManners::default() },
                _ => KohaManners::default(),
            };
            let unknown = |name: &str, all: &[(&str, &str)]| {
                let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
                let hint = format!("there are: {}", names.join(", "));
                complain(global.json, &format!("there is no personality `{name}`"), &hint);
                Exit::Usage
            };
            let personality = match personality.as_deref() {
                None => Personality::default(),
                Some(name) => Personality::named(name).ok_or_else(|| unknown(name, PERSONALITIES))?,
            };
            let sip2_personality = match sip2_personality.as_deref() {
                None => Sip2Personality::default(),
                Some(name) => {
                    Sip2Personality::named(name).ok_or_else(|| unknown(name, SIP2_PERSONALITIES))?
                }
            };
            let options = Options {
                ncip: *ncip,
                ncip_tcp: *ncip_tcp,
                koha: *koha,
                koha_manners: manners,
                page: *page,
                sip2: *sip2,
                sip2_personality,
                patrons_file: patrons.clone(),
                latency: Duration::from_millis(*latency_ms),
                personality,
                ..Options::default()
            };
            let running = Ils::start(options).await.map_err(|error| {
                complain(
                    global.json,
                    &error.to_string(),
                    "name another address or file; port 0 picks a free port",
                );
                Exit::Failed
            })?;
            let mut addresses = json!({
                "ncip": running.ncip_url(), "koha": running.koha_url(), "page": running.page_url(),
            });
            if let (Some(tcp), Some(object)) = (running.ncip_tcp_url(), addresses.as_object_mut()) {
                object.insert("ncip_tcp".to_owned(), json!(tcp));
            }
            if let (Some(at), Some(object)) = (running.sip2_address(), addresses.as_object_mut()) {
                object.insert("sip2".to_owned(), json!(at.to_string()));
            }
            Out::stdout().json(&addresses);
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            running.stop().await;
            Ok(Exit::Done)
        }
        PracticeCommand::Sis { listen, package, personality, quirks } => {
            sis(global, *listen, package, personality.as_deref(), quirks.as_deref()).await
        }
        PracticeCommand::Roster { students, seed, day, out, oneroster } => {
            let version = match oneroster.as_str() {
                "1.1" => Version::V1p1,
                "1.2" => Version::V1p2,
                other => {
                    complain(global.json, &format!("there is no OneRoster {other} here"), "write 1.1 or 1.2");
                    return Err(Exit::Usage);
                }
            };
            let spec = Spec { day: *day, version, ..Spec::new(*students, *seed) };
            let written = generate(&spec, out).map_err(|error| {
                complain(
                    global.json,
                    &error.to_string(),
                    "name a folder that can be written, or a file ending in .zip",
                );
                Exit::Failed
            })?;
            Out::stdout().json(&json!({
                "path": written.path.display().to_string(),
                "students": written.students,
                "educators": written.educators,
                "schools": written.schools,
            }));
            Ok(Exit::Done)
        }
    }
}

/// Serves a package until Ctrl-C.
async fn sis(
    global: &Global,
    listen: SocketAddr,
    package: &Path,
    personality: Option<&str>,
    quirks: Option<&str>,
) -> Result<Exit, Exit> {
    let usage = |message: &str, hint: &str| {
        complain(global.json, message, hint);
        Exit::Usage
    };
    let manners = oneroster::Quirks::named(personality.unwrap_or("good")).ok_or_else(|| {
        let names: Vec<&str> = oneroster::PERSONALITIES.iter().map(|(name, _)| *name).collect();
        usage("there is no such personality", &format!("there are: {}", names.join(", ")))
    })?;
    let manners = match quirks {
        None => manners,
        Some(text) => toggled(&manners, text)
            .map_err(|why| usage(&format!("--quirks: {why}"), "see docs/connectors/rest.md"))?,
    };
    let failed = |message: &str, hint: &str| {
        complain(global.json, message, hint);
        Exit::Failed
    };
    let package = Package::read(package)
        .map_err(|error| failed(&error.to_string(), "name a folder or a zip with OneRoster CSV files"))?;
    let district = oneroster::OneRoster::of(&package, manners);
    let mut mounts = district.mounts();
    mounts.extend(clever::Clever::of(&package).mounts());
    let running = Sis::start(listen, mounts)
        .await
        .map_err(|error| failed(&error.to_string(), "name another address; port 0 picks a free port"))?;
    let mut line = serde_json::Map::new();
    line.extend(running.urls().map(|(name, url)| (name.to_owned(), json!(url))));
    line.insert("client_id".to_owned(), json!(oneroster::CLIENT_ID));
    line.insert("client_secret".to_owned(), json!(oneroster::CLIENT_SECRET));
    line.insert(
        "clever_app".to_owned(),
        json!({
            "district": clever::DISTRICT,
            "client_id": clever::CLIENT_ID,
            "client_secret": clever::CLIENT_SECRET,
        }),
    );
    Out::stdout().json(&Value::Object(line));
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    Ok(Exit::Done)
}

/// Manners with some of them as a JSON object says.
fn toggled(manners: &oneroster::Quirks, text: &str) -> Result<oneroster::Quirks, serde_json::Error> {
    let mut value = serde_json::to_value(manners)?;
    let toggles: serde_json::Map<String, Value> = serde_json::from_str(text)?;
    if let Some(object) = value.as_object_mut() {
        object.extend(toggles);
    }
    serde_json::from_value(value)
}
