//! A8: signatures against vectors that another implementation made, where they are at hand.

use std::path::Path;

use rostercard_oneroster::rest::json::{Node, read};
use rostercard_oneroster::rest::oauth1::{Method, Signer};

/// The vectors, or nothing where there are none. CI must have them.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where the samples are")]
fn vectors() -> Option<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    let folder = std::env::var_os("ROSTERCARD_SPECS").map_or(beside, Into::into);
    let found = std::fs::read(folder.join("oneroster/oauth1_test_vectors.json")).ok();
    assert!(found.is_some() || std::env::var("CI").as_deref() != Ok("true"), "no vectors here");
    found
}

#[test]
fn a8_signatures_of_another_implementation() {
    let Some(bytes) = vectors() else {
        println!("skipped: no vectors here");
        return;
    };
    let (all, _) = read(&bytes, bytes.iter().position(|b| *b == b'[').unwrap()).unwrap();
    let mut checked = 0;
    for vector in all.elements() {
        let text =
            |name: &str| vector.get(name).map_or_else(String::new, |v: &Node<'_>| v.text().into_owned());
        let method = match text("signature_method").as_str() {
            "HMAC-SHA1" => Method::HmacSha1,
            "HMAC-SHA256" => Method::HmacSha256,
            other => panic!("{other}"),
        };
        let (key, secret) = (text("consumer_key"), text("consumer_secret"));
        let signer = Signer { method, key: &key, secret: &secret };
        let header = signer.header(&text("url"), &text("nonce"), text("timestamp").parse().unwrap()).unwrap();
        let signature = |header: &str| {
            let (_, rest) = header.split_once("oauth_signature=\"").unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        assert_eq!(signature(&header), signature(&text("authorization")), "{}", text("url"));
        checked += 1;
    }
    assert_eq!(checked, 6);
}
