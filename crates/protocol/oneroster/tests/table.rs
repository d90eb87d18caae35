//! Headers and rows as exports write them, and as they should not.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::io::Read;

use proptest::prelude::*;
use rostercard_oneroster::{
    Code, Columns, DateCell, Demographics, Finding, Line, Orgs, ReadError, Records, Status, Step, Table,
    Users, Version,
};

/// Gives its bytes in pieces of a given size, as a pipe or an unpacker does.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.1.min(self.0.len()).min(buffer.len());
        buffer[..size].copy_from_slice(&self.0[..size]);
        self.0 = &self.0[size..];
        Ok(size)
    }
}

/// Every record as its cells, or the line and code of its damage.
fn all(bytes: &[u8], width: Option<usize>, piece: usize) -> Vec<Result<Vec<String>, (u64, Code)>> {
    let mut records = Records::new(Pieces(bytes, piece));
    if let Some(width) = width {
        records.set_width(width);
    }
    let mut out = Vec::new();
    while let Some(step) = records.next_step().unwrap() {
        out.push(match step {
            Step::Record(record) => {
                Ok((0..record.len()).map(|at| record.get(at).unwrap().to_owned()).collect())
            }
            Step::Damaged { line, code, .. } => Err((line, code)),
        });
    }
    out
}

fn orgs(header: &str) -> Result<Vec<Finding>, Vec<Finding>> {
    let text = format!("{header}\n");
    match Table::<Orgs, _>::open(Version::V1_1, text.as_bytes()) {
        Ok((_, findings)) => Ok(findings),
        Err(ReadError::Unusable(findings)) => Err(findings),
        Err(error) => panic!("{error}"),
    }
}

fn cells(cells: &[&str]) -> Result<Vec<String>, (u64, Code)> {
    Ok(cells.iter().map(|cell| (*cell).to_owned()).collect())
}

#[test]
fn line_ends_quotes_and_marks() {
    let wanted = vec![cells(&["a", "b"]), cells(&["1", "x,\"y\""]), cells(&["2", "two\nlines"])];
    for text in [
        "a,b\n1,\"x,\"\"y\"\"\"\n2,\"two\nlines\"\n",
        "a,b\r\n1,\"x,\"\"y\"\"\"\r\n2,\"two\nlines\"",
        "\u{feff}a,b\r1,\"x,\"\"y\"\"\"\r2,\"two\nlines\"\r",
        "\n\na,b\n\r\n1,\"x,\"\"y\"\"\"\n\n\n2,\"two\nlines\"\n\n",
    ] {
        for piece in [4, 5, 7, 4096] {
            assert_eq!(all(text.as_bytes(), Some(2), piece), wanted, "{text:?} in pieces of {piece}");
        }
    }
}

#[test]
fn lines_are_counted_over_every_kind_of_end() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["a,b", "", "1", "2,\"x\ny\"", "3"].join(end);
        assert_eq!(
            all(text.as_bytes(), Some(2), 1000),
            [
                cells(&["a", "b"]),
                Err((3, Code::RowWidthMismatch)),
                cells(&["2", "x\ny"]),
                Err((6, Code::RowWidthMismatch))
            ],
            "{end:?}"
        );
    }
}

#[test]
fn a_row_of_wrong_width_costs_itself() {
    assert_eq!(
        all(b"a,b,c\n1,2\n1,2,3\n1,2,3,4\n1,2,3,4,5,6,7,8\n4,5,6\n", Some(3), 9),
        [
            cells(&["a", "b", "c"]),
            Err((2, Code::RowWidthMismatch)),
            cells(&["1", "2", "3"]),
            Err((4, Code::RowWidthMismatch)),
            Err((5, Code::RowWidthMismatch)),
            cells(&["4", "5", "6"]),
        ]
    );
}

#[test]
fn a_quote_that_is_never_closed_costs_its_row() {
    for text in [
        // Runs on to the end of the file.
        "1,\"Al,x\n2,Bo,y\n3,Cy,z\n",
        // Is closed by the next row's quote, with a width that fits by accident.
        "1,\"Al,x\n2,\"Bo\",y\n3,Cy,z\n",
        "1,\"Al,x\r\n2,\"Bo\",y\r\n3,Cy,z",
    ] {
        for piece in [3, 1000] {
            assert_eq!(
                all(text.as_bytes(), Some(3), piece),
                [Err((1, Code::RowBrokenQuotes)), cells(&["2", "Bo", "y"]), cells(&["3", "Cy", "z"])],
                "{text:?}"
            );
        }
    }
    // Where lines end in a carriage return alone, which the header shows.
    let text = "a,b,c\r1,\"Al,x\r2,\"Bo\",y\r3,Cy,z";
    assert_eq!(
        all(text.as_bytes(), Some(3), 99)[1..3],
        [Err((2, Code::RowBrokenQuotes)), cells(&["2", "Bo", "y"])]
    );
    // A file that breaks off in a quoted cell ends in a damaged row, not in a short name.
    for text in ["1,2,\"Al", "1,2,\"Al\n"] {
        assert_eq!(all(text.as_bytes(), Some(3), 1000), [Err((1, Code::RowBrokenQuotes))], "{text:?}");
    }
}

#[test]
fn a_long_way_to_the_next_quote_is_given_up() {
    let mut text = "1,\"Al,x\n".to_owned();
    for number in 2..200_000 {
        text += &format!("{number},name,other\n");
    }
    let read = all(text.as_bytes(), Some(3), 60_000);
    assert_eq!(read.len(), 199_999);
    assert_eq!(read[0], Err((1, Code::RowBrokenQuotes)));
    assert!(read[1..].iter().all(Result::is_ok));
    assert_eq!(read[199_998], cells(&["199999", "name", "other"]));
}

#[test]
fn a_line_longer_than_any_is_left_out() {
    let text = format!("1,2\n{},x\n3,4\n", "y".repeat(3 << 20));
    assert_eq!(
        all(text.as_bytes(), Some(2), 100_000),
        [cells(&["1", "2"]), Err((2, Code::RowTooLong)), cells(&["3", "4"])]
    );
}

#[test]
fn quotes_that_open_again_and_again_do_not_cost_more_than_their_bytes() {
    // Each line ends inside a quote that the next line closes and opens again.
    let text = "a\",\"x\n".repeat(200_000);
    let read = all(text.as_bytes(), Some(3), 1 << 16);
    assert_eq!(read.len(), 200_000);
    assert!(read.iter().all(Result::is_err));
}

#[test]
fn bytes_that_are_no_utf8_cost_their_row_and_leave_its_other_cells() {
    let mut bytes = b"sourcedId,name,identifier\norg1,M\xfcller,77\norg2,Good,78\n".to_vec();
    bytes.extend_from_slice("org3,Größe,79\n".as_bytes());
    let (mut table, _) = Table::<Orgs, _>::open(Version::V1_1, bytes.as_slice()).unwrap();
    let Some(Line::Damaged(damaged)) = table.next_line().unwrap() else { panic!("not damaged") };
    assert_eq!((damaged.line, damaged.code), (2, Code::RowInvalidUtf8));
    let cells = damaged.cells.unwrap();
    assert_eq!(
        (cells.get(Orgs::SourcedId), cells.get(Orgs::Name), cells.get(Orgs::Identifier)),
        ("org1", "", "77")
    );
    for name in ["Good", "Größe"] {
        let Some(Line::Row(row)) = table.next_line().unwrap() else { panic!("no row") };
        assert_eq!(row.get(Orgs::Name), name);
    }
    assert!(table.next_line().unwrap().is_none());
    // Two cells that would be one character side by side.
    assert_eq!(all(b"a,b\n\xc3,\xa9\n", Some(2), 99)[1], Err((2, Code::RowInvalidUtf8)));
}

#[test]
fn headers_are_found_by_name() {
    let exact = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId";
    assert_eq!(orgs(exact), Ok(vec![]));
    let odd: &[(&str, &[Code])] = &[
        (
            "SOURCEDID,status,dateLastModified,Name,type,identifier,parent_sourced_id",
            &[Code::SchemaHeaderSpelling; 3],
        ),
        (
            "name,sourcedId,status,dateLastModified,type,identifier,parentSourcedId",
            &[Code::SchemaHeaderOrder],
        ),
        (
            "sourceId,status,dateLastModified,name,type,identifier,parentSourceId",
            &[Code::SchemaHeaderSpelling; 2],
        ),
        ("sourcedId,name", &[Code::SchemaMissingHeader]),
        ("sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId,metadata.x", &[]),
        (
            "sourcedId,metadata.x,status,dateLastModified,name,type,identifier,parentSourcedId",
            &[Code::SchemaMetadataPosition],
        ),
        (
            "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId,phase",
            &[Code::SchemaUnknownHeader],
        ),
        (
            "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId,",
            &[Code::TableEmptyHeaderName],
        ),
    ];
    for (header, codes) in odd {
        let found: Vec<Code> = orgs(header).unwrap().iter().map(|finding| finding.code).collect();
        assert_eq!(&found, codes, "{header}");
    }
}

#[test]
fn headers_that_cannot_be_used() {
    for (header, code) in [
        ("name,status", Code::SchemaMissingNeeded),
        ("sourcedId,name,Name", Code::TableDuplicateHeader),
        ("sourcedId,name,name", Code::TableDuplicateHeader),
        ("", Code::TableEmpty),
        ("sourcedId,\"name", Code::TableBrokenHeader),
    ] {
        assert_eq!(orgs(header).unwrap_err()[0].code, code, "{header}");
    }
}

#[test]
fn a_file_without_its_header_shows_no_child() {
    let text = "4711,active,,true,school-1,student,zelda.quux,,Zelda,Quux,,900,zelda@example.org,,,,05,\n";
    let Err(ReadError::Unusable(findings)) = Table::<Users, _>::open(Version::V1_1, text.as_bytes()) else {
        panic!("not refused");
    };
    assert_eq!(findings[0].code, Code::SchemaMissingNeeded);
    let shown =
        findings.iter().map(|finding| format!("{finding} {finding:?}")).collect::<String>().to_lowercase();
    assert!(!shown.contains("zelda") && !shown.contains("4711"), "{shown}");
}

#[test]
fn what_must_not_be_read_has_no_place() {
    let text = "sourcedId,birthDate,sex,asian\n1,2014-01-02,female,true\n";
    let (table, _) = Table::<Demographics, _>::open(Version::V1_1, text.as_bytes()).unwrap();
    let layout = table.layout();
    assert!(layout.has(Demographics::BirthDate));
    assert!(!layout.has(Demographics::Sex) && !layout.has(Demographics::Asian));
    assert!(layout.extra("sex").is_none());
    let text = "sourcedId,givenName,familyName,role,orgSourcedIds,password\n";
    let (table, _) = Table::<Users, _>::open(Version::V1_1, text.as_bytes()).unwrap();
    assert!(!table.layout().has(Users::Password) && table.layout().extra("password").is_none());
}

#[test]
fn cells_are_typed_by_who_asks() {
    let text = "sourcedId,status,enabledUser,orgSourcedIds,role,givenName,familyName,grades,metadata.Street\n\
                 0012 ,ACTIVE,TRUE,\"s1, s2 ,,s3\",student,Ana, Ng,\"09,10\",12 Oak\n";
    let (mut table, _) = Table::<Users, _>::open(Version::V1_1, text.as_bytes()).unwrap();
    let street = table.layout().extra("street").unwrap();
    assert_eq!(table.layout().extra("METADATA.street"), Some(street));
    assert_eq!(table.layout().extra("city"), None);
    let Some(Line::Row(row)) = table.next_line().unwrap() else { panic!("no row") };
    assert_eq!(row.get(Users::SourcedId), "0012");
    assert_eq!(row.status(Users::Status), Status::Active);
    assert_eq!(row.boolean(Users::EnabledUser), Some(true));
    assert_eq!(row.list(Users::OrgSourcedIds).collect::<Vec<_>>(), ["s1", "s2", "s3"]);
    assert_eq!(row.list(Users::Grades).collect::<Vec<_>>(), ["09", "10"]);
    assert_eq!(row.extra(street), "12 Oak");
    assert_eq!(row.get(Users::Username), "");
    assert_eq!(row.date(Users::DateLastModified), DateCell::Blank);
    assert_eq!(row.line(), 2);
    assert!(!format!("{row:?}").contains("Oak"));
}

#[test]
fn columns_follow_the_specification() {
    let Some(folder) = specifications() else { return };
    let text = std::fs::read_to_string(folder.join("oneroster/csv_headers.json")).unwrap();
    // Enough of JSON for this one file: a version, its files, their columns in order.
    for (version, key) in [(Version::V1_1, "\"1.1\""), (Version::V1_2, "\"1.2\"")] {
        let part = text.split(key).nth(1).unwrap();
        check::<Orgs>(part, version);
        check::<Users>(part, version);
        check::<Demographics>(part, version);
        if version == Version::V1_2 {
            check::<rostercard_oneroster::Roles>(part, version);
        }
    }
}

/// The folder of specifications and samples, where there is one. CI must have it.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where the specifications are"
)]
fn specifications() -> Option<std::path::PathBuf> {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    let folder = std::env::var_os("ROSTERCARD_SPECS").map_or(beside, std::path::PathBuf::from);
    if folder.join("oneroster").is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no specifications here");
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    {
        println!("skipped: no specifications here");
    }
    None
}

fn check<C: Columns>(part: &str, version: Version) {
    let list = part.split(&format!("\"{}\": [", C::FILE)).nth(1).unwrap().split(']').next().unwrap();
    let wanted: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let ours = C::ALL
        .iter()
        .filter(|column| column.versions.contain(version) && column.name != "resourceSourcedIds");
    assert_eq!(
        ours.map(|column| column.name).collect::<Vec<_>>(),
        wanted,
        "{} of {}",
        C::FILE,
        version.as_str()
    );
}

proptest! {
    /// What a CSV writer writes comes back, whatever the cells, and however the bytes arrive.
    #[test]
    fn what_is_written_comes_back(
        rows in prop::collection::vec(prop::collection::vec("[a-zé\",\n\r 0-9]{0,6}", 3), 1..12),
        piece in 3_usize..40,
    ) {
        let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let wanted: Vec<_> = rows.into_iter().map(Ok).collect();
        prop_assert_eq!(all(&bytes, Some(3), piece), wanted);
    }

    /// A broken neighbour, whatever its bytes, never costs a well-formed row that begins on a line of its own.
    #[test]
    fn a_bad_neighbour_costs_nothing(bad in prop::collection::vec(prop_oneof![3 => prop::sample::select(b"\",\n\ra".to_vec()), 1 => any::<u8>()], 0..40), piece in 1_usize..50) {
        let mut bytes = b"a1,b1,c1\n".to_vec();
        bytes.extend_from_slice(&bad);
        bytes.extend_from_slice(b"\na2,b2,c2\na3,\"b,3\",c3\na4,b4,c4\n");
        let read = all(&bytes, Some(3), piece.max(3));
        for wanted in [["a1", "b1", "c1"], ["a2", "b2", "c2"], ["a3", "b,3", "c3"], ["a4", "b4", "c4"]] {
            prop_assert!(read.contains(&cells(&wanted)), "{:?} lost in {:?}", wanted, read);
        }
    }

    /// The pieces in which bytes arrive change nothing.
    #[test]
    fn pieces_do_not_matter(bytes in prop::collection::vec(prop::sample::select(b"a,\"\n\r\xc3\xa9b1".to_vec()), 0..200), piece in 3_usize..30) {
        prop_assert_eq!(all(&bytes, Some(3), piece), all(&bytes, Some(3), 1 << 16));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
        prop_assert!(all(&bytes, Some(3), 64).len() <= lines + 1);
    }
}
