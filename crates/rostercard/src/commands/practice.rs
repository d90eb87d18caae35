//! `practice`: systems that speak the real protocols, with invented people.

use std::time::Duration;

use rostercard_practice::ils::{
    Ils, Options, PERSONALITIES, Personality, SIP2_PERSONALITIES, Sip2Personality,
};
use rostercard_practice::roster::{Spec, Version, generate};
use serde_json::json;

use crate::cli::{Global, PracticeCommand};
use crate::exit::Exit;
use crate::output::{Out, complain};

/// Runs a practice system.
pub(crate) async fn practice(global: &Global, command: &PracticeCommand) -> Result<Exit, Exit> {
    match command {
        PracticeCommand::Ils { ncip, sip2, sip2_personality, page, patrons, latency_ms, personality } => {
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
            let mut addresses = json!({ "ncip": running.ncip_url(), "page": running.page_url() });
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
