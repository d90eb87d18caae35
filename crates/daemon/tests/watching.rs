//! What is shipped for watching the daemon asks for what the daemon answers: alert rules and the dashboard name no metric that is
//! not there, the rules do what their tests say, and Prometheus' own tools have nothing to say about them.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use rostercard_core::plan::Counts;
use rostercard_daemon::health::{Facts, judge, overall};
use rostercard_daemon::metrics::{Metrics, RunFacts};

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

/// The answer of a daemon in which everything has happened once.
fn answer() -> String {
    let metrics = Metrics::new("0.1.0");
    let counts = Counts::default();
    metrics.ran(&RunFacts {
        partnership: "oak",
        state: "done",
        counts: &counts,
        writes: 1,
        lookups: 2,
        seconds: 3.0,
    });
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let facts = Facts {
        name: "oak".to_owned(),
        next_run: Some(now),
        last_success: Some(now),
        roster_as_of: Some(now),
        cards: 12,
        ..Facts::default()
    };
    metrics.text(&overall(vec![judge(facts, now)], true))
}

/// Every name of ours in a text. What ends in `_` is no metric but the beginning of one.
fn named(text: &str) -> BTreeSet<String> {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c: char| !letter(c))
        .filter(|word| word.starts_with("rostercard_") && !word.ends_with('_'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn rules_and_dashboard_name_only_what_the_daemon_answers() {
    let answer = answer();
    let answered: BTreeSet<String> = answer
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .map(str::to_owned)
        .collect();
    for name in
        ["prometheus/rostercard.rules.yml", "prometheus/rostercard.rules.test.yml", "grafana/rostercard.json"]
    {
        let text = fs::read_to_string(deploy(name)).unwrap();
        let missing: Vec<String> = named(&text).difference(&answered).cloned().collect();
        assert!(missing.is_empty(), "{name} asks for {missing:?}, which is not in\n{answer}");
        assert!(named(&text).len() >= 4, "{name} asks for nothing");
        // A state that is asked for by its word is one that there is.
        for word in text.split("state=\\\"").skip(1).chain(text.split("state=\"").skip(1)) {
            let word: String = word.chars().take_while(char::is_ascii_alphabetic).collect();
            assert!(answer.contains(&format!("state=\"{word}\"")), "{name}: no state {word}");
        }
    }
    // And whoever adds a metric is asked to show it: nothing is measured that nobody sees.
    let shown = named(&fs::read_to_string(deploy("grafana/rostercard.json")).unwrap());
    let base = |name: &str| name.trim_end_matches("_sum").trim_end_matches("_count").to_owned();
    for name in answered {
        let seen = shown.iter().any(|shown| shown.starts_with(&base(&name)));
        assert!(seen, "{name} is on no panel");
    }
}

#[test]
fn the_dashboard_is_one_that_can_be_imported() {
    let text = fs::read_to_string(deploy("grafana/rostercard.json")).unwrap();
    let board: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "a panel's number twice");
    for panel in panels {
        let queries = panel["targets"].as_array().unwrap();
        assert!(!queries.is_empty() && queries.iter().all(|query| query["expr"].is_string()), "{panel}");
        let (x, w) = (panel["gridPos"]["x"].as_i64().unwrap(), panel["gridPos"]["w"].as_i64().unwrap());
        assert!(x + w <= 24, "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "no data source of somebody's own");
    }
}

/// Every query of the dashboard is one that Prometheus can read: as the expression of a rule, since `promtool` reads those.
#[test]
#[expect(clippy::disallowed_methods, reason = "CI says by the environment that nothing may be skipped")]
fn promtool_passes_the_rules_their_tests_and_the_queries() {
    let folder = tempfile::tempdir().unwrap();
    let board: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(deploy("grafana/rostercard.json")).unwrap()).unwrap();
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for panel in board["panels"].as_array().unwrap() {
        for (at, query) in panel["targets"].as_array().unwrap().iter().enumerate() {
            let expr = query["expr"].as_str().unwrap().replace("$partnership", "oak");
            assert!(!expr.contains('$'), "{expr}");
            // JSON's strings are YAML's too.
            let expr = serde_json::Value::from(expr);
            rules += &format!("      - record: panel_{}_{at}\n        expr: {expr}\n", panel["id"]);
        }
    }
    let queries = folder.path().join("queries.yml");
    fs::write(&queries, rules).unwrap();
    for (args, file) in [
        (&["check", "rules"][..], deploy("prometheus/rostercard.rules.yml")),
        (&["test", "rules"], deploy("prometheus/rostercard.rules.test.yml")),
        (&["check", "config", "--syntax-only"], deploy("prometheus/prometheus.yml")),
        (&["check", "rules"], queries),
    ] {
        let Ok(ran) = Command::new("promtool").args(args).arg(&file).output() else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no promtool here");
            println!("skipped: no promtool here");
            return;
        };
        let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "promtool {args:?} {}: {said}", file.display());
    }
}
