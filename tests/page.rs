//! The status page of the built program over real HTTP: who sees what, who may do what, and that nobody's data is on it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::practice::Practice;
use crate::support::roster::{Child, TWO_HOMES, children, number, send};
use crate::support::{Library, Program};

const TOKENS: [(&str, &str, &str); 4] = [
    ("vera", "viewer", ""),
    ("amos", "approver", ""),
    ("ada", "administrator", ""),
    ("elsa", "administrator", "partnerships = [\"elsewhere\"]"),
];

fn token(name: &str) -> String {
    format!("{name}-token-that-nobody-guesses")
}

struct Answer {
    code: u16,
    head: String,
    body: String,
}

/// A daemon with a page, and a library behind it.
struct Site {
    _program: Program,
    port: u16,
}

impl Site {
    fn start(library: &Library, tokens: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        library.append("rostercard.toml", &format!("[http]\nlisten = \"127.0.0.1:{port}\""));
        for (name, role, more) in TOKENS.iter().filter(|_| tokens) {
            let file = library.path(&format!("{name}.token"));
            fs::write(&file, format!("{}\n", token(name))).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            library.append(
                "rostercard.toml",
                &format!(
                    "[http.tokens.{name}]\nrole = \"{role}\"\ntoken = {{ file = \"{name}.token\" }}\n{more}"
                ),
            );
        }
        library.edit("partnerships/oak.toml", "30 4 * * MON-FRI", "30 4 1 1 *");
        let site = Self { _program: library.start(&["run"]), port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not listen");
            std::thread::yield_now();
        }
        site
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let length = body.len();
        let form = if method == "POST" { "Content-Type: application/x-www-form-urlencoded\r\n" } else { "" };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{form}Content-Length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { code, head: head.to_owned(), body: body.to_owned() }
    }

    /// A page by a token with the request.
    fn get(&self, who: &str, path: &str) -> Answer {
        self.ask("GET", path, &format!("Authorization: Bearer {}\r\n", token(who)), "")
    }

    fn post(&self, who: &str, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &format!("Authorization: Bearer {}\r\n", token(who)), body)
    }

    /// Logs in; the cookie.
    fn log_in(&self, who: &str) -> String {
        let answer = self.ask("POST", "/login", "", &format!("token={}", token(who)));
        assert_eq!(answer.code, 303, "{}", answer.body);
        let set = answer.head.lines().find(|line| line.to_lowercase().starts_with("set-cookie: ")).unwrap();
        assert!(
            set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Max-Age=28800"),
            "{set}"
        );
        format!("Cookie: {}\r\n", set.split_once(": ").unwrap().1.split(';').next().unwrap())
    }
}

/// What stands in a page between two pieces.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    text.split_once(from).unwrap_or_else(|| panic!("no `{from}` in {text}")).1.split_once(to).unwrap().0
}

/// A class that can be recognised wherever a piece of it is shown.
fn canaries(count: u32) -> Vec<Child> {
    let mut class = children(count);
    for (n, child) in class.iter_mut().enumerate() {
        child.id = format!("{}", 7_310_000 + n);
        child.given = format!("Zyxwigiven{n}");
        child.family = format!("Qqfamilyq{n}");
        child.birth = "2013-02-28".to_owned();
        child.school = if n % 3 == 0 { "ash" } else { "elm" };
    }
    class
}

/// A library whose first plan waits.
fn waiting(ils: &Practice, class: &[Child]) -> (Library, String) {
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    send(class, &library.package());
    let run = library.json(&["sync", "oak"], 3)["run"].to_string();
    (library, run)
}

#[test]
fn without_a_token_it_says_how_to_make_one_and_shows_nothing() {
    let ils = Practice::start();
    let (library, run) = waiting(&ils, &children(4));
    let site = Site::start(&library, false);
    for path in ["/", "/login", "/partnership/oak", &format!("/run/{run}"), "/audit"] {
        let answer = site.ask("GET", path, "", "");
        assert!(answer.body.contains("[http.tokens.kim]") && !answer.body.contains("Oak Unified"), "{path}");
    }
    assert_eq!(site.ask("GET", "/healthz", "", "").code, 200);
    assert_eq!(site.ask("GET", "/metrics", "", "").code, 200);
}

#[test]
fn every_answer_is_confined_and_only_a_token_opens() {
    let ils = Practice::start();
    let (library, _) = waiting(&ils, &children(4));
    let site = Site::start(&library, true);
    for (path, code) in
        [("/", 303), ("/login", 200), ("/partnership/oak", 303), ("/page.css", 200), ("/audit", 303)]
    {
        let answer = site.ask("GET", path, "", "");
        assert_eq!(answer.code, code, "{path}");
        for header in [
            "content-security-policy: default-src 'none'",
            "frame-ancestors 'none'",
            "referrer-policy: no-referrer",
            "x-frame-options: DENY",
            "x-content-type-options: nosniff",
        ] {
            assert!(answer.head.contains(header), "{path}: no {header} in {}", answer.head);
        }
        assert!(path == "/page.css" || answer.head.contains("cache-control: no-store"), "{path}");
    }
    assert_eq!(site.ask("GET", "/", "Authorization: Bearer nobody\r\n", "").code, 401);
    let begun = Instant::now();
    assert_eq!(site.ask("POST", "/login", "", "token=wrong").code, 401);
    assert!(begun.elapsed() >= Duration::from_secs(1), "a wrong token takes its time");
    assert_eq!(site.ask("GET", "/", "Cookie: rostercard=abc\r\n", "").code, 303);
    let cookie = site.log_in("vera");
    let home = site.ask("GET", "/", &cookie, "");
    assert_eq!(home.code, 200);
    for outside in ["http://", "src=\"//", "<script", "style=\"", "@import"] {
        assert!(!home.body.replace("http://www.w3.org", "").contains(outside), "{outside}");
    }
    let form = between(&home.body, "name=\"form\" value=\"", "\"");
    assert_eq!(site.ask("POST", "/logout", &cookie, "form=wrong").code, 303);
    let out = site.ask("POST", "/logout", &cookie, &format!("form={form}"));
    assert_eq!(out.code, 303);
    assert_eq!(site.ask("GET", "/", &cookie, "").code, 303, "logged out");
}

#[test]
fn roles_see_and_do_what_they_may() {
    let ils = Practice::start();
    let (library, run) = waiting(&ils, &children(4));
    let site = Site::start(&library, true);
    let path = format!("/run/{run}");
    let home = site.get("amos", "/").body;
    assert!(
        home.contains("4 changes wait for approval") && home.contains(&format!("href=\"{path}\"")),
        "{home}"
    );
    let seen = site.get("amos", &path).body;
    let digest = between(&seen, "name=\"digest\" value=\"", "\"").to_owned();
    assert!(seen.contains("first_connection") && seen.contains("1001 Elm School"), "{seen}");
    // A viewer sees that something waits, no small number, and no form.
    let viewed = site.get("vera", &path).body;
    assert!(
        viewed.contains("fewer than 10 changes wait") && viewed.contains("An approver decides"),
        "{viewed}"
    );
    assert!(!viewed.contains("name=\"digest\"") && !viewed.contains("4 changes"), "{viewed}");
    assert!(site.get("vera", "/").body.contains("fewer than 10 changes wait for approval"));
    let approve = format!("digest={digest}&what=approve");
    let refused = site.post("vera", &format!("{path}/decide"), &approve);
    assert_eq!(refused.code, 403);
    assert!(
        refused.body.contains("is a viewer&#39;s, and may not approve")
            || refused.body.contains("is a viewer's, and may not approve"),
        "{}",
        refused.body
    );
    assert_eq!(site.post("amos", "/partnership/oak/pause", "until=2999-01-01&reason=x").code, 403);
    assert_eq!(site.get("amos", "/audit").code, 403);
    // Whoever sees other partnerships alone is not even told that this one is there.
    for path in [path.as_str(), "/partnership/oak"] {
        assert_eq!(site.get("elsa", path).code, 404, "{path}");
    }
    assert!(!site.get("elsa", "/").body.contains("oak"));
    assert_eq!(site.post("elsa", &format!("{path}/decide"), &approve).code, 404);
    assert_eq!(site.post("elsa", "/partnership/oak/resume", "").code, 404);
    // Bound to the plan that was looked at; nothing was done so far.
    assert_eq!(site.post("amos", &format!("{path}/decide"), "digest=0000&what=approve").code, 409);
    assert_eq!(ils.counts().patrons, 0);
    // With a cookie, the form of the session is needed, and nothing from another site counts.
    let cookie = site.log_in("amos");
    let page = site.ask("GET", &path, &cookie, "").body;
    let form = between(&page, "name=\"form\" value=\"", "\"");
    assert_eq!(site.ask("POST", &format!("{path}/decide"), &cookie, &approve).code, 403);
    assert_eq!(site.ask("POST", &format!("{path}/decide"), &cookie, &format!("{approve}&form=00")).code, 403);
    let foreign = format!("{cookie}Sec-Fetch-Site: cross-site\r\n");
    assert_eq!(
        site.ask("POST", &format!("{path}/decide"), &foreign, &format!("{approve}&form={form}")).code,
        403
    );
    assert_eq!(ils.counts().patrons, 0);
    let one = format!("{approve}&form={form}&school=nowhere&kind=create");
    let none = site.ask("POST", &format!("{path}/decide"), &cookie, &one);
    assert_eq!(none.code, 409, "{}", none.body);
    let done =
        site.ask("POST", &format!("{path}/decide"), &cookie, &format!("{approve}&form={form}&kind=create"));
    assert_eq!(done.code, 303, "{}", done.body);
    assert!(site.ask("GET", &path, &cookie, "").body.contains("Approved."), "it says so once");
    assert_eq!(ils.counts().patrons, 4);
    let audit = library.run(&["audit"]).expect(0).stdout;
    assert!(audit.contains("amos  approve oak"), "{audit}");
}

#[test]
fn an_administrator_pauses_and_resumes_and_it_is_noted() {
    let ils = Practice::start();
    let (library, _) = waiting(&ils, &children(4));
    let site = Site::start(&library, true);
    let until = crate::support::today().checked_add(jiff::Span::new().days(3)).unwrap();
    assert_eq!(site.post("ada", "/partnership/oak/pause", "until=1999-01-01&reason=x").code, 400);
    let paused = site.post("ada", "/partnership/oak/pause", &format!("until={until}&reason=holiday"));
    assert_eq!(paused.code, 200, "{}", paused.body);
    library.run(&["sync", "oak"]).expect(75);
    let page = site.get("ada", "/partnership/oak").body;
    assert!(page.contains("by ada: holiday") && page.contains("Resume oak"), "{page}");
    assert!(
        !site.get("amos", "/partnership/oak").body.contains("Resume oak"),
        "what may not be done is not shown"
    );
    assert_eq!(site.post("ada", "/partnership/oak/resume", "").code, 200);
    assert_eq!(site.post("ada", "/partnership/oak/resume", "").code, 409);
    let audit = site.get("ada", "/audit").body;
    assert!(audit.contains("pause") && audit.contains("resume") && audit.contains("ada"), "{audit}");
}

#[test]
fn reviews_are_answered_without_a_name() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.let_all_through();
    let mut class = canaries(12);
    send(&class, &library.package());
    library.json(&["sync", "oak"], 0);
    for child in &mut class[..2] {
        ils.delete(&number(&child.id)).unwrap();
        child.family = format!("{}x", child.family);
    }
    send(&class, &library.package());
    library.json(&["sync", "oak"], 0);
    let site = Site::start(&library, true);
    assert!(site.get("amos", "/").body.contains("2 patrons are not in the ILS any more"));
    let page = site.get("amos", "/partnership/oak").body;
    let review = between(&page, "/partnership/oak/review/", "\"").to_owned();
    assert!(page.contains("rostercard review show oak --review"), "{page}");
    let path = format!("/partnership/oak/review/{review}");
    assert!(
        !site.get("vera", "/partnership/oak").body.contains("/review/"),
        "a viewer sees no single review"
    );
    assert_eq!(site.post("vera", &path, "answer=leave").code, 403);
    assert_eq!(site.post("amos", &path, "answer=separate").code, 409);
    assert_eq!(site.post("amos", &path, "answer=relink&barcode=NOBODY").code, 409);
    let answered = site.post("amos", &path, "answer=recreate");
    assert_eq!(answered.code, 200, "{}", answered.body);
    assert_eq!(library.json(&["sync", "oak"], 0)["counts"]["create"], 1);
    let audit = library.run(&["audit"]).expect(0).stdout;
    assert!(audit.contains("amos  answer oak"), "{audit}");
}

#[test]
fn no_page_shows_anything_about_a_child() {
    let ils = Practice::start();
    let mut class = canaries(30);
    class[4].id = "1.23E+05".to_owned();
    let (library, run) = waiting(&ils, &class);
    let site = Site::start(&library, true);
    let mut pages = Vec::new();
    let look = |pages: &mut Vec<String>| {
        for path in ["/", "/partnership/oak", "/audit", &format!("/run/{run}"), "/run/2", "/run/3"] {
            for (who, ..) in TOKENS {
                pages.push(site.get(who, path).body);
            }
        }
    };
    look(&mut pages);
    library.run(&["approve", &run]);
    for child in &mut class[..3] {
        ils.delete(&number(&child.id)).unwrap();
        child.family = format!("{}x", child.family);
    }
    send(&class[..29], &library.package());
    library.run(&["sync", "oak"]);
    look(&mut pages);
    assert!(
        pages.iter().any(|page| page.contains("not in the ILS any more")),
        "there is something to be shown"
    );
    assert!(
        pages.iter().any(|page| page.contains("number_damaged") || page.contains("rejected")),
        "and a reject"
    );
    for page in &pages {
        for canary in ["Zyxwigiven", "Qqfamilyq", "2013-02-28", "731000", "1.23E+05", "u73100"] {
            assert!(!page.contains(canary), "{canary} in {page}");
        }
    }
}

#[test]
fn a_token_that_is_short_shared_or_missing_is_a_mistake() {
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    for (name, text) in
        [("a", "short"), ("b", "the-same-token-twice-over"), ("c", "the-same-token-twice-over")]
    {
        let file = library.path(&format!("{name}.token"));
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        library.append(
            "rostercard.toml",
            &format!("[http.tokens.{name}]\nrole = \"viewer\"\npartnerships = [\"oka\"]\ntoken = {{ file = \"{name}.token\" }}"),
        );
    }
    let ran = library.run(&["check"]).expect(78);
    let said = [
        "too short",
        "another name has the same token",
        "no partnership `oka`",
        "did you mean `oak`",
        "does not listen",
    ];
    let ran = ran.says(&said);
    assert!(!ran.both().contains("the-same-token"), "{}", ran.both());
    library.append("rostercard.toml", "[http]\nlisten = \"0.0.0.0:9464\"");
    library.run(&["check"]).expect(78).says(&["tokens cross the network in clear", "tls_in_front"]);
}

/// A real browser: an accessibility check of every page in light and dark, and whether Tab reaches every control. The pictures
/// go where ROSTERCARD_PICTURES says, if it says so.
#[test]
#[expect(clippy::disallowed_methods, reason = "CI says by the environment that nothing may be skipped")]
fn a_browser_finds_it_accessible() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/browser/page.mjs");
    let modules = Command::new("npm").args(["root", "--global"]).output();
    let modules =
        modules.map(|ran| String::from_utf8_lossy(&ran.stdout).trim().to_owned()).unwrap_or_default();
    let has = |name: &str| Path::new(&modules).join(name).is_dir();
    let browser =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser"].into_iter().find(|path| Path::new(path).exists());
    let Some(browser) = browser.filter(|_| has("puppeteer-core") && has("axe-core")) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no browser here");
        println!("skipped: no chromium, puppeteer-core and axe-core here");
        return;
    };
    let ils = Practice::start();
    let library = Library::new(&ils.ncip_url(), TWO_HOMES);
    library.let_all_through();
    let mut class = canaries(60);
    send(&class, &library.package());
    library.json(&["sync", "oak"], 0);
    for child in &mut class[..3] {
        ils.delete(&number(&child.id)).unwrap();
        child.family = format!("{}x", child.family);
    }
    send(&class, &library.package());
    library.json(&["sync", "oak"], 0);
    library.edit("partnerships/oak.toml", "category = \"STUDENT\"", "category = \"TEEN\"");
    send(&class, &library.package());
    let run = library.json(&["sync", "oak"], 3)["run"].to_string();
    let site = Site::start(&library, true);
    let ran = Command::new("node")
        .arg(script)
        .env("NODE_PATH", &modules)
        .env("BROWSER", browser)
        .env("SITE", format!("http://127.0.0.1:{}", site.port))
        .env("TOKEN", token("ada"))
        .env("PAGES", format!("/ /partnership/oak /run/{run} /audit"))
        .env("PICTURES", std::env::var("ROSTERCARD_PICTURES").unwrap_or_default())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    println!("{said}");
}
