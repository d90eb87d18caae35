//! The loader that libraries have: a file of new patrons goes in by night, a report comes out. Creates only: a number that
//! is there already is left alone.

use super::patron::{Patron, Postal};
use super::register::Register;

/// What came of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedRow {
    /// The line, 1 is the header.
    pub line: u64,
    /// Why it was not loaded, where it was not. Names no value.
    pub refused: Option<String>,
}

/// What came of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Patrons made.
    pub made: u64,
    /// Row by row.
    pub rows: Vec<LoadedRow>,
    /// What is wrong with the file as a whole.
    pub wrong: Option<String>,
}

/// Column names that stand for each thing, in the loaders that this one stands in for.
const NUMBER: &[&str] = &["cardnumber", "barcode", "Barcode", "USER_ID", "PatronBarcode", "usrname"];
const SURNAME: &[&str] = &["surname", "last_name", "LastName", "USER_LAST_NAME", "NameLast", "family_name"];
const GIVEN: &[&str] = &[
    "firstname",
    "first_name",
    "FirstName",
    "USER_FIRST_NAME",
    "NameFirst",
    "first_given_name",
    "given_name",
];
const BORN: &[&str] = &["dateofbirth", "birth_date", "Birthdate", "BIRTH_DATE", "dob", "BIRTH DATE"];
const CATEGORY: &[&str] = &["categorycode", "category", "PatronCode", "USER_PROFILE", "profile", "P TYPE"];
const BRANCH: &[&str] = &["branchcode", "home_branch", "Branch", "USER_LIBRARY", "home_ou", "HOME LIBR"];
const EXPIRES: &[&str] =
    &["dateexpiry", "expires", "ExpirationDate", "USER_PRIV_EXPIRES", "expire_date", "EXP DATE"];
const PIN: &[&str] = &["password", "pin", "Password", "USER_PIN", "passwd", "PIN"];

/// Loads a file.
pub(super) fn load(register: &mut Register, text: &str) -> LoadReport {
    let mut report = LoadReport::default();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(_) => return LoadReport { wrong: Some("it is no CSV".to_owned()), ..report },
    };
    let column = |names: &[&str]| header.iter().position(|name| names.contains(&name.trim()));
    let Some(number) = column(NUMBER) else {
        return LoadReport { wrong: Some("it has no column for the card's number".to_owned()), ..report };
    };
    for (at, row) in reader.records().enumerate() {
        let line = at as u64 + 2;
        let Ok(row) = row else {
            report.rows.push(LoadedRow { line, refused: Some("it cannot be read".to_owned()) });
            continue;
        };
        let get =
            |names: &[&str]| column(names).and_then(|at| row.get(at)).unwrap_or_default().trim().to_owned();
        let some = |names: &[&str]| Some(get(names)).filter(|text| !text.is_empty());
        let street = get(&["address", "street", "StreetOne"]);
        let addresses =
            if street.is_empty() { Vec::new() } else { vec![Postal { line1: street, ..Postal::default() }] };
        let patron = Patron {
            barcode: row.get(number).unwrap_or_default().trim().to_owned(),
            surname: get(SURNAME),
            given: get(GIVEN),
            birth_date: some(BORN).map(iso),
            category: some(CATEGORY),
            home_branch: some(BRANCH),
            expires: some(EXPIRES).map(iso),
            pin: some(PIN),
            addresses,
            ..Patron::default()
        };
        let refused = register.create(patron, "loader").err().map(|refusal| refusal.to_string());
        report.made += u64::from(refused.is_none());
        report.rows.push(LoadedRow { line, refused });
    }
    report
}

/// A day as this ILS keeps it: `MM/DD/YYYY` and `YYYYMMDD` are turned round.
fn iso(text: String) -> String {
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    if text.get(2..3) == Some("/") && text.len() == 10 {
        return format!("{}-{}-{}", part(6, 10), part(0, 2), part(3, 5));
    }
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        return format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8));
    }
    text
}
