//! `practice`: systems that speak the real protocols, with invented people.

use std::time::Duration;

use rostercard_practice::ils::{Ils, Options, PERSONALITIES, Personality};
use rostercard_practice::roster::{Spec, Version, generate};
use serde_json::json;

use crate::cli::{Global, PracticeCommand};
use crate::exit::Exit;
use crate::output::{Out, complain};

/// Runs a practice system.
pub(crate) async fn practice(global: &Global, command: &PracticeCommand) -> Result<Exit, Exit> {
    match command {
        PracticeCommand::Ils { ncip, ncip_tcp, page, patrons, latency_ms, personality } => {
            let personality = match personality.as_deref() {
                None => Personality::default(),
                Some(name) => Personality::named(name).ok_or_else(|| {
                    let names: Vec<&str> = PERSONALITIES.iter().map(|(name, _)| *name).collect();
                    let hint = format!("there are: {}", names.join(", "));
                    complain(global.json, &format!("there is no personality `{name}`"), &hint);
                    Exit::Usage
                })?,
            };
            let options = Options {
                ncip: *ncip,
                ncip_tcp: *ncip_tcp,
                page: *page,
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
            if let (Some(tcp), Some(object)) = (running.ncip_tcp_url(), addresses.as_object_mut()) {
                object.insert("ncip_tcp".to_owned(), json!(tcp));
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
