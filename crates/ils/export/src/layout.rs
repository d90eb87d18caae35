//! What a loader's file looks like: columns, dates, form; and presets to start from.

use jiff::civil::Date;
use rostercard_core::field::Field;
use rostercard_core::patron::PatronValues;
use rostercard_core::privacy::{Personal, Secret};

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table with a header, one card a line.
    Csv,
    /// Symphony's flat form: a block of lines for each card.
    Flat,
}

/// What stands before each card in the flat form. In a file on its way also behind the last, to show that it is whole.
const BOUNDARY: &str = "*** DOCUMENT BOUNDARY ***\n";

/// One column: its name, and text with `{places}` for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name in the header.
    pub name: String,
    /// Text with places in braces.
    pub text: String,
}

/// What a file looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Its form.
    pub form: Form,
    /// Its columns.
    pub columns: Vec<Column>,
    /// How days are written, in the signs of strftime.
    pub date: String,
    /// What stands between columns.
    pub delimiter: u8,
}

/// A ready-made layout.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The form.
    pub form: Form,
    /// How days are written.
    pub date: &'static str,
    /// Names and texts.
    pub columns: &'static [(&'static str, &'static str)],
    /// What must be set in the loader, so that no patron that is there is touched.
    pub keeps: &'static str,
}

/// The presets: starting points. Neither checked against the vendors' documents nor tried with their loaders, which a library
/// sets up in its own way: try a file of one card first.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "generic",
        form: Form::Csv,
        date: "%Y-%m-%d",
        columns: &[
            ("barcode", "{barcode}"),
            ("surname", "{surname}"),
            ("given_name", "{given_name}"),
            ("middle_name", "{middle_name}"),
            ("birth_date", "{birth_date}"),
            ("category", "{category}"),
            ("home_branch", "{home_branch}"),
            ("expires", "{expiry}"),
            ("email", "{email}"),
            ("phone", "{phone}"),
            ("street", "{street}"),
            ("street2", "{street2}"),
            ("city", "{city}"),
            ("state", "{state}"),
            ("zip", "{zip}"),
            ("student_id", "{student_id}"),
            ("pin", "{pin}"),
        ],
        keeps: "let the loader skip numbers that are there already",
    },
    Preset {
        name: "koha",
        form: Form::Csv,
        date: "%Y-%m-%d",
        columns: &[
            ("cardnumber", "{barcode}"),
            ("userid", "{user_name}"),
            ("surname", "{surname}"),
            ("firstname", "{given_name}"),
            ("middle_name", "{middle_name}"),
            ("dateofbirth", "{birth_date}"),
            ("branchcode", "{home_branch}"),
            ("categorycode", "{category}"),
            ("dateexpiry", "{expiry}"),
            ("email", "{email}"),
            ("phone", "{phone}"),
            ("address", "{street}"),
            ("address2", "{street2}"),
            ("city", "{city}"),
            ("state", "{state}"),
            ("zipcode", "{zip}"),
            ("password", "{pin}"),
        ],
        keeps: "Import patrons: match on cardnumber, and \"Ignore this one, keep the existing one\"",
    },
    Preset {
        name: "polaris",
        form: Form::Csv,
        date: "%m/%d/%Y",
        columns: &[
            ("Barcode", "{barcode}"),
            ("NameLast", "{surname}"),
            ("NameFirst", "{given_name}"),
            ("NameMiddle", "{middle_name}"),
            ("Birthdate", "{birth_date}"),
            ("PatronCode", "{category}"),
            ("Branch", "{home_branch}"),
            ("ExpirationDate", "{expiry}"),
            ("EmailAddress", "{email}"),
            ("PhoneVoice1", "{phone}"),
            ("StreetOne", "{street}"),
            ("StreetTwo", "{street2}"),
            ("City", "{city}"),
            ("State", "{state}"),
            ("PostalCode", "{zip}"),
            ("Password", "{pin}"),
        ],
        keeps: "let the import skip barcodes that are there already",
    },
    Preset {
        name: "sierra",
        form: Form::Csv,
        date: "%m-%d-%Y",
        columns: &[
            ("P BARCODE", "{barcode}"),
            ("PATRN NAME", "{surname}, {given_name} {middle_name}"),
            ("BIRTH DATE", "{birth_date}"),
            ("P TYPE", "{category}"),
            ("HOME LIBR", "{home_branch}"),
            ("EXP DATE", "{expiry}"),
            ("EMAIL ADDR", "{email}"),
            ("TELEPHONE", "{phone}"),
            ("ADDRESS", "{street} {street2}$ {city}, {state} {zip}"),
            ("PIN", "{pin}"),
        ],
        keeps: "use a load table that only inserts, matching on the barcode",
    },
    Preset {
        name: "symphony",
        form: Form::Flat,
        date: "%Y%m%d",
        columns: &[
            ("USER_ID", "{barcode}"),
            ("USER_LAST_NAME", "{surname}"),
            ("USER_FIRST_NAME", "{given_name}"),
            ("USER_MIDDLE_NAME", "{middle_name}"),
            ("USER_LIBRARY", "{home_branch}"),
            ("USER_PROFILE", "{category}"),
            ("USER_PRIV_EXPIRES", "{expiry}"),
            ("USER_BIRTH_DATE", "{birth_date}"),
            ("USER_PIN", "{pin}"),
        ],
        keeps: "load with creation of new users alone, not with update of those that are there",
    },
    Preset {
        name: "evergreen",
        form: Form::Csv,
        date: "%Y-%m-%d",
        columns: &[
            ("usrname", "{barcode}"),
            ("barcode", "{barcode}"),
            ("family_name", "{surname}"),
            ("first_given_name", "{given_name}"),
            ("second_given_name", "{middle_name}"),
            ("dob", "{birth_date}"),
            ("home_ou", "{home_branch}"),
            ("profile", "{category}"),
            ("expire_date", "{expiry}"),
            ("email", "{email}"),
            ("day_phone", "{phone}"),
            ("street1", "{street}"),
            ("street2", "{street2}"),
            ("city", "{city}"),
            ("state", "{state}"),
            ("post_code", "{zip}"),
            ("passwd", "{pin}"),
        ],
        keeps: "let the loader insert alone, and refuse user names that are there already",
    },
];

/// Names of the places in a column's text, and the fields they are of.
pub(crate) const PLACES: &[(&str, Field)] = &[
    ("barcode", Field::Barcode),
    ("user_name", Field::UserName),
    ("surname", Field::Surname),
    ("given_name", Field::GivenName),
    ("middle_name", Field::MiddleName),
    ("birth_date", Field::BirthDate),
    ("email", Field::Email),
    ("phone", Field::Phone),
    ("street", Field::Address),
    ("street2", Field::Address),
    ("city", Field::Address),
    ("state", Field::Address),
    ("zip", Field::Address),
    ("student_id", Field::StudentId),
    ("category", Field::Category),
    ("home_branch", Field::HomeBranch),
    ("expiry", Field::Expiry),
    ("note", Field::Note),
    ("pin", Field::Pin),
];

impl Preset {
    /// The layout.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let column =
            |(name, text): &(&str, &str)| Column { name: (*name).to_owned(), text: (*text).to_owned() };
        Layout {
            form: self.form,
            columns: self.columns.iter().map(column).collect(),
            date: self.date.to_owned(),
            delimiter: b',',
        }
    }
}

/// Splits a text at its places: text and names by turns. None where a place is not known.
fn pieces(text: &str) -> Option<Vec<(&str, Option<&str>)>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        PLACES.iter().find(|(known, _)| *known == name)?;
        out.push((before, Some(name)));
        rest = after;
    }
    out.push((rest, None));
    Some(out)
}

/// Whether each place of a text can be filled.
pub(crate) fn is_known(text: &str) -> bool {
    pieces(text).is_some()
}

impl Layout {
    /// Whether the PIN is in the file.
    #[must_use]
    pub fn takes_pin(&self) -> bool {
        self.columns.iter().any(|column| column.text.contains("{pin}"))
    }

    /// The column that holds the card's number alone.
    pub(crate) fn number_column(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.text == "{barcode}")
    }

    /// The first line of a file.
    pub(crate) fn header(&self) -> Vec<u8> {
        match self.form {
            Form::Csv => self.row(&self.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>()),
            Form::Flat => BOUNDARY.as_bytes().to_vec(),
        }
    }

    /// What stands at the end of a file on its way only to show that its last card is whole.
    pub(crate) fn surplus(&self) -> &'static [u8] {
        match self.form {
            Form::Csv => b"",
            Form::Flat => BOUNDARY.as_bytes(),
        }
    }

    fn row(&self, cells: &[String]) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(self.delimiter)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_writer(Vec::new());
        // Into memory: neither can fail.
        let _written = writer.write_record(cells);
        writer.into_inner().unwrap_or_default()
    }

    /// One card's lines. The error is the field that cannot stand in a file.
    pub(crate) fn card(&self, values: &PatronValues, pin: Option<&Secret>) -> Result<Vec<u8>, Field> {
        let mut cells = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let mut cell = String::new();
            for (before, place) in pieces(&column.text).unwrap_or_default() {
                cell.push_str(before);
                let Some(place) = place else { continue };
                let value = self.value(place, values, pin);
                // A line break would be a card of its own in some loaders, and `|` a field in the flat form.
                let odd = |c: char| c.is_control() || (self.form == Form::Flat && c == '|');
                if value.contains(odd) {
                    let field = PLACES.iter().find(|(name, _)| *name == place).map(|(_, field)| *field);
                    return Err(field.unwrap_or(Field::Note));
                }
                cell.push_str(&value);
            }
            cells.push(
                cell.split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
                    .trim_end_matches([',', '$', ' '])
                    .to_owned(),
            );
        }
        Ok(match self.form {
            Form::Csv => self.row(&cells),
            Form::Flat => {
                let mut out = String::from("FORM=LDUSER\n");
                for (column, cell) in self.columns.iter().zip(&cells).filter(|(_, cell)| !cell.is_empty()) {
                    out.push_str(&format!(".{}. |a{cell}\n", column.name));
                }
                out.push_str(BOUNDARY);
                out.into_bytes()
            }
        })
    }

    /// The numbers in a file, and how many of its bytes are whole cards.
    pub(crate) fn numbers(&self, file: &[u8]) -> (Vec<String>, usize) {
        let end: &[u8] = match self.form {
            Form::Csv => b"\n",
            Form::Flat => BOUNDARY.as_bytes(),
        };
        let whole = file.windows(end.len()).rposition(|window| window == end).map_or(0, |at| at + end.len());
        let text = String::from_utf8_lossy(file.get(..whole).unwrap_or_default()).into_owned();
        let at = self.number_column().unwrap_or_default();
        let numbers = match self.form {
            Form::Csv => {
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(self.delimiter)
                    .flexible(true)
                    .from_reader(text.as_bytes());
                reader.records().filter_map(|row| row.ok()?.get(at).map(str::to_owned)).collect()
            }
            Form::Flat => {
                let name = self.columns.get(at).map_or("", |column| &column.name);
                let mark = format!(".{name}. |a");
                text.lines().filter_map(|line| line.strip_prefix(&mark).map(str::to_owned)).collect()
            }
        };
        (numbers, whole)
    }

    fn value(&self, place: &str, v: &PatronValues, pin: Option<&Secret>) -> String {
        let text = |value: &Option<Personal>| value.as_ref().map(|v| v.reveal().to_owned());
        let date = |date: Date| date.strftime(&self.date).to_string();
        let address = v.address.as_ref();
        let value = match place {
            "barcode" => text(&v.barcode),
            "user_name" => text(&v.user_name),
            "surname" => text(&v.surname),
            "given_name" => text(&v.given_name),
            "middle_name" => text(&v.middle_name),
            "birth_date" => v.birth_date.map(|d| date(d.reveal())),
            "email" => text(&v.email),
            "phone" => text(&v.phone),
            "street" => address.map(|a| a.street.reveal().to_owned()),
            "street2" => address.and_then(|a| text(&a.street2)),
            "city" => address.map(|a| a.city.reveal().to_owned()),
            "state" => address.map(|a| a.state.reveal().to_owned()),
            "zip" => address.map(|a| a.zip.reveal().to_owned()),
            "student_id" => text(&v.student_id),
            "category" => v.category.as_ref().map(ToString::to_string),
            "home_branch" => v.home_branch.as_ref().map(ToString::to_string),
            "expiry" => v.expiry.map(date),
            "note" => text(&v.note),
            "pin" => pin.map(|pin| pin.reveal().to_owned()),
            _ => None,
        };
        value.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use rostercard_core::privacy::BirthDate;

    use super::*;

    fn card(preset: &str) -> Result<String, Field> {
        let some = |text: &str| Some(Personal::new(text));
        let values = PatronValues {
            barcode: some("7700000001"),
            surname: some("O'Brien, Jr."),
            given_name: some("Zoë"),
            birth_date: Some(BirthDate::new(date(2014, 5, 6))),
            category: Some("STUDENT".into()),
            home_branch: Some("MAIN".into()),
            expiry: Some(date(2027, 10, 1)),
            ..PatronValues::default()
        };
        let preset = PRESETS.iter().find(|p| p.name == preset).unwrap();
        preset.layout().card(&values, Some(&Secret::new("4711"))).map(|card| String::from_utf8(card).unwrap())
    }

    #[test]
    fn cards_as_each_loader_has_them() {
        assert_eq!(
            card("koha").unwrap(),
            "7700000001,,\"O'Brien, Jr.\",Zoë,,2014-05-06,MAIN,STUDENT,2027-10-01,,,,,,,,4711\n"
        );
        assert!(card("polaris").unwrap().contains("05/06/2014"));
        assert!(
            card("sierra")
                .unwrap()
                .starts_with("7700000001,\"O'Brien, Jr., Zoë\",05-06-2014,STUDENT,MAIN,10-01-2027")
        );
        assert_eq!(
            card("symphony").unwrap(),
            "FORM=LDUSER\n.USER_ID. |a7700000001\n.USER_LAST_NAME. |aO'Brien, Jr.\n\
             .USER_FIRST_NAME. |aZoë\n.USER_LIBRARY. |aMAIN\n.USER_PROFILE. |aSTUDENT\n.USER_PRIV_EXPIRES. |a20271001\n\
             .USER_BIRTH_DATE. |a20140506\n.USER_PIN. |a4711\n*** DOCUMENT BOUNDARY ***\n"
        );
    }

    #[test]
    fn every_preset_has_its_number_and_only_known_places() {
        for preset in PRESETS {
            let layout = preset.layout();
            assert!(layout.number_column().is_some(), "{}", preset.name);
            assert!(layout.columns.iter().all(|column| is_known(&column.text)), "{}", preset.name);
            assert!(!preset.keeps.is_empty());
        }
    }

    #[test]
    fn what_would_break_a_line_is_refused() {
        let values = PatronValues {
            barcode: Some(Personal::new("1")),
            surname: Some(Personal::new("O\nBrien")),
            ..PatronValues::default()
        };
        assert_eq!(PRESETS[0].layout().card(&values, None), Err(Field::Surname));
    }
}
