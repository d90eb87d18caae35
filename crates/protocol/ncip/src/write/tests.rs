//! What is refused before sending, and one message of each style to look at.

use super::*;
use crate::model::{StructuredName, UserElement};
use crate::{Style, UserRecord};

fn written(request: &Request, dialect: &Dialect) -> Result<String, WriteError> {
    encode(request, &Header::new("LAKESIDE-USD", "LAKELIB"), dialect)
        .map(|body| String::from_utf8(body.into_bytes()).unwrap())
}

fn create(surname: &str) -> CreateUser {
    CreateUser {
        who: Some(Who::Id(UserId::barcode("LAKELIB", "20001"))),
        name: UserName::Structured(StructuredName {
            given: Some("Zoë".into()),
            surname: surname.into(),
            ..StructuredName::default()
        }),
        fields: Fields::default(),
    }
}

#[test]
fn the_styles_look_as_they_should() {
    let request = Request::LookupUser(LookupUser {
        who: Who::Id(UserId { agency: None, kind: None, value: "1".into() }),
        elements: vec![UserElement::NameInformation],
    });
    let header = "<InitiationHeader><FromAgencyId><AgencyId>LAKESIDE-USD</AgencyId></FromAgencyId><ToAgencyId>\
                  <AgencyId>LAKELIB</AgencyId></ToAgencyId></InitiationHeader>";
    let message = |root: &str, element: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<NCIPMessage {root}><LookupUser>{header}<UserId>\
             <UserIdentifierValue>1</UserIdentifierValue></UserId><UserElementType>{element}</UserElementType>\
             </LookupUser></NCIPMessage>\n"
        )
    };
    let bare = Dialect { send_schemes: false, ..Dialect::default() };
    let uri = Dialect::V2_02;
    let ns = "http://www.niso.org/2008/ncip";

    let unqualified =
        Dialect { style: Style::UnqualifiedVersion, elements: ElementSpelling::Joined, ..bare.clone() };
    assert_eq!(
        written(&request, &unqualified).unwrap(),
        message(&format!("xmlns=\"{ns}\" version=\"{uri}\""), "NameInformation")
    );
    let default = Dialect { style: Style::DefaultNamespace, ..bare.clone() };
    assert_eq!(
        written(&request, &default).unwrap(),
        message(&format!("xmlns=\"{ns}\" xmlns:ncip=\"{ns}\" ncip:version=\"{uri}\""), "Name Information")
    );
    assert_eq!(
        written(&request, &bare).unwrap(),
        message(&format!("xmlns=\"{ns}\" version=\"{uri}\""), "Name Information")
            .replace("</", "</ncip:")
            .replace("<N", "<ncip:N")
            .replace("<L", "<ncip:L")
            .replace("<I", "<ncip:I")
            .replace("<F", "<ncip:F")
            .replace("<A", "<ncip:A")
            .replace("<T", "<ncip:T")
            .replace("<U", "<ncip:U")
            .replace("xmlns=", "xmlns:ncip=")
            .replace(" version=\"http", " ncip:version=\"http")
    );
}

#[test]
fn s12_a_name_without_surname_is_refused_before_sending() {
    for surname in ["", " ", "\u{a0}\u{3000}"] {
        let request = Request::CreateUser(create(surname));
        assert_eq!(written(&request, &Dialect::default()).unwrap_err(), WriteError::NoSurname);
    }
    let whole = Request::CreateUser(CreateUser { name: UserName::Unstructured(" ".into()), ..create("x") });
    let empty = WriteError::Empty { element: "UnstructuredPersonalUserName" };
    assert_eq!(written(&whole, &Dialect::default()).unwrap_err(), empty);
}

#[test]
fn s12_control_characters_are_refused_before_sending() {
    for c in ['\0', '\u{1}', '\t', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{9f}', '\u{fffe}', '\u{ffff}']
    {
        let error =
            written(&Request::CreateUser(create(&format!("Mar{c}sh"))), &Dialect::default()).unwrap_err();
        assert_eq!(error, WriteError::ControlCharacter { element: "Surname" }, "{c:?}");
        assert!(!error.to_string().contains("Mar"));
    }
}

#[test]
fn what_the_schema_has_no_place_for_is_refused() {
    let plain = Dialect::default();
    let fields = |fields: Fields| Request::CreateUser(CreateUser { fields, ..create("Marsh") });
    let second_name = fields(Fields { name: Some(UserName::Unstructured("x".into())), ..Fields::default() });
    assert!(matches!(written(&second_name, &plain).unwrap_err(), WriteError::Misplaced { .. }));
    let pin = fields(Fields { authentication: vec![AuthenticationInput::pin("4711")], ..Fields::default() });
    assert!(matches!(written(&pin, &plain).unwrap_err(), WriteError::Misplaced { .. }));
    let ids = fields(Fields { user_ids: vec![UserId::barcode("L", "1")], ..Fields::default() });
    assert!(matches!(written(&ids, &plain).unwrap_err(), WriteError::Misplaced { .. }));

    let who = || Who::Id(UserId::barcode("L", "1"));
    let nothing = UpdateUser { who: who(), delete: Fields::default(), add: Fields::default() };
    assert_eq!(written(&Request::UpdateUser(nothing), &plain).unwrap_err(), WriteError::NothingToUpdate);
    let nobody = LookupUser { who: Who::Authentication(Vec::new()), elements: Vec::new() };
    assert_eq!(
        written(&Request::LookupUser(nobody), &plain).unwrap_err(),
        WriteError::Empty { element: "AuthenticationInput" }
    );
    let blank = LookupUser { who: Who::Id(UserId::barcode("L", " ")), elements: Vec::new() };
    assert_eq!(
        written(&Request::LookupUser(blank), &plain).unwrap_err(),
        WriteError::Empty { element: "UserIdentifierValue" }
    );
}

#[test]
fn deletions_go_before_additions() {
    let block = |kind: &str| Fields {
        blocks: vec![Block { agency: "L".into(), kind: kind.into() }],
        ..Fields::default()
    };
    let request =
        UpdateUser { who: Who::Id(UserId::barcode("L", "1")), delete: block("old"), add: block("new") };
    let text = written(&Request::UpdateUser(request), &Dialect::default()).unwrap();
    assert!(text.find("DeleteUserFields").unwrap() < text.find("AddUserFields").unwrap());
    assert!(text.find("old").unwrap() < text.find("new").unwrap());
}

#[test]
fn a_record_prints_nothing_personal() {
    let record = UserRecord {
        id: Some(UserId::barcode("L", "20001")),
        fields: Fields { name: Some(UserName::Unstructured("Zoe".into())), ..Fields::default() },
        unreadable: Vec::new(),
    };
    let shown = format!("{record:?}");
    assert!(!shown.contains("20001") && !shown.contains("Zoe"), "{shown}");
}
