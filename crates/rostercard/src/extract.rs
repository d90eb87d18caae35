//! A dated extract of an ILS's patrons (`[match] extract`): a CSV file or a workbook that the library's staff save from a report, for
//! finding children's own cards in an ILS that can be searched by number only. Read for the time of a run, and never stored.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use rostercard_core::digest::DigestKey;
use rostercard_core::matching::Extract;
use rostercard_core::patron::PatronValues;
use rostercard_core::privacy::{BirthDate, Personal};
use rostercard_core::student::Address;
use rostercard_intake::{Table, TableOptions};

/// What an extract's columns may be called; capitals and spaces do not count.
const COLUMNS: &[(&str, &[&str])] = &[
    ("barcode", &["barcode", "cardnumber", "card", "patronbarcode", "libraryid"]),
    ("surname", &["surname", "lastname", "familyname"]),
    ("given_name", &["givenname", "firstname"]),
    ("birth_date", &["birthdate", "dateofbirth", "dob"]),
    ("student_id", &["studentid", "studentnumber", "altid"]),
    ("email", &["email", "emailaddress"]),
    ("phone", &["phone", "telephone"]),
    ("street", &["street", "address"]),
    ("zip", &["zip", "zipcode", "postalcode"]),
];

/// Why an extract cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExtractError {
    #[error("the extract of the ILS's patrons cannot be read: {0}")]
    Read(String),
    #[error("the extract {file} has no column of card numbers; its columns are: {columns}")]
    NoBarcode { file: String, columns: String },
    #[error(
        "the extract {file} has nothing to match by: neither student ids, nor e-mail, nor names with birth dates"
    )]
    NothingToMatch { file: String },
    #[error(
        "the extract {file} is {days} days old, and {most} are allowed: who has got a card since would get a second one"
    )]
    Old { file: String, days: i64, most: u16 },
}

impl ExtractError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Read(_) => "see [match] extract: a CSV file or an XLSX workbook with a header line",
            Self::NoBarcode { .. } => "call the column `barcode`",
            Self::NothingToMatch { .. } => {
                "columns: barcode, student_id, surname, given_name, birth_date, email, phone, street, zip"
            }
            Self::Old { .. } => "save a new extract from the ILS, or raise [match] extract_days",
        }
    }
}

/// Reads an extract, which must not be older than `most` days.
pub(crate) fn read(path: &Path, most: u16, now: Timestamp, key: &DigestKey) -> Result<Extract, ExtractError> {
    let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let io = |error: std::io::Error| ExtractError::Read(format!("{}: {error}", path.display()));
    let written = std::fs::metadata(path).and_then(|meta| meta.modified()).map_err(io)?;
    if let Ok(written) = Timestamp::try_from(written) {
        let days = now.duration_since(written).as_hours() / 24;
        if days > i64::from(most) {
            return Err(ExtractError::Old { file, days, most });
        }
    }
    let fault = |error: rostercard_intake::TableError| ExtractError::Read(error.to_string());
    let mut table = Table::open(path, &TableOptions::default()).map_err(fault)?;
    let plain = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let header: Vec<String> = table.header.iter().map(|name| plain(name)).collect();
    let at = |wanted: &str| {
        let names = COLUMNS.iter().find(|(key, _)| *key == wanted).map_or(&[][..], |(_, names)| names);
        names.iter().find_map(|name| header.iter().position(|column| column == name))
    };
    let columns = COLUMNS.iter().map(|(key, _)| at(key)).collect::<Vec<_>>();
    let [barcode, surname, given, born, student_id, email, phone, street, zip] = columns.as_slice() else {
        return Err(ExtractError::Read("its columns cannot be told apart".into()));
    };
    if barcode.is_none() {
        let columns = table.header.join(", ");
        return Err(ExtractError::NoBarcode { file, columns });
    }
    let by_name = surname.is_some() && given.is_some() && born.is_some();
    if student_id.is_none() && email.is_none() && !by_name {
        return Err(ExtractError::NothingToMatch { file });
    }
    let mut patrons = Vec::new();
    while let Some(line) = table.next_line().map_err(fault)? {
        let text = |column: &Option<usize>| {
            column.and_then(|at| line.cells.get(at)).and_then(|cell| Personal::non_blank(&cell.text()))
        };
        let address = text(street).map(|street| Address {
            street,
            street2: None,
            city: Personal::default(),
            state: Personal::default(),
            zip: text(zip).unwrap_or_default(),
        });
        patrons.push(PatronValues {
            barcode: text(barcode),
            surname: text(surname),
            given_name: text(given),
            birth_date: text(born).and_then(|born| date(born.reveal())).map(BirthDate::new),
            student_id: text(student_id),
            email: text(email),
            phone: text(phone),
            address,
            ..PatronValues::default()
        });
    }
    Ok(Extract::new(patrons, key))
}

/// `2014-05-06`, `05/06/2014` (month first, as ILSs of the United States write it), with or without a time.
fn date(text: &str) -> Option<Date> {
    let day = text.split(['T', ' ']).next()?;
    if let Ok(date) = day.parse() {
        return Some(date);
    }
    let parts: Vec<&str> = day.split(['/', '-']).collect();
    let [month, day, year] = parts.as_slice() else { return None };
    Date::new(year.parse().ok().filter(|year| *year > 1900)?, month.parse().ok()?, day.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use rostercard_core::matching;
    use rostercard_core::ports::FindBy;

    use super::*;

    fn write(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn key() -> DigestKey {
        DigestKey::new([5; 32])
    }

    #[test]
    fn s31_an_extract_is_read_by_its_columns() {
        let file = write(
            "Card Number,Last Name,First Name,DOB,Student ID\n20001,Byrd,Ada,05/06/2014,4711\n20002,Cole,Max,2013-01-02,\n",
        );
        let extract = read(file.path(), 14, crate::machine::now(), &key()).unwrap();
        assert_eq!(extract.len(), 2);
        let wanted = PatronValues {
            surname: Some(Personal::new("Byrd")),
            given_name: Some(Personal::new("Ada")),
            birth_date: Some(BirthDate::new(Date::constant(2014, 5, 6))),
            ..PatronValues::default()
        };
        let by = matching::key(FindBy::NameAndBirthDate, &wanted, None).unwrap();
        assert_eq!(extract.find(&by, &key()).len(), 1);
        let by = matching::key(FindBy::StudentId, &wanted, Some(&Personal::new("4711"))).unwrap();
        assert_eq!(extract.find(&by, &key()).len(), 1);
    }

    #[test]
    fn an_extract_that_will_not_do_says_why() {
        let now = crate::machine::now();
        for (text, most, expected) in [
            ("name,dob\nx,y\n", 14, "no column of card numbers"),
            ("barcode,surname\n1,Byrd\n", 14, "nothing to match by"),
        ] {
            let file = write(text);
            let error = read(file.path(), most, now, &key()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.hint().is_empty());
        }
        let file = write("barcode,student_id\n1,2\n");
        let later = now.checked_add(jiff::SignedDuration::from_hours(24 * 31)).unwrap();
        let error = read(file.path(), 14, later, &key()).unwrap_err();
        assert!(error.to_string().contains("days old"), "{error}");
        assert!(matches!(read(Path::new("/nowhere/x.csv"), 14, now, &key()), Err(ExtractError::Read(_))));
    }
}
