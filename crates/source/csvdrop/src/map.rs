//! A row as one person of the core, or what is wrong with it, by row and column.
//!
//! The partnership's allow-list is applied here: a field that is not allowed is never copied.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::civil::Date;
use rostercard_core::field::{Field, FieldRules};
use rostercard_core::finding::{Finding, Place, Row};
use rostercard_core::grade::Grade;
use rostercard_core::privacy::{BirthDate, Personal};
use rostercard_core::student::{Address, Consent, Damaged, GivenAddress, PreferredName, School, Student};
use rostercard_core::words::Role;
use rostercard_intake::damage::{self, Damage};
use rostercard_intake::{Cell, Line, is_whole};

use crate::columns::Column;
use crate::header::Layout;
use crate::settings::{DateOrder, Settings};

/// Nobody of a school is older.
const OLDEST: i16 = 110;

/// What became of a row.
pub(crate) enum Mapped {
    /// Somebody who may get a card.
    Person(Box<Student>),
    /// Somebody about whom something is too wrong.
    Damaged(Box<Damaged>),
    /// Nobody who may get a card; it was counted.
    Left,
}

/// What was noticed, counted by code with its first place.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, (u64, Finding)>);

impl Tally {
    pub(crate) fn count(&mut self, code: &'static str, place: Place, message: &str) {
        let (count, _) = self.0.entry(code).or_insert_with(|| (0, Finding::new(code, place, message)));
        *count += 1;
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.0
            .into_values()
            .map(|(count, mut first)| {
                if count > 1 {
                    first.message = format!("{} ({count} times, here the first)", first.message);
                }
                first
            })
            .collect()
    }
}

/// A student id that cannot be used.
struct BadId {
    code: &'static str,
    message: String,
    /// Whose row it is for all that: then the person counts as seen.
    seen: Option<Personal>,
}

/// What one reading of a file needs beside its rows.
pub(crate) struct Mapper<'a> {
    settings: &'a Settings,
    rules: &'a FieldRules,
    layout: Layout,
    workbook: bool,
    today: Date,
    file: Arc<str>,
    schools: HashMap<(String, String), Arc<School>>,
    pub(crate) tally: Tally,
    /// Whether a row could not even be told whose it was.
    pub(crate) somebody_unknown: bool,
}

impl<'a> Mapper<'a> {
    pub(crate) fn new(
        settings: &'a Settings,
        rules: &'a FieldRules,
        layout: Layout,
        workbook: bool,
        today: Date,
        file: &str,
    ) -> Self {
        Self {
            settings,
            rules,
            layout,
            workbook,
            today,
            file: file.into(),
            schools: HashMap::new(),
            tally: Tally::default(),
            somebody_unknown: false,
        }
    }

    fn place(&self, line: &Line, column: Option<Column>) -> Place {
        let place = Place::line(&*self.file, line.line);
        match column {
            Some(column) => place.at(self.layout.name(column)),
            None => place,
        }
    }

    fn cell<'l>(&self, line: &'l Line, column: Column) -> Option<&'l Cell> {
        line.cells.get(self.layout.place(column)?)
    }

    fn text(&self, line: &Line, column: Column) -> String {
        self.cell(line, column).map(Cell::text).unwrap_or_default()
    }

    /// The student id of a row, if it can be used: for finding those that are there more than once.
    pub(crate) fn id_of(&self, line: &Line) -> Option<String> {
        self.student_id(line).ok()
    }

    fn student_id(&self, line: &Line) -> Result<String, BadId> {
        let spoilt = |damage: Damage, seen: Option<&str>| BadId {
            code: damage.code(),
            message: damage.sentence().to_owned(),
            seen: seen.and_then(Personal::non_blank),
        };
        let text = match self.cell(line, Column::StudentId) {
            None => String::new(),
            Some(Cell::Error) => return Err(spoilt(Damage::Formula, None)),
            Some(Cell::Number(number)) if !is_whole(*number) => return Err(spoilt(Damage::Scientific, None)),
            Some(Cell::Date(_)) => {
                return Err(BadId {
                    code: "id_as_date",
                    message: "a spreadsheet took the number for a date; export the column as text".to_owned(),
                    seen: None,
                });
            }
            Some(cell) => cell.text(),
        };
        if text.is_empty() {
            let message = "the row has no student id".to_owned();
            return Err(BadId { code: "missing_student_id", message, seen: None });
        }
        if let Some(damage) = damage::in_id(&text) {
            // What stands before the decimals is still the number.
            let whole = (damage == Damage::Decimals).then(|| text.split('.').next().unwrap_or_default());
            return Err(spoilt(damage, whole));
        }
        let Some(width) = self.settings.id_width else { return Ok(text) };
        let length = text.chars().count();
        if length == width {
            return Ok(text);
        }
        let filled = format!("{text:0>width$}");
        if length > width {
            return Err(BadId {
                code: "id_too_long",
                message: format!("the student id has {length} characters, and all have {width} (id_width)"),
                seen: Personal::non_blank(&text),
            });
        }
        if self.settings.id_pad {
            return Ok(filled);
        }
        Err(BadId {
            code: "id_lost_zeros",
            message: format!(
                "the student id has {length} characters, and all have {width} (id_width): a spreadsheet took zeros from its left; \
                 export the column as text"
            ),
            seen: Personal::non_blank(&filled),
        })
    }

    /// A row.
    pub(crate) fn row(&mut self, line: &Line) -> Mapped {
        let width = self.layout.names.len();
        let beyond = line.cells.iter().skip(width).any(|cell| !cell.text().is_empty());
        if beyond || (line.cells.len() < width && !self.workbook) {
            let message = format!(
                "the row has {} cells, and the header {width}: a delimiter or a quotation mark too many or too few",
                line.cells.len()
            );
            return self.damaged(line, None, "row_width", message, None);
        }
        let student_id = match self.student_id(line) {
            Ok(id) => Personal::new(id),
            Err(BadId { code, message, seen }) => {
                return self.damaged(line, Some(Column::StudentId), code, message, seen);
            }
        };
        if self.workbook
            && self.settings.id_width.is_none()
            && matches!(self.cell(line, Column::StudentId), Some(Cell::Number(_)))
        {
            let message = "student ids are numbers in the workbook: zeros on their left, if there were any, are lost; say id_width";
            let place = self.place(line, Some(Column::StudentId));
            self.tally.count("ids_are_numbers", place, message);
        }
        for (_, column) in Column::ALL {
            let damage = match self.cell(line, *column) {
                Some(Cell::Error) => Some(Damage::Formula),
                Some(cell) if self.used(*column) => damage::in_any(&cell.text()),
                _ => None,
            };
            if let Some(damage) = damage.filter(|_| self.used(*column)) {
                let message = damage.sentence().to_owned();
                return self.damaged(line, Some(*column), damage.code(), message, Some(student_id));
            }
        }
        let Some(role) = self.role(line) else { return Mapped::Left };
        let mut findings = Vec::new();
        let birth_date = match self.birth_date(line, &mut findings) {
            Ok(date) => date,
            Err(damage) => {
                let message = damage.sentence().to_owned();
                return self.damaged(line, Some(Column::BirthDate), damage.code(), message, Some(student_id));
            }
        };
        Mapped::Person(Box::new(self.person(line, student_id, role, birth_date, findings)))
    }

    /// Whether a column may be read at all.
    fn used(&self, column: Column) -> bool {
        let field = match column {
            Column::StudentId
            | Column::SourceId
            | Column::Grade
            | Column::School
            | Column::SchoolName
            | Column::OptOut
            | Column::OptIn
            | Column::Role => return true,
            Column::GivenName | Column::PreferredName => Field::GivenName,
            Column::MiddleName => Field::MiddleName,
            Column::FamilyName => Field::Surname,
            Column::BirthDate => Field::BirthDate,
            Column::UserName => Field::UserName,
            Column::Email => Field::Email,
            Column::Phone => Field::Phone,
            Column::Street
            | Column::Street2
            | Column::City
            | Column::State
            | Column::Zip
            | Column::Protected => Field::Address,
        };
        self.rules.allows(field)
    }

    fn damaged(
        &mut self,
        line: &Line,
        column: Option<Column>,
        code: &'static str,
        message: String,
        student_id: Option<Personal>,
    ) -> Mapped {
        self.somebody_unknown |= student_id.is_none();
        let finding = Finding::new(code, self.place(line, column), message);
        Mapped::Damaged(Box::new(Damaged { student_id, school: None, finding }))
    }

    fn role(&mut self, line: &Line) -> Option<Role> {
        const STUDENT: [&str; 5] = ["", "student", "s", "learner", "pupil"];
        const EDUCATOR: [&str; 9] = [
            "teacher",
            "educator",
            "staff",
            "faculty",
            "administrator",
            "principal",
            "aide",
            "counselor",
            "t",
        ];
        let word = self.text(line, Column::Role).to_lowercase();
        let place = || self.place(line, Some(Column::Role));
        if STUDENT.contains(&word.as_str()) {
            return Some(Role::Student);
        }
        if EDUCATOR.contains(&word.as_str()) {
            if self.settings.educators {
                return Some(Role::Educator);
            }
            let place = place();
            self.tally.count("educators_skipped", place, "educators are not read by this partnership");
            return None;
        }
        let place = place();
        self.tally.count(
            "role_unknown",
            place,
            "the role is none that Rostercard knows; the row was left out",
        );
        None
    }

    fn birth_date(&self, line: &Line, findings: &mut Vec<Finding>) -> Result<Option<BirthDate>, Damage> {
        if !self.used(Column::BirthDate) {
            return Ok(None);
        }
        let text = match self.cell(line, Column::BirthDate) {
            None => return Ok(None),
            Some(Cell::Number(number)) => {
                let text = format!("{number:.0}");
                // 20140506 as a number is a date; 41765 is a day of a spreadsheet's own count.
                if text.len() != 8 {
                    return Err(Damage::DateAsNumber);
                }
                text
            }
            Some(cell) => cell.text(),
        };
        if text.is_empty() {
            return Ok(None);
        }
        if let Some(damage) = damage::in_date(&text) {
            return Err(damage);
        }
        let mut odd = |code, message: &str| {
            findings.push(Finding::new(code, self.place(line, Some(Column::BirthDate)), message));
            Ok(None)
        };
        match parse_date(&text, self.settings.dates) {
            None => odd(
                "birth_date_unclear",
                "the birth date is none in the form that is expected; it counts as unknown",
            ),
            Some(date) if date > self.today => {
                odd("birth_date_in_future", "the birth date is in the future; it counts as unknown")
            }
            Some(date) if date.year() < self.today.year() - OLDEST => {
                odd("birth_date_too_old", "the birth date is more than a lifetime ago; it counts as unknown")
            }
            Some(date) => Ok(Some(BirthDate::new(date))),
        }
    }

    fn grade(&self, line: &Line, findings: &mut Vec<Finding>) -> Option<Grade> {
        let text = self.text(line, Column::Grade);
        if text.is_empty() {
            return None;
        }
        let own = self.settings.grades.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text));
        let grade = own.map(|(_, grade)| *grade).or_else(|| Grade::parse(&text));
        if grade.is_none() {
            let message = "the grade is none that is known; say what it means: grades = { \"...\" = \"KG\" }";
            findings.push(Finding::new("grade_unknown", self.place(line, Some(Column::Grade)), message));
        }
        grade
    }

    /// What the marks say. Any no is a no, and a mark that nobody understands is none.
    fn consent(&self, line: &Line, findings: &mut Vec<Finding>) -> Consent {
        let mut said = Consent::NotSaid;
        for (column, yes, no) in [
            (Column::OptOut, Consent::Refused, Consent::Granted),
            (Column::OptIn, Consent::Granted, Consent::Refused),
        ] {
            if !self.settings.columns.contains_key(&column) {
                continue;
            }
            let mark = self.text(line, column).to_lowercase();
            let found = match mark.as_str() {
                "" => Consent::Blank,
                "y" | "yes" | "true" | "1" | "x" | "t" => yes,
                "n" | "no" | "false" | "0" | "f" => no,
                _ => {
                    let message = "the mark is neither a yes nor a no (Y, N, 1, 0, X ..); it counts as none";
                    findings.push(Finding::new("mark_unknown", self.place(line, Some(column)), message));
                    Consent::Blank
                }
            };
            said = match (said, found) {
                (Consent::Refused, _) | (_, Consent::Refused) => Consent::Refused,
                (Consent::Granted, _) | (_, Consent::Granted) => Consent::Granted,
                (_, found) => found,
            };
        }
        said
    }

    fn school(&mut self, line: &Line) -> Option<Arc<School>> {
        let (code, name) = (self.text(line, Column::School), self.text(line, Column::SchoolName));
        if code.is_empty() && name.is_empty() {
            return None;
        }
        let school = self.schools.entry((code.clone(), name.clone())).or_insert_with(|| {
            let source_id = if code.is_empty() { name.clone() } else { code.clone() };
            Arc::new(School { source_id, code: (!code.is_empty()).then_some(code), name })
        });
        Some(Arc::clone(school))
    }

    fn person(
        &mut self,
        line: &Line,
        student_id: Personal,
        role: Role,
        birth_date: Option<BirthDate>,
        mut findings: Vec<Finding>,
    ) -> Student {
        let school = self.school(line);
        let grade = self.grade(line, &mut findings);
        let text = |column: Column| {
            if self.used(column) { Personal::non_blank(&self.text(line, column)) } else { None }
        };
        for column in [Column::GivenName, Column::MiddleName, Column::FamilyName, Column::PreferredName] {
            let spoilt = text(column).and_then(|name| damage::mojibake(name.reveal()));
            if let Some(damage) = spoilt {
                findings.push(Finding::new(damage.code(), self.place(line, Some(column)), damage.sentence()));
            }
        }
        let consent = self.consent(line, &mut findings);
        let preferred = text(Column::PreferredName)
            .map(|given| PreferredName { given: Some(given), ..PreferredName::default() });
        let address = if text(Column::Protected).is_some_and(|mark| is_yes(mark.reveal())) {
            GivenAddress::Protected
        } else {
            match text(Column::Street) {
                None => GivenAddress::None,
                Some(street) => GivenAddress::Given(Address {
                    street,
                    street2: text(Column::Street2),
                    city: text(Column::City).unwrap_or_default(),
                    state: text(Column::State).unwrap_or_default(),
                    zip: text(Column::Zip).unwrap_or_default(),
                }),
            }
        };
        Student {
            student_id,
            source_ids: text(Column::SourceId).into_iter().collect(),
            role,
            given_name: text(Column::GivenName).unwrap_or_default(),
            middle_name: text(Column::MiddleName),
            family_name: text(Column::FamilyName).unwrap_or_default(),
            preferred,
            birth_date,
            grade,
            primary_school: school.as_ref().map(|_| 0),
            schools: school.into_iter().collect(),
            user_name: text(Column::UserName),
            email: text(Column::Email),
            phone: text(Column::Phone),
            address,
            findings,
            consent,
            row: Some(Row { file: Arc::clone(&self.file), line: line.line }),
        }
    }
}

/// Whether a mark is set. What is blank or says no is not.
fn is_yes(mark: &str) -> bool {
    !matches!(mark.to_lowercase().as_str(), "" | "n" | "no" | "false" | "0" | "none")
}

/// A date in one of the expected forms.
fn parse_date(text: &str, order: DateOrder) -> Option<Date> {
    let day = text.split(['T', ' ']).next().unwrap_or_default();
    let numbers = |separator: char| -> Option<[&str; 3]> {
        let parts: Vec<&str> = day.split(separator).collect();
        let digits =
            |part: &&str| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
        parts.try_into().ok().filter(|parts: &[&str; 3]| parts.iter().all(digits))
    };
    let date = |year: &str, month: &str, day: &str| {
        // A year of two digits could be of two centuries.
        (year.len() == 4)
            .then(|| Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok())?
    };
    if day.len() == 8 && day.bytes().all(|b| b.is_ascii_digit()) {
        return date(day.get(..4)?, day.get(4..6)?, day.get(6..)?);
    }
    for separator in ['-', '/', '.'] {
        let Some([a, b, c]) = numbers(separator) else { continue };
        if a.len() == 4 {
            return date(a, b, c);
        }
        return match order {
            DateOrder::Mdy => date(c, a, b),
            DateOrder::Dmy => date(c, b, a),
            DateOrder::Iso => None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_in_their_forms() {
        for (text, order, expected) in [
            ("2014-05-06", DateOrder::Mdy, Some(date(2014, 5, 6))),
            ("2014-05-06T00:00:00Z", DateOrder::Mdy, Some(date(2014, 5, 6))),
            ("20140506", DateOrder::Iso, Some(date(2014, 5, 6))),
            ("5/6/2014", DateOrder::Mdy, Some(date(2014, 5, 6))),
            ("05/06/2014 00:00", DateOrder::Mdy, Some(date(2014, 5, 6))),
            ("5/6/2014", DateOrder::Dmy, Some(date(2014, 6, 5))),
            ("5/6/2014", DateOrder::Iso, None),
            ("13/6/2014", DateOrder::Mdy, None),
            ("5/6/14", DateOrder::Mdy, None),
            ("2014/5/6", DateOrder::Dmy, Some(date(2014, 5, 6))),
            ("May 6, 2014", DateOrder::Mdy, None),
            ("", DateOrder::Mdy, None),
        ] {
            assert_eq!(parse_date(text, order), expected, "{text} {order:?}");
        }
    }

    proptest! {
        #[test]
        fn every_date_comes_back(days in -20_000_i64..20_000) {
            let day = date(2000, 1, 1) + jiff::Span::new().days(days);
            let us = format!("{}/{}/{}", day.month(), day.day(), day.year());
            prop_assert_eq!(parse_date(&day.to_string(), DateOrder::Mdy), Some(day));
            prop_assert_eq!(parse_date(&us, DateOrder::Mdy), Some(day));
        }

        #[test]
        fn no_text_panics(text in ".{0,30}") {
            let _ = parse_date(&text, DateOrder::Mdy);
        }
    }
}
