//! Every answer of Koha's that was seen, and what it means.

use std::time::Duration;

use super::*;

fn meaning(what: What, status: u16, body: &str) -> Meaning {
    let mut answer = Answer::new(status, body);
    answer.retry_after = (status == 429).then(|| Duration::from_secs(17));
    let attributes = AttributeMap { student_id: Some("STUDENTID".into()), ..AttributeMap::default() };
    understand(what, answer, &attributes, "https://koha")
}

fn short(meaning: Meaning) -> String {
    match meaning {
        Meaning::Done(_) => "done".to_owned(),
        Meaning::NoPatron => "no patron".to_owned(),
        Meaning::Doubt(error) => format!("doubt {}", error.retry),
        Meaning::Refused(no) => {
            format!("{} {} {}", no.kind, no.field.map_or("-", Field::word), no.error.retry)
        }
    }
}

#[test]
fn every_answer_has_one_meaning() {
    use What::{Attributes, Create, Password, Read, Search, Update};
    let cases = [
        (Create, 201, "{\"patron_id\":1}", "done"),
        (Password, 200, "\"\"", "done"),
        (Search, 200, "<html>It works!</html>", "doubt not_this_target"),
        (Create, 201, "<html>", "doubt not_this_target"),
        (Search, 302, "", "target - not_this_target"),
        (Search, 401, r#"{"error":"Authentication failure."}"#, "target - not_this_target"),
        (Search, 401, r#"{"error":"Basic authentication disabled"}"#, "target - not_this_target"),
        (
            Search,
            403,
            r#"{"error":"Invalid password","required_permissions":null}"#,
            "target - not_this_target",
        ),
        (
            Update,
            403,
            r#"{"error":"Authorization failure.","required_permissions":{"borrowers":"1"}}"#,
            "target - not_this_target",
        ),
        (Read, 404, r#"{"error":"Patron not found."}"#, "no patron"),
        (Update, 404, r#"{"error":"Patron not found"}"#, "no patron"),
        (Read, 404, "<html>Not Found</html>", "target - not_this_target"),
        (Update, 404, r#"{"errors":[{"message":"Not Found.","path":"/"}]}"#, "target - not_this_target"),
        (
            Create,
            409,
            r#"{"error":"Duplicate ID","conflict":"cardnumber"}"#,
            "duplicate barcode not_this_record",
        ),
        (
            Create,
            409,
            r#"{"error":"Duplicate ID","conflict":"userid"}"#,
            "duplicate user_name not_this_record",
        ),
        (Create, 409, "", "duplicate - not_this_record"),
        (Create, 400, r#"{"error":"Problem with s1000001"}"#, "duplicate user_name not_this_record"),
        (Create, 400, r#"{"error":"Given category_id does not exist"}"#, "field category not_this_record"),
        (Create, 400, r#"{"error":"Given library_id does not exist"}"#, "field home_branch not_this_record"),
        (
            Create,
            400,
            r#"{"errors":[{"message":"Missing property.","path":"/body/city"}],"status":400}"#,
            "field address not_this_record",
        ),
        (
            Create,
            400,
            r#"{"errors":[{"message":"Properties not allowed: middle_name.","path":"/body"}],"status":400}"#,
            "target - not_this_target",
        ),
        (
            Attributes,
            400,
            r#"{"error":"Your action breaks a unique constraint on the attribute. type=STUDENTID value=S1"}"#,
            "duplicate student_id not_this_record",
        ),
        (
            Create,
            400,
            r#"{"error":"Your action breaks a unique constraint on the attribute. type=SCHOOL value=S1"}"#,
            "duplicate statistics not_this_record",
        ),
        (
            Create,
            400,
            r#"{"error":"Tried to use an invalid attribute type. type=STUDENTID"}"#,
            "target - not_this_target",
        ),
        (
            Create,
            400,
            r#"{"error":"Missing mandatory extended attribute (type=X)"}"#,
            "record - not_this_record",
        ),
        (Create, 400, "{}", "record - not_this_record"),
        (
            Password,
            400,
            r#"{"error":"Password length (4) is shorter than required (8)"}"#,
            "field pin not_this_record",
        ),
        (Password, 400, r#"{"error":"[Password is too weak]"}"#, "field pin not_this_record"),
        (Create, 422, "", "record - not_this_record"),
        (Create, 429, "", "record - later"),
        (Create, 408, "", "doubt later"),
        (Create, 500, r#"{"error":"Something went wrong, check the logs."}"#, "doubt later"),
        (Create, 502, "<html>Bad Gateway</html>", "doubt later"),
        (Create, 503, r#"{"error":"System is under maintenance."}"#, "doubt later"),
    ];
    for (what, status, body, wanted) in cases {
        assert_eq!(short(meaning(what, status, body)), wanted, "{status} {body}");
    }
}

#[test]
fn no_word_of_kohas_is_repeated() {
    let bodies = [
        r#"{"error":"Problem with zoe.marsh","conflict":"zoe.marsh"}"#,
        r#"{"error":"zoe.marsh","required_permissions":{"zoe.marsh":"zoe.marsh"}}"#,
        r#"{"errors":[{"message":"zoe.marsh","path":"/body/surname"}]}"#,
        r#"{"errors":[{"message":"Properties not allowed: zoe.marsh.","path":"/body"}]}"#,
        r#"{"error":"Your action breaks a unique constraint on the attribute. type=zoe.marsh value=zoe.marsh"}"#,
        r#"{"error":"Tried to use an invalid attribute type. type=zoe.marsh"}"#,
    ];
    for status in [200, 302, 400, 401, 403, 404, 409, 429, 500, 503] {
        for body in bodies {
            for what in [What::Create, What::Password, What::Search] {
                let shown = format!("{:?}", meaning(what, status, body));
                assert!(!shown.contains("zoe"), "{status} {body}: {shown}");
            }
        }
    }
}

#[test]
fn a_lacking_permission_is_named() {
    let cases = [
        (r#"{"borrowers":"edit_borrowers"}"#, "borrowers:edit_borrowers"),
        (r#"{"borrowers":"1"}"#, "borrowers"),
        (r#"{"borrowers":1,"circulate":1}"#, "borrowers, circulate"),
    ];
    for (required, wanted) in cases {
        assert_eq!(permissions(&serde_json::from_str(required).unwrap()), wanted);
    }
}

#[test]
fn a_key_that_is_not_accepted_is_the_operators() {
    let refused = |code: &str, status| {
        let error = OAuthError::Refused { origin: "https://koha".into(), status, code: code.into() };
        on_the_way(&RestError::Token(error), "https://koha")
    };
    assert!(refused("access_denied", 403).hint.contains("client_secret"));
    assert!(refused("Unimplementedgranttype", 400).hint.contains("RESTOAuth2ClientCredentials"));
    assert_eq!(refused("access_denied", 403).retry, Retry::NotThisTarget);
    assert_eq!(refused("", 500).retry, Retry::Later);
}
