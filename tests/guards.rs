//! Guards through the program: what waits and what it says, what a person can say yes to, and what the next sync does.

use std::fs;
use std::time::Duration;

use jiff::civil::Date;
use serde_json::{Value, json};

use crate::support::practice::Practice;
use crate::support::roster::{Child, TWO_HOMES, children, files, send, zipped};
use crate::support::{Library, adds_up, hour, today};

/// A library whose 30 children of Elm School and 30 of Ash School have their cards; lines for the partnership's file.
fn with_cards(ils: &Practice, lines: &str) -> (Library, Vec<Child>) {
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.append("partnerships/oak.toml", lines);
    let mut all = children(60);
    all[30..].iter_mut().for_each(|child| child.school = "ash");
    send(&all, &library.package());
    assert_eq!(library.first_load()["counts"]["create"], 60);
    ils.reset_counts();
    (library, all)
}

/// A sync that waits: for these guards, and with nothing written.
fn waits(library: &Library, ils: &Practice, guards: &[&str]) -> Value {
    let run = library.json(&["sync", "oak"], 3);
    let found: Vec<&str> =
        run["waiting_for"].as_array().unwrap().iter().map(|what| what["guard"].as_str().unwrap()).collect();
    assert_eq!(found, guards, "{run}");
    assert_eq!((ils.messages_to_write(), &run["writes"]), (0, &json!(0)), "{run}");
    adds_up(&run);
    run
}

/// What the program says of a run in words.
fn shown(library: &Library, run: &Value) -> String {
    library.run(&["show", &run["run"].to_string()]).expect(0).stdout
}

fn approve(library: &Library, run: &Value, code: i32) -> Value {
    let run = library.json(&["approve", &run["run"].to_string()], code);
    adds_up(&run);
    run
}

fn days(days: i64) -> Date {
    today().checked_add(jiff::Span::new().days(days)).unwrap()
}

/// A package whose users.csv was put through a change.
fn send_changed(children: &[Child], library: &Library, change: impl Fn(&str) -> String) {
    let mut all = files(children);
    let users = String::from_utf8(all["users.csv"].clone()).unwrap();
    all.insert("users.csv".to_owned(), change(&users).into_bytes());
    fs::write(library.package(), zipped(&all)).unwrap();
}

#[test]
fn s38_after_a_changed_rule_one_school_first_and_then_the_rest() {
    let ils = Practice::start();
    let (library, mut all) = with_cards(&ils, "");
    library.edit("partnerships/oak.toml", "category = \"STUDENT\"", "category = \"TEEN\"");
    // One child's new name waits with it: the first plan waits, whatever its size.
    all[59].given = "Anna".to_owned();
    send(&all, &library.package());
    let run = waits(&library, &ils, &["rules_changed"]);
    assert_eq!(run["counts"]["waiting"], 60, "{run}");
    let text = shown(&library, &run);
    assert!(
        text.contains("rules_changed: 60, 0 go through unasked") && text.contains("--only-school"),
        "{text}"
    );
    let of = |category: &str| {
        ils.patrons().iter().filter(|patron| patron.category.as_deref() == Some(category)).count()
    };
    let id = run["run"].to_string();
    let one = library.json(&["approve", &id, "--only-school", "1001 Elm School"], 3);
    assert_eq!((&one["counts"]["update"], &one["counts"]["waiting"]), (&json!(30), &json!(30)), "{one}");
    assert_eq!((of("TEEN"), of("STUDENT")), (30, 30));
    // The rest still waits, the next night too.
    ils.reset_counts();
    let rest = waits(&library, &ils, &["rules_changed"]);
    assert_eq!(
        (&rest["counts"]["waiting"], &rest["counts"]["unchanged"]),
        (&json!(30), &json!(30)),
        "{rest}"
    );
    library.run(&["approve", &id]).expect(64).says(&["superseded"]);
    assert_eq!(approve(&library, &rest, 0)["counts"]["update"], 30);
    assert_eq!(of("TEEN"), 60);
    // All was approved: the next run goes on, and small changes go through by themselves.
    all[0].given = "Berta".to_owned();
    send(&all, &library.package());
    let next = library.json(&["sync", "oak"], 0);
    assert_eq!((&next["counts"]["update"], &next["counts"]["unchanged"]), (&json!(1), &json!(59)), "{next}");
}

#[test]
fn s02_a_roster_that_really_shrank_is_approved_and_does_not_wait_again() {
    let ils = Practice::start();
    let (library, all) = with_cards(&ils, "");
    send(&all, &library.package());
    library.run(&["sync", "oak"]).expect(0);
    send(&all[..30], &library.package());
    let run = waits(&library, &ils, &["roster_collapsed"]);
    let text = shown(&library, &run);
    assert!(
        text.contains("school 1002 Ash School sent 0 students; 30 have cards (30 came with the last roster)"),
        "{text}"
    );
    assert!(text.contains("rostercard approve"), "{text}");
    library.run(&["status"]).expect(0).says(&["30 changes wait"]);
    let approved = approve(&library, &run, 0);
    assert_eq!(
        (&approved["state"], &approved["counts"]["unchanged"]),
        (&json!("done"), &json!(60)),
        "{approved}"
    );
    assert_eq!(ils.messages(), 0, "the ILS hears nothing of it");
    // The same roster, and another one like it.
    library.run(&["sync", "oak"]).expect(0);
    send(&all[..30], &library.package());
    let next = library.json(&["sync", "oak"], 0);
    assert_eq!((&next["waiting_for"], &next["roster"]["absent"]), (&json!([]), &json!(30)), "{next}");
    library.run(&["status"]).expect(0).says(&["oak: ok"]);
    // They come back, and it is as if nothing had been.
    send(&all, &library.package());
    let back = library.json(&["sync", "oak"], 0);
    assert_eq!((&back["counts"]["unchanged"], ils.messages()), (&json!(60), 0), "{back}");
}

#[test]
fn s02_nobody_can_say_yes_to_an_empty_roster() {
    let ils = Practice::start();
    let (library, _) = with_cards(&ils, "");
    send(&[], &library.package());
    let run = waits(&library, &ils, &["roster_collapsed"]);
    library.run(&["approve", &run["run"].to_string()]).expect(64).says(&["nothing of run"]);
    let text = shown(&library, &run);
    assert!(
        text.contains("nobody counts as missing") && text.contains("school 1001 Elm School sent 0 students"),
        "{text}"
    );
}

#[test]
fn s15_a_school_that_closed_waits_alone_and_is_approved() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    let mut all = children(80);
    all[72..].iter_mut().for_each(|child| child.school = "ash");
    send(&all, &library.package());
    library.first_load();
    ils.reset_counts();
    all.truncate(72);
    all[0].given = "Anna".to_owned();
    send(&all, &library.package());
    let run = library.json(&["sync", "oak"], 3);
    let what = &run["waiting_for"][0];
    assert_eq!(
        (&what["guard"], &what["school"], &what["found"]),
        (&json!("school_collapsed"), &json!("1002 Ash School"), &json!(8))
    );
    assert!(
        what["likely_cause"]
            .as_str()
            .unwrap()
            .starts_with("school 1002 Ash School sent 0 students; 8 have cards"),
        "{run}"
    );
    assert_eq!(
        (&run["counts"]["update"], &run["counts"]["waiting"]),
        (&json!(1), &json!(8)),
        "the rest goes on: {run}"
    );
    approve(&library, &run, 0);
    library.run(&["sync", "oak"]).expect(0);
    assert_eq!(ils.counts().patrons, 80);
}

#[test]
fn s23_a_field_that_is_no_longer_shared_waits_and_nothing_is_blanked() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.append("partnerships/oak.toml", "[fields]\nemail = \"school\"");
    let all = children(40);
    // The column before sms, phone and so on is email.
    let with_mail = |users: &str| {
        all.iter().fold(users.to_owned(), |text, child| {
            text.replace(
                &format!(",{0},,,,,03,", child.id),
                &format!(",{0},kid{0}@example.org,,,,03,", child.id),
            )
        })
    };
    send_changed(&all, &library, with_mail);
    library.first_load();
    let mails = || ils.patrons().iter().filter(|patron| !patron.emails.is_empty()).count();
    assert_eq!(mails(), 40);
    ils.reset_counts();
    send(&all, &library.package());
    let run = waits(&library, &ils, &["absent_fields"]);
    let text = shown(&library, &run);
    assert!(text.contains("40 of 40 people who had the field email lack it now"), "{text}");
    assert!(!text.contains("example.org"), "{text}");
    approve(&library, &run, 0);
    library.run(&["sync", "oak"]).expect(0);
    assert_eq!((mails(), ils.messages()), (40, 0), "absent is not empty");
}

#[test]
fn s34_names_whose_columns_changed_places_wait() {
    let ils = Practice::start();
    let (library, mut all) = with_cards(&ils, "");
    for child in &mut all[..20] {
        std::mem::swap(&mut child.given, &mut child.family);
    }
    send(&all, &library.package());
    let run = waits(&library, &ils, &["swapped_columns"]);
    let text = shown(&library, &run);
    assert!(text.contains("surname and given_name are exchanged in 20 of 20 people"), "{text}");
    assert!(!text.contains("Given1") && !run.to_string().contains("Family1"), "{text}");
}

#[test]
fn many_rejected_records_wait_and_what_was_accepted_does_not_wait_again() {
    let ils = Practice::start();
    let (library, all) = with_cards(&ils, "[guards]\nrejects = { percent = 10, at_least = 10 }");
    let spoilt: Vec<Child> = (0..12)
        .map(|n| Child { id: format!("{n}.23E+05"), ..children(1).remove(0) })
        .chain(all.iter().cloned())
        .collect();
    send(&spoilt, &library.package());
    let run = waits(&library, &ils, &["rejects"]);
    assert!(shown(&library, &run).contains("12 of 72 records were rejected"), "{run}");
    approve(&library, &run, 2);
    library.run(&["sync", "oak"]).expect(2);
}

#[test]
fn a_grade_with_too_many_changes_waits() {
    let ils = Practice::start();
    let guards = "[guards]\nupdate = \"100%\"\nschool = \"100%\"";
    let (library, mut all) = with_cards(&ils, guards);
    all.iter_mut().take(31).for_each(|child| child.given = format!("New{}", child.given));
    send(&all, &library.package());
    let run = waits(&library, &ils, &["grade_changes"]);
    assert!(shown(&library, &run).contains("grade 03: 31 to update, 60 cards so far"), "{run}");
}

#[test]
fn each_kind_of_change_waits_above_its_limit_in_all_and_at_a_school() {
    let ils = Practice::start();
    let (library, mut all) = with_cards(&ils, "");
    all.iter_mut().take(28).for_each(|child| child.given = format!("New{}", child.given));
    all.extend(children(92).into_iter().skip(60));
    send(&all, &library.package());
    let run =
        waits(&library, &ils, &["changes", "changes", "school_changes", "grade_changes", "school_changes"]);
    let kinds: Vec<&str> =
        run["waiting_for"].as_array().unwrap().iter().map(|what| what["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["create", "update"], "{run}");
    let limits = &run["waiting_for"][0];
    assert_eq!((&limits["limit"], &limits["found"]), (&json!(25), &json!(32)), "{run}");
    // Newcomers alone are let through; the rest waits.
    let id = run["run"].to_string();
    let made = library.json(&["approve", &id, "--only-kind", "create"], 3);
    assert_eq!((&made["counts"]["create"], &made["counts"]["waiting"]), (&json!(32), &json!(28)), "{made}");
}

#[test]
fn what_is_expected_goes_through_and_check_tells_of_what_is_over() {
    let ils = Practice::start();
    let expect = |from: i64, until: i64| {
        format!(
            "[[guards.expect]]\nfrom = {}\nuntil = {}\nkinds = [\"create\"]\ncount = 40\nreason = \"a new school year\"",
            days(from),
            days(until)
        )
    };
    let (library, mut all) = with_cards(&ils, &expect(-9, -1));
    all.extend(children(100).into_iter().skip(60));
    send(&all, &library.package());
    waits(&library, &ils, &["changes", "school_changes", "grade_changes"]);
    let over = library.run(&["check"]).expect(0).says(&["this was over on", "warning", "guards.expect[1]"]);
    assert!(over.stderr.contains("oak.toml:"), "{}", over.both());
    library.edit("partnerships/oak.toml", &expect(-9, -1), &expect(-1, 9));
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!(run["counts"]["create"], 40, "{run}");
    let never = format!("{}\n[agreement]\nends = {}", expect(100, 110), days(90));
    library.edit("partnerships/oak.toml", &expect(-1, 9), &never);
    library.run(&["check"]).expect(0).says(&["this never comes: the agreement ends before"]);
}

#[test]
fn s02_a_roster_that_is_late_by_its_rhythm_waits() {
    let ils = Practice::start();
    let (library, mut all) = with_cards(&ils, "");
    library.edit("partnerships/oak.toml", "ils = \"main\"", "ils = \"main\"\nexpected_every = \"1d\"");
    all[0].given = "Anna".to_owned();
    send(&all, &library.package());
    let package = fs::File::options().write(true).open(library.package()).unwrap();
    let old = package.metadata().unwrap().modified().unwrap() - Duration::from_secs(40 * 3_600);
    package.set_modified(old).unwrap();
    // Older than the one of the cards, too.
    let run = waits(&library, &ils, &["roster_older", "roster_age"]);
    assert!(shown(&library, &run).contains("40 hours old, and may be 36 hours old at most"), "{run}");
    library.append("partnerships/oak.toml", "[guards]\nroster_older = \"warn\"\nroster_age = \"warn\"");
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!(
        (&run["counts"]["update"], run["warnings"].as_array().unwrap().len()),
        (&json!(1), 2),
        "{run}"
    );
}

#[test]
fn s11_outside_the_school_year_an_empty_roster_is_told_of_and_nobody_is_missing() {
    let ils = Practice::start();
    let calendar = format!("[calendar]\nstarts = {}\nends = {}", days(30), days(200));
    let (library, mut all) = with_cards(&ils, &calendar);
    send(&[], &library.package());
    for _ in 0..3 {
        let run = library.json(&["sync", "oak"], 0);
        assert_eq!(
            (&run["warnings"][0]["guard"], &run["counts"]["unchanged"]),
            (&json!("roster_collapsed"), &json!(60))
        );
    }
    // Nobody is enrolled at any school: cards stay as they are.
    all.iter_mut().for_each(|child| child.school = "");
    send(&all, &library.package());
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!((&run["counts"]["pending"], &run["counts"]["lapse"]), (&json!(60), &json!(0)), "{run}");
    // Everybody is back, each with another sourcedId.
    all.iter_mut().for_each(|child| child.school = "elm");
    all[30..].iter_mut().for_each(|child| child.school = "ash");
    let mut package = files(&all);
    for name in ["users.csv", "demographics.csv"] {
        let text = String::from_utf8(package[name].clone()).unwrap();
        package.insert(name.to_owned(), text.replace("\nu4", "\nnew-4").into_bytes());
    }
    fs::write(library.package(), zipped(&package)).unwrap();
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!((&run["counts"]["create"], &run["counts"]["unchanged"]), (&json!(0), &json!(60)), "{run}");
    assert_eq!((ils.counts().patrons, ils.messages_to_write()), (60, 0));
    // A year that is over is a warning.
    library.edit(
        "partnerships/oak.toml",
        &calendar,
        &format!("[calendar]\nstarts = {}\nends = {}", days(-200), days(-1)),
    );
    library.run(&["check"]).expect(0).says(&["the school year was over on", "no card lapses"]);
}

#[test]
fn s20_after_the_agreement_nothing_is_written_and_everybody_says_so() {
    let ils = Practice::start();
    let ends = |days_from_now| format!("[agreement]\nends = {}\non_end = \"freeze\"", days(days_from_now));
    let (library, mut all) = with_cards(&ils, &ends(100));
    library.run(&["check"]).expect(0).says(&["The configuration is right."]);
    // Near its end it is said, and the work goes on.
    library.edit("partnerships/oak.toml", &ends(100), &ends(20));
    all[0].given = "Anna".to_owned();
    send(&all, &library.package());
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!(
        (&run["counts"]["update"], &run["warnings"][0]["guard"]),
        (&json!(1), &json!("agreement_ends")),
        "{run}"
    );
    library.run(&["check"]).expect(0).says(&["in 20 days: nothing is written after", "agreement.ends"]);
    library.run(&["status"]).expect(0).says(&["oak: ok", "the agreement ends on"]);
    // After it, nothing is read and nothing written.
    library.edit("partnerships/oak.toml", &ends(20), &ends(-1));
    all[1].given = "Berta".to_owned();
    send(&all, &library.package());
    ils.reset_counts();
    let refused = library.json(&["sync", "oak"], 75);
    assert!(refused["error"].as_str().unwrap().contains("stands still: the agreement ended on"), "{refused}");
    let plan = library.json(&["plan", "oak"], 0);
    assert_eq!(plan["counts"]["update"], 1, "looking is allowed: {plan}");
    library
        .run(&["approve", &plan["run"].to_string()])
        .expect(75)
        .says(&["the agreement ended on", "[agreement]"]);
    library.run(&["check"]).expect(0).says(&["nothing is written any more"]);
    let status = library.json(&["status"], 0);
    assert_eq!(status["partnerships"][0]["state"], "paused", "{status}");
    assert_eq!(ils.messages(), 0);
}

#[test]
fn s29_who_is_missing_from_one_roster_by_mistake_keeps_the_card() {
    let ils = Practice::start();
    let (library, all) = with_cards(&ils, "[lapse]\ngrace_days = 1\ngrace_feeds = 2");
    send(&all[..58], &library.package());
    for _ in 0..3 {
        // The same file is one roster, however often it is read.
        let run = library.json(&["sync", "oak"], 0);
        assert_eq!((&run["roster"]["absent"], &run["counts"]["lapse"]), (&json!(2), &json!(0)), "{run}");
    }
    send(&all, &library.package());
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!((&run["roster"]["absent"], &run["counts"]["unchanged"]), (&json!(0), &json!(60)), "{run}");
    assert_eq!(ils.messages(), 0);
}

#[test]
fn s35_an_opt_out_column_that_turned_around_or_went_blank_waits() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), "\"100\" = \"MAIN\"");
    let columns = "[source.csvdrop]\nholds = \"snapshot\"\ncolumns = { student_id = \"Id\", given_name = \"First\", \
                   family_name = \"Last\", birth_date = \"Born\", school = \"Campus\", opt_out = \"No card\" }";
    library.edit("partnerships/oak.toml", "[source.oneroster_csv]", columns);
    let path = library.path("roster.csv");
    library.edit(
        "partnerships/oak.toml",
        &library.package().display().to_string(),
        &path.display().to_string(),
    );
    // Sixty families; the mark of each by its place.
    let send = |mark: &dyn Fn(u32) -> &'static str| {
        let mut rows = "Id,First,Last,Born,Campus,No card\n".to_owned();
        for (n, child) in (0..).zip(children(60)) {
            let Child { id, given, family, birth, .. } = child;
            rows.push_str(&format!("{id},{given},{family},{birth},100,{}\n", mark(n)));
        }
        fs::write(&path, rows).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        let hour = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(3_600);
        file.set_modified(hour).unwrap();
    };
    send(&|n| if n < 4 { "Y" } else { "N" });
    assert_eq!(library.first_load()["counts"]["create"], 56);
    library.run(&["sync", "oak"]).expect(0);
    ils.reset_counts();
    send(&|n| if n < 4 { "N" } else { "Y" });
    for _ in 0..2 {
        let run = waits(&library, &ils, &["consent_turned"]);
        let text = shown(&library, &run);
        assert!(
            text.contains("56 of 60 families want no card by this roster, 4 of 60 by the last one"),
            "{text}"
        );
    }
    send(&|_| "");
    let run = waits(&library, &ils, &["consent_turned"]);
    assert!(shown(&library, &run).contains("blank is not consent"));
    assert_eq!(ils.counts().patrons, 56);
    // As it was, and one family more: an ordinary night.
    send(&|n| if n < 5 { "Y" } else { "N" });
    let run = library.json(&["sync", "oak"], 0);
    assert_eq!((&run["waiting_for"], &run["counts"]["lapse"]), (&json!([]), &json!(1)), "{run}");
}

#[test]
fn s18_writes_keep_to_the_hours_of_the_ils_and_now_overrides_them() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    send(&children(30), &library.package());
    // They begin some hours from now.
    let now = hour();
    let hour = |ahead: i8| format!("{:02}:00", (now + ahead) % 24);
    let hours = format!("deadline = \"30s\"\nhours = [\"{}-{}\"]", hour(6), hour(8));
    library.edit("rostercard.toml", "deadline = \"30s\"", &hours);
    let plan = library.json(&["sync", "oak"], 3);
    let run = plan["run"].to_string();
    let yes = library.json(&["approve", &run], 75);
    assert_eq!((&yes["state"], &yes["counts"]["pending"]), (&json!("unfinished"), &json!(30)));
    assert_eq!((&yes["lookups"], &yes["writes"]), (&json!(0), &json!(0)));
    library.run(&["status"]).expect(0).says(&["goes on in the hours of the ILS: 0 of 30 changes are made"]);
    library
        .run(&["show", &run])
        .says(&["the hours of the ILS are over; the next run inside them goes on with it"]);
    // Not even a sync by hand writes now, and what was let through is not superseded by it.
    assert_eq!(library.json(&["sync", "oak"], 75)["findings"]["goes_on"]["count"], 1);
    let done = library.json(&["sync", "oak", "--now"], 0);
    assert_eq!(done["counts"]["unchanged"], 30);
    assert_eq!(library.json(&["show", &run], 0)["counts"]["create"], 30);
}
