//! People's work around the runs, by the built program: wishes, reviews, taking over, taking back, moving house.

use rostercard_practice::ils::Patron;
use serde_json::json;

use crate::support::Library;
use crate::support::practice::Practice;
use crate::support::roster::{Child, TWO_HOMES, children, number, send};

/// A library with cards for these children.
fn library(ils: &Practice, children: &[Child]) -> Library {
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.let_all_through();
    send(children, &library.package());
    library.json(&["sync", "oak"], 0);
    library
}

#[test]
fn s08_a_family_says_no_before_and_after_the_card_and_changes_its_mind() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.let_all_through();
    library.run(&["optout", "add", "oak", "4001", "--as", "pat"]).expect(0).says(&["1 wish is noted"]);
    library.run(&["optout", "add", "oak"]).expect(64).says(&["no student id was given"]);
    send(&children(4), &library.package());
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!((&run["counts"]["create"], &run["counts"]["not_eligible"]), (&json!(3), &json!(1)));
    assert!(ils.patron(&number("4001")).is_none());

    let file = library.path("no.txt");
    std::fs::write(&file, "\u{feff}4002\r\n\r\n4001\r\n").unwrap();
    let noted = library.json(&["optout", "add", "oak", "--file", file.to_str().unwrap()], 0);
    assert_eq!((&noted["noted"], &noted["given"]), (&json!(1), &json!(2)));
    assert_eq!(library.json(&["sync", "oak"], 0)["counts"]["lapse"], json!(1));
    let list = library.json(&["optout", "list", "oak"], 0);
    assert_eq!(list["wishes"].as_array().unwrap().len(), 2);
    assert_eq!(list["wishes"][0]["who"], "pat");
    assert!(!list.to_string().contains("4001"), "known by digests alone");

    library.run(&["optout", "remove", "oak", "4001", "4002"]).expect(0);
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!((&run["counts"]["create"], &run["counts"]["restore"]), (&json!(1), &json!(1)));
    library.run(&["optout", "remove", "oak", "4001"]).expect(1);
}

#[test]
fn s35_an_opt_in_programme_takes_a_yes() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.let_all_through();
    library.append("partnerships/oak.toml", "[optout]\nprogramme = \"opt_in\"");
    send(&children(3), &library.package());
    assert_eq!(library.json(&["sync", "oak"], 0)["counts"]["not_eligible"], json!(3));
    library.run(&["optin", "add", "oak", "4003"]).expect(0);
    assert_eq!(library.json(&["sync", "oak"], 0)["counts"]["create"], json!(1));
    assert!(ils.patron(&number("4003")).is_some());
}

#[test]
fn s33_a_lost_card_is_relinked_recreated_or_left() {
    let ils = Practice::start();
    let mut class = children(4);
    let library = library(&ils, &class);
    for (place, child) in class.iter_mut().take(3).enumerate() {
        if place == 0 {
            // Staff gave the child a new card.
            let old = ils.patron(&number(&child.id)).unwrap();
            ils.add(Patron { barcode: "NEW-1".into(), ..old }).unwrap();
        }
        ils.delete(&number(&child.id)).unwrap();
        child.family = format!("Renamed{place}");
    }
    send(&class, &library.package());
    assert_eq!(library.json(&["sync", "oak"], 0)["counts"]["review"], json!(3));
    let reviews = library.json(&["review", "list", "oak", "--students"], 0);
    let first = &reviews["reviews"][0];
    assert_eq!(
        (&first["question"], &first["answers"]),
        (&json!("gone"), &json!(["relink", "recreate", "leave"]))
    );
    assert!(reviews.to_string().contains("\"4001\"") && !reviews.to_string().contains("Renamed"));
    let words = library.run(&["review", "list", "oak"]).expect(0);
    assert!(!words.stdout.contains("4001"), "{}", words.both());
    library.run(&["review", "show", "oak", "4001"]).expect(0).says(&["no longer there", "--reveal"]);
    library.run(&["review", "show", "oak", "4001", "--reveal"]).expect(0).says(&[&number("4001")]);

    library
        .run(&["relink", "oak", "4001", "--barcode", "NOBODY"])
        .expect(64)
        .says(&["no patron with that number"]);
    library.run(&["relink", "oak", "4001", "--barcode", "NEW-1", "--as", "kim"]).expect(0);
    let file = library.path("answers.csv");
    std::fs::write(&file, "student_id,answer,barcode\n4002,recreate,\n4003,leave,\n4004,leave,\n9,maybe,\n")
        .unwrap();
    let many = library.json(&["review", "resolve-file", "oak", "--file", file.to_str().unwrap()], 2);
    assert_eq!(many["answered"], json!(2));
    assert!(
        many["problems"][0].as_str().unwrap().contains("answers.csv:4: there is no such open review"),
        "{many}"
    );
    assert!(many["problems"][1].as_str().unwrap().contains("answers.csv:5: this is no answer"), "{many}");
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!(
        (&run["counts"]["create"], &run["counts"]["update"], &run["counts"]["review"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_eq!(ils.patron("NEW-1").unwrap().surname, "Renamed0");
    assert!(ils.patron(&number("4002")).is_some() && ils.patron(&number("4003")).is_none());
    assert_eq!(library.json(&["sync", "oak"], 0)["writes"], json!(0));
    library.run(&["review", "list", "oak"]).expect(0).says(&["no open review"]);
}

#[test]
fn s30_a_run_is_taken_back() {
    let ils = Practice::start();
    let mut class = children(6);
    let library = library(&ils, &class);
    let before = ils.patron(&number("4001")).unwrap();
    for child in &mut class {
        child.family = format!("Wrong{}", child.id);
    }
    library.append("partnerships/oak.toml", "update = \"off\"");
    send(&class, &library.package());
    let wrong = library.json(&["sync", "oak"], 0);
    assert_eq!(wrong["counts"]["update"], json!(6));
    let plan = library.json(&["undo", &wrong["run"].to_string()], 3);
    assert_eq!((&plan["counts"]["waiting"], &plan["waiting_for"][0]["guard"]), (&json!(6), &json!("undo")));
    library.json(&["approve", &plan["run"].to_string()], 0);
    assert_eq!(ils.patron(&number("4001")).unwrap().surname, before.surname);
    assert_eq!(library.json(&["sync", "oak"], 0)["writes"], json!(0), "the same roster does not do it again");
    library.run(&["undo", &plan["run"].to_string()]).expect(3);
    library.run(&["undo", "999"]).expect(1);
}

#[test]
fn s27_s32_a_store_that_was_lost_is_made_again_from_the_cards() {
    let ils = Practice::start();
    let library = library(&ils, &children(20));
    std::fs::remove_dir_all(library.path("state")).unwrap();
    let stopped = library.json(&["sync", "oak"], 1);
    assert!(stopped["error"].as_str().unwrap().contains("the store looks old"), "{stopped}");
    let dry = library.json(&["adopt", "oak"], 0);
    assert_eq!((&dry["state"], &dry["writes"]), (&json!("planned"), &json!(0)));
    let counts = ils.counts();
    let done = library.json(&["adopt", "oak", "--yes"], 0);
    assert_eq!(done["counts"]["link"], json!(20), "{done}");
    assert_eq!((ils.counts().creates, ils.counts().updates), (counts.creates, counts.updates));
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!((&run["writes"], &run["counts"]["unchanged"]), (&json!(0), &json!(20)));
    assert_eq!(ils.patrons().len(), 20);
}

#[test]
fn s36_new_numbers_and_a_new_ils_keep_every_card() {
    let ils = Practice::start();
    let mut class = children(20);
    let library = library(&ils, &class);
    for child in &mut class {
        child.id = format!("9{}", child.id);
    }
    send(&class, &library.package());
    let run = library.json(&["sync", "oak"], 3);
    assert_eq!((&run["counts"]["create"], &run["counts"]["review"]), (&json!(0), &json!(20)));
    let dry = library.json(&["rebind", "oak"], 0);
    assert_eq!((&dry["done"], &dry["moved"]), (&json!(false), &json!(20)));
    library.run(&["rebind", "oak", "--yes"]).expect(0).says(&["20 cards went along"]);
    assert_eq!(library.json(&["sync", "oak"], 0)["writes"], json!(0));

    // The library moves: the vendor loaded the same patrons under another address.
    let other = Practice::start();
    for patron in ils.patrons() {
        other.add(patron).unwrap();
    }
    library.edit("rostercard.toml", &ils.ncip_url(), &other.ncip_url());
    library.edit("rostercard.toml", "id = \"main\"", "id = \"another-ils\"");
    library.run(&["sync", "oak"]).expect(78).says(&["ils migrate"]);
    library.run(&["ils", "migrate", "oak"]).expect(0).says(&["20 cards would go along", "--yes"]);
    library.run(&["ils", "migrate", "oak", "--yes"]).expect(0).says(&["20 cards went along"]);
    assert_eq!(library.json(&["sync", "oak"], 0)["writes"], json!(0));
    assert_eq!((other.counts().creates, other.patrons().len()), (0, 20));
}
