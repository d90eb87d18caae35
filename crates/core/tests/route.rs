//! Two ways as one directory: a card counts when the other way finds it, and one that only one of them sees is in doubt.

#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use rostercard_core::field::FieldSet;
use rostercard_core::finding::Finding;
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Capabilities, Capability, CapabilityState, ConnectorError, Creation, Fault, FieldChanges, FindKey,
    Lookup, Outcome, PatronFinder, PatronWriter, Retry,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_core::route::{Authenticator, LetsIn, Route, Way};

/// A way that answers always the same.
#[derive(Clone, Copy, Default)]
struct Fixed {
    looks_up: bool,
    blocks: bool,
    there: Option<bool>,
    lets_in: bool,
    hands_over: bool,
}

fn patron(id: &str) -> Patron {
    let values = PatronValues { barcode: Some(Personal::new("77")), ..PatronValues::default() };
    Patron { id: Personal::new(id), values, blocked: None }
}

fn unknown() -> ConnectorError {
    ConnectorError::new(Fault::Network, Retry::Later, "no answer", "")
}

#[async_trait]
impl PatronFinder for Fixed {
    fn capabilities(&self) -> Capabilities {
        let can = |can| {
            let state = if can { CapabilityState::Claimed } else { CapabilityState::Absent };
            Capability::new(state, "")
        };
        Capabilities {
            lookup: can(self.looks_up),
            create: can(true),
            update: can(true),
            block: can(self.blocks),
            unblock: can(self.blocks),
            pin: can(true),
            find_by_person: can(false),
        }
    }

    fn returns(&self) -> FieldSet {
        FieldSet::EMPTY
    }

    async fn find(&self, _key: &FindKey) -> Lookup {
        match self.there {
            Some(true) => Lookup::Found(Box::new(patron(if self.blocks { "over sip2" } else { "internal" }))),
            Some(false) => Lookup::NotFound,
            None => Lookup::Unknown(unknown()),
        }
    }

    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl PatronWriter for Fixed {
    fn pin_with_create(&self) -> bool {
        true
    }

    async fn create(&self, _creation: &Creation) -> Outcome {
        if self.hands_over {
            return Outcome::HandedOver { batch: "file".to_owned() };
        }
        Outcome::Applied(Some(Box::new(patron("internal"))))
    }

    async fn set_pin(&self, _patron: &Patron, _pin: &Secret) -> Outcome {
        Outcome::Applied(None)
    }

    async fn update(&self, _patron: &Patron, _changes: &FieldChanges) -> Outcome {
        Outcome::Applied(None)
    }

    async fn set_blocked(&self, _patron: &Patron, _blocked: bool) -> Outcome {
        Outcome::Applied(Some(Box::new(patron(if self.blocks { "over sip2" } else { "internal" }))))
    }
}

#[async_trait]
impl Authenticator for Fixed {
    async fn lets_in(&self, _number: &Personal, _pin: &Secret) -> LetsIn {
        if self.lets_in { LetsIn::Yes } else { LetsIn::No }
    }
}

/// Nothing here waits.
fn now<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a fixed way waits"),
    }
}

fn route(create: Fixed, verify: Fixed) -> Route {
    let way = |name: &str, way: Fixed| Way { name: name.to_owned(), directory: Arc::new(way) };
    Route::new(way("ncip", create), way("sip2", verify), Some(Arc::new(verify)))
}

fn creation() -> Creation {
    Creation { values: patron("").values, pin: Some(Secret::new("4711")) }
}

const KEY: fn() -> FindKey = || FindKey::Barcode(Personal::new("77"));

#[test]
fn a_new_card_counts_once_the_other_way_finds_it() {
    let create = Fixed { looks_up: true, there: Some(true), ..Fixed::default() };
    for (there, counts) in [(Some(true), true), (Some(false), false), (None, false)] {
        let route = route(create, Fixed { looks_up: true, there, lets_in: true, ..Fixed::default() });
        let outcome = now(route.create(&creation()));
        match (&outcome, counts) {
            (Outcome::Applied(Some(patron)), true) => assert_eq!(patron.id.reveal(), "internal"),
            (Outcome::HandedOver { .. }, false) => {}
            _ => panic!("{there:?}: {outcome:?}"),
        }
        let findings = now(route.finish()).unwrap();
        assert_eq!(findings.iter().any(|f| f.code == "new_card_not_found"), !counts);
        assert!(now(route.finish()).unwrap().is_empty(), "said once");
    }
}

#[test]
fn s22_a_card_that_does_not_let_its_holder_in_is_reported() {
    let create = Fixed { looks_up: true, there: Some(true), ..Fixed::default() };
    for lets_in in [true, false] {
        let route = route(create, Fixed { looks_up: true, there: Some(true), lets_in, ..Fixed::default() });
        assert!(matches!(now(route.create(&creation())), Outcome::Applied(_)));
        let findings = now(route.finish()).unwrap();
        assert_eq!(findings.iter().any(|f| f.code == "new_card_shut_out"), !lets_in, "{findings:?}");
    }
}

#[test]
fn a_card_that_only_one_way_sees_is_in_doubt_and_never_not_found() {
    let fixed = |there| Fixed { looks_up: true, there, ..Fixed::default() };
    for (made, seen, wanted) in [
        (Some(true), Some(true), "found"),
        (Some(true), Some(false), "unknown"),
        (Some(true), None, "unknown"),
        (Some(false), Some(false), "not found"),
        (None, Some(true), "unknown"),
    ] {
        let lookup = now(route(fixed(made), fixed(seen)).find(&KEY()));
        let got = match lookup {
            Lookup::Found(patron) => {
                assert_eq!(patron.id.reveal(), "internal", "the record that can be changed");
                "found"
            }
            Lookup::NotFound => "not found",
            Lookup::Unknown(_) => "unknown",
            other => panic!("{other:?}"),
        };
        assert_eq!(got, wanted, "{made:?} {seen:?}");
    }
}

#[test]
fn a_way_that_sees_nothing_leaves_it_to_the_other() {
    let export = Fixed { hands_over: true, ..Fixed::default() };
    let sip2 = Fixed { looks_up: true, blocks: true, there: Some(false), ..Fixed::default() };
    let route = route(export, sip2);
    assert!(matches!(now(route.find(&KEY())), Lookup::NotFound));
    assert!(matches!(now(route.create(&creation())), Outcome::HandedOver { .. }));
    assert!(now(route.finish()).unwrap().is_empty(), "a card in a file is not missing yet");
    let Outcome::Applied(Some(blocked)) = now(route.set_blocked(&patron("77"), true)) else { panic!() };
    assert_eq!(blocked.id.reveal(), "over sip2", "whoever can block does");
    assert!(route.capabilities().block.usable() && route.capabilities().lookup.usable());
}
