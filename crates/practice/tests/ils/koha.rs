//! Koha's REST API as the practice ILS speaks it, over a plain socket: each trap of a running Koha 23.05.

use std::time::Duration;

use rostercard_practice::ils::{Ils, KohaManners, KohaVersion, Options, Patron, Personality, Running};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Basic authentication of the default login.
const BASIC: &str = "Basic cm9zdGVyY2FyZDpwcmFjdGljZQ==";

async fn koha(change: impl FnOnce(&mut KohaManners)) -> Running {
    let mut koha_manners = KohaManners::default();
    change(&mut koha_manners);
    let personality = Personality {
        categories: vec!["STUDENT".into(), "STARTER".into()],
        branches: vec!["MAIN".into(), "EAST".into()],
        ..Personality::default()
    };
    Ils::start(Options { personality, koha_manners, ..Options::default() }).await.unwrap()
}

/// Status, headers and body.
async fn call(koha: &Running, method: &str, path: &str, headers: &str, body: &str) -> (u16, String, Value) {
    let address = koha.koha_url();
    let mut socket = TcpStream::connect(address.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "{method} /api/v1/{path} HTTP/1.1\r\nHost: practice\r\nConnection: close\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = socket.read_to_end(&mut bytes);
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

async fn ask(koha: &Running, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let headers = format!("Authorization: {BASIC}\r\nx-koha-embed: extended_attributes\r\n");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, _, body) = call(koha, method, path, &headers, &body).await;
    (status, body)
}

fn child(number: &str) -> Value {
    json!({
        "cardnumber": number, "userid": number, "surname": "Doe", "firstname": "Jane", "category_id": "STUDENT",
        "library_id": "MAIN", "expiry_date": "2027-11-24",
    })
}

#[tokio::test]
async fn a_create_echoes_what_was_sent_and_keeps_what_fits() {
    let koha = koha(|_| {}).await;
    let long = "7".repeat(40);
    let (status, echo) = ask(&koha, "POST", "patrons", &child(&long)).await;
    assert_eq!((status, &echo["cardnumber"]), (201, &json!(long)), "the answer echoes all of it");
    assert_eq!(echo["expiry_date"], "2027-11-24T01:55:39", "dates have grown a time of day");
    let path = format!("patrons/{}", echo["patron_id"]);
    let (_, held) = ask(&koha, "GET", &path, &Value::Null).await;
    assert_eq!((&held["cardnumber"], &held["expiry_date"]), (&json!("7".repeat(32)), &json!("2027-11-24")));
    assert!(held["middle_name"].is_null() && held.as_object().unwrap().contains_key("middle_name"));
}

#[tokio::test]
async fn a_user_id_is_made_of_the_name_where_none_is_sent() {
    let koha = koha(|_| {}).await;
    for (number, userid) in [("1", "jane.doe"), ("2", "jane.doe1"), ("3", "jane.doe2")] {
        let mut body = child(number);
        body.as_object_mut().unwrap().remove("userid");
        assert_eq!(ask(&koha, "POST", "patrons", &body).await.0, 201);
        assert_eq!(koha.patron(number).unwrap().koha.userid, userid);
    }
}

#[tokio::test]
async fn refusals_are_worded_as_kohas() {
    let koha = koha(|_| {}).await;
    assert_eq!(ask(&koha, "POST", "patrons", &child("PUT1")).await.0, 201);
    let with = |name: &str, value: Value| {
        let mut body = child("2");
        body[name] = value;
        body
    };
    let attributes =
        |kind: &str, value: &str| with("extended_attributes", json!([{"type": kind, "value": value}]));
    let first = with("extended_attributes", json!([{"type": "STUDENTID", "value": "S1"}]));
    let mut first = first;
    (first["cardnumber"], first["userid"]) = (json!("first"), json!("first"));
    assert_eq!(ask(&koha, "POST", "patrons", &first).await.0, 201);
    let cases = [
        (with("userid", json!("put1")), 400, "Problem with put1"),
        (with("cardnumber", json!(" PÜT1")), 409, "cardnumber"),
        (with("category_id", json!("X")), 400, "Given category_id does not exist"),
        (with("library_id", json!("X")), 400, "Given library_id does not exist"),
        (with("bogus", json!("x")), 400, "Properties not allowed: bogus."),
        (with("password", json!("x")), 400, "Properties not allowed: password."),
        (with("restricted", json!(false)), 400, "Read-only."),
        (attributes("NOTYPE", "x"), 400, "Tried to use an invalid attribute type. type=NOTYPE"),
        (attributes("STUDENTID", "s1"), 400, "unique constraint on the attribute. type=STUDENTID value=s1"),
        (json!({"surname": "x", "library_id": "MAIN"}), 400, "/body/category_id"),
    ];
    for (body, status, word) in cases {
        let got = ask(&koha, "POST", "patrons", &body).await;
        assert!(got.0 == status && got.1.to_string().contains(word), "{word}: {got:?}");
    }
    assert_eq!(koha.patrons().len(), 2);
    assert_eq!(ask(&koha, "PATCH", "patrons/1", &json!({})).await.0, 404);
    assert_eq!(ask(&koha, "GET", "patron_categories", &Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_change_merges_and_null_empties() {
    let koha = koha(|_| {}).await;
    let mut body = child("1");
    (body["email"], body["staff_notes"]) = (json!("a@example.org"), json!("note"));
    let (_, made) = ask(&koha, "POST", "patrons", &body).await;
    let path = format!("patrons/{}", made["patron_id"]);
    let change = json!({"surname": "Roe", "library_id": "MAIN", "category_id": "STUDENT", "email": null});
    let (status, after) = ask(&koha, "PUT", &path, &change).await;
    assert_eq!((status, &after["email"], &after["staff_notes"]), (200, &Value::Null, &json!("note")));
    assert_eq!(ask(&koha, "PUT", &path, &json!({"email": "x"})).await.0, 400);
    let whole = ask(&koha, "GET", &path, &Value::Null).await.1;
    assert_eq!(ask(&koha, "PUT", &path, &whole).await.0, 400, "what is read cannot be put back as it is");
    assert_eq!(ask(&koha, "PUT", "patrons/4711", &change).await.0, 404);
}

#[tokio::test]
async fn the_plain_search_finds_parts_and_q_finds_whole_values() {
    let koha = koha(|_| {}).await;
    for number in ["2123400000000", "21234000000001", "21234000000002"] {
        ask(&koha, "POST", "patrons", &child(number)).await;
    }
    let count = async |path: &str| ask(&koha, "GET", path, &Value::Null).await.1.as_array().unwrap().len();
    assert_eq!(count("patrons?cardnumber=2123400000000").await, 3);
    assert_eq!(count("patrons?cardnumber=2123400000000&_match=exact").await, 1);
    assert_eq!(count("patrons?q=%7B%22cardnumber%22%3A%222123400000000%22%7D").await, 1);
    assert_eq!(count("patrons?_per_page=2").await, 2);
    assert_eq!(count("patrons?_per_page=-1").await, 4, "the login is a patron too");
    assert_eq!(count("patrons?_per_page=2&_page=9").await, 0);
    let auth = format!("Authorization: {BASIC}\r\n");
    let (_, head, _) = call(&koha, "GET", "patrons?cardnumber=9&_match=exact", &auth, "").await;
    assert!(head.contains("x-total-count: 0") && head.contains("x-base-total-count: 4"), "{head}");
    let (status, ..) =
        call(&koha, "GET", "patrons?q=%7B%22extended_attributes.value%22%3A%22x%22%7D", &auth, "").await;
    assert_eq!(status, 400, "attributes are searched where they are embedded");
}

#[tokio::test]
async fn who_is_let_in() {
    let koha = koha(|_| {}).await;
    let status = async |headers: &str| call(&koha, "GET", "patrons", headers, "").await.0;
    assert_eq!(status("").await, 401);
    assert_eq!(status(&format!("Authorization: {BASIC}\r\n")).await, 200);
    assert_eq!(status("Authorization: Basic cm9zdGVyY2FyZDp4\r\n").await, 403);
    assert_eq!(status("Authorization: Bearer x\r\n").await, 401);
    let form = "grant_type=client_credentials&client_id=rostercard&client_secret=practice";
    let (_, _, token) = call(&koha, "POST", "oauth/token", "", form).await;
    let bearer = format!("Authorization: Bearer {}\r\n", token["access_token"].as_str().unwrap());
    assert_eq!(status(&bearer).await, 200);
    koha.forget_koha_tokens();
    assert_eq!(status(&bearer).await, 401);
    let wrong = call(&koha, "POST", "oauth/token", "", &form.replace("practice", "x")).await;
    assert_eq!((wrong.0, &wrong.2["error"]), (403, &json!("access_denied")));
}

#[tokio::test]
async fn a_login_of_one_library_sees_that_library_and_may_make_what_it_does_not_see() {
    let koha = koha(|m| m.see_all = false).await;
    let theirs = Patron {
        barcode: "1".into(),
        surname: "Doe".into(),
        home_branch: Some("EAST".into()),
        ..Patron::default()
    };
    let id = koha.add(theirs).unwrap().id;
    let search = ask(&koha, "GET", "patrons?cardnumber=1&_match=exact", &Value::Null).await;
    assert_eq!(search, (200, json!([])));
    assert_eq!(ask(&koha, "GET", &format!("patrons/{id}"), &Value::Null).await.0, 404);
    assert_eq!(ask(&koha, "POST", "patrons", &child("1")).await.0, 409);
    let mut east = child("2");
    east["library_id"] = json!("EAST");
    let (status, made) = ask(&koha, "POST", "patrons", &east).await;
    assert_eq!(status, 201);
    assert_eq!(ask(&koha, "GET", &format!("patrons/{}", made["patron_id"]), &Value::Null).await.0, 404);
}

#[tokio::test]
async fn categories_cost_and_who_owes_is_not_deleted() {
    let koha = koha(|m| {
        m.fees.insert("STARTER".into(), 500);
        m.version = KohaVersion::New;
    })
    .await;
    let (_, made) = ask(&koha, "POST", "patrons", &child("1")).await;
    let path = format!("patrons/{}", made["patron_id"]);
    let change = json!({"surname": "Doe", "library_id": "MAIN", "category_id": "STARTER"});
    assert_eq!(ask(&koha, "PUT", &path, &change).await.0, 200);
    assert_eq!(ask(&koha, "PUT", &path, &change).await.0, 200);
    let (_, account) = ask(&koha, "GET", &format!("{path}/account"), &Value::Null).await;
    assert_eq!(account["outstanding_debits"]["total"], 5.0);
    let (status, refused) = ask(&koha, "DELETE", &path, &Value::Null).await;
    assert_eq!((status, &refused["error_code"]), (409, &json!("has_debt")));
    let (_, categories) = ask(&koha, "GET", "patron_categories", &Value::Null).await;
    assert_eq!(categories[1]["enrolment_fee"], 5.0);
    ask(&koha, "POST", "patrons", &child("2")).await;
    let id = koha.patron("2").unwrap().id;
    assert_eq!(ask(&koha, "DELETE", &format!("patrons/{id}"), &Value::Null).await.0, 204);
    assert!(koha.patron("2").is_none());
}

#[tokio::test]
async fn passwords_are_measured() {
    let koha = koha(|m| (m.pin_min, m.pin_strong) = (8, true)).await;
    let (_, made) = ask(&koha, "POST", "patrons", &child("1")).await;
    let path = format!("patrons/{}/password", made["patron_id"]);
    let cases = [
        (("2907", "2907"), 400, "Password length (4) is shorter than required (8)"),
        (("29071234", "29071234"), 400, "[Password is too weak]"),
        (("Abcd1234", "Abcd12345"), 400, "Passwords don't match"),
        ((" Abcd123", " Abcd123"), 400, "whitespace"),
        (("Abcd1234", "Abcd1234"), 200, ""),
    ];
    for ((one, two), status, word) in cases {
        let got = ask(&koha, "POST", &path, &json!({"password": one, "password_2": two})).await;
        assert!(got.0 == status && got.1.to_string().contains(word), "{word}: {got:?}");
    }
    assert_eq!(koha.patron("1").unwrap().pin.as_deref(), Some("Abcd1234"));
}
