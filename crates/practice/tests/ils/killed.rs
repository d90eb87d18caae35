//! A practice ILS in a process of its own, killed with SIGKILL while it is being written to.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rostercard_practice::ils::Options;

use crate::client::*;

const FOLDER: &str = "ROSTERCARD_PRACTICE_TEST_FOLDER";

fn kept_in(folder: &Path) -> Options {
    Options { patrons_file: Some(folder.join("patrons.jsonl")), ..Options::default() }
}

/// The process that is killed: this test binary, running this test alone.
#[tokio::test]
#[ignore = "the other half of s01_a_killed_ils_keeps_every_patron_it_told_of"]
#[expect(clippy::disallowed_methods, reason = "the parent tells the folder by the environment")]
async fn served_in_a_process_of_its_own() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = Path::new(&folder);
    let ils = ils(kept_in(folder)).await;
    fs::write(folder.join("address.new"), ils.ncip_address().to_string()).unwrap();
    fs::rename(folder.join("address.new"), folder.join("address")).unwrap();
    // Long enough for any parent; one that died leaves nobody running for ever.
    tokio::time::sleep(Duration::from_secs(60)).await;
}

async fn start(folder: &Path) -> (Child, SocketAddr) {
    let _none_at_first = fs::remove_file(folder.join("address"));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "killed::served_in_a_process_of_its_own"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..1_000 {
        if let Ok(address) = fs::read_to_string(folder.join("address")) {
            return (child, address.parse().unwrap());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    unreachable!("the child did not listen within ten seconds");
}

#[tokio::test]
async fn s01_a_killed_ils_keeps_every_patron_it_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut told_of = Vec::new();
    for round in 0..4u64 {
        let (mut child, address) = start(folder.path()).await;
        let (one_more, mut first_ones) = tokio::sync::mpsc::unbounded_channel();
        let writer = tokio::spawn(async move {
            let mut told_of = Vec::new();
            for nth in 0.. {
                let barcode = format!("77{round}{nth:05}");
                match http(address, "POST", "/ncip", &create(&barcode)).await {
                    Ok((200, answer)) if problem(&answer).is_none() => {
                        told_of.push(barcode);
                        // Nobody listens any more once the kill is decided.
                        let _last_ones = one_more.send(());
                    }
                    _ => return told_of,
                }
            }
            told_of
        });
        // Some are told of, then it dies while the next is on its way.
        for _ in 0..20 + 7 * round {
            first_ones.recv().await.unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        told_of.extend(writer.await.unwrap());
    }
    assert!(told_of.len() >= 80, "there was something to lose: {}", told_of.len());
    let ils = ils(kept_in(folder.path())).await;
    let kept: Vec<String> = ils.patrons().into_iter().map(|p| p.barcode).collect();
    assert!(told_of.iter().all(|barcode| kept.contains(barcode)));
    // At each kill at most one more was written without anybody being told.
    assert!(kept.len() <= told_of.len() + 4, "{} {}", kept.len(), told_of.len());
}
