//! `report`: how many cards there are, by school, grade and kind, and which share of the enrolment that is. For boards and
//! funders: small counts are held back, and nothing tells a card that was made from one that was there before, nor who uses the
//! library.

mod write;
mod years;

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt as _;

use rostercard_config::Partnership;
use rostercard_core::grade::Grade;
use rostercard_core::student::Student;
use rostercard_core::suppress::{share, suppress};
use rostercard_core::words::{LinkState, Role};
use rostercard_store::Store;
use rostercard_store::rows::LinkCell;

use crate::cli::{Global, Report, ReportFormat};
use crate::exit::Exit;
use crate::machine;
use crate::output::{Out, complain};
use crate::roster::{self, Reader};
use crate::setup::Setup;

/// A line of a list.
pub(crate) struct Row {
    pub(crate) name: String,
    /// `None` where it is held back.
    pub(crate) count: Option<u64>,
    /// How many students the roster has there, where it was read.
    pub(crate) enrolment: Option<u64>,
    pub(crate) share: Option<String>,
}

/// A list.
pub(crate) struct Section {
    /// For scripts.
    pub(crate) key: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// The report of one partnership.
pub(crate) struct Figures {
    pub(crate) partnership: String,
    pub(crate) district: String,
    pub(crate) day: String,
    /// `None` where it is held back.
    pub(crate) cards: Option<u64>,
    pub(crate) enrolment: Option<u64>,
    pub(crate) share: Option<String>,
    pub(crate) sections: Vec<Section>,
    /// Counts below this are held back; 0 where none is.
    pub(crate) least: u64,
}

/// Writes a report.
pub(crate) async fn report(global: &Global, setup: &Setup, args: &Report) -> Result<Exit, Exit> {
    setup.main()?;
    let Some(store) = setup.store_to_read()? else {
        complain(global.json, "there is no store yet, and so there are no cards", "");
        return Err(Exit::Failed);
    };
    let text = if args.years {
        years::years(global, setup, &*store, args).await?
    } else {
        cards(global, setup, &*store, args).await?
    };
    match &args.out {
        None => Out::stdout().line(text.trim_end()),
        Some(path) => {
            let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
            written.map_err(|error| {
                complain(
                    global.json,
                    &format!("{}: {error}", path.display()),
                    "name a file that is not there yet",
                );
                Exit::Failed
            })?;
        }
    }
    Ok(Exit::Done)
}

/// The cards that there are today, as text in a format.
async fn cards(global: &Global, setup: &Setup, store: &dyn Store, args: &Report) -> Result<String, Exit> {
    let mut names: Vec<String> = Vec::new();
    match &args.partnership {
        Some(name) => names.push(setup.partnership(name)?.name.as_str().to_owned()),
        None => {
            names.extend(setup.loaded.partnerships.iter().filter(|(_, p)| p.is_ok()).map(|(n, _)| n.clone()));
        }
    }
    let mut all = Vec::with_capacity(names.len());
    for name in &names {
        all.push(figures(setup, store, setup.partnership(name)?, args.internal).await?);
    }
    let main = setup.main()?;
    let library = match &args.partnership {
        Some(name) => main.library_of(setup.partnership(name)?).name.clone(),
        None => main.library_names(),
    };
    let format = if global.json { ReportFormat::Json } else { args.format };
    Ok(write::text_of(&library, &all, format))
}

/// Names with their counts, and how many students the roster has there.
type List = Vec<(String, u64, Option<u64>)>;

/// How many students a roster has, by school and by grade.
#[derive(Default)]
pub(crate) struct Enrolment {
    schools: BTreeMap<String, u64>,
    grades: BTreeMap<Option<u8>, u64>,
    all: u64,
}

impl Reader for Enrolment {
    fn student(&mut self, student: Student) {
        if student.role != Role::Student {
            return;
        }
        self.all += 1;
        *self.grades.entry(student.grade.map(Grade::code)).or_default() += 1;
        if let Some(school) = student.school() {
            *self.schools.entry(school.key().to_owned()).or_default() += 1;
        }
    }
}

async fn figures(
    setup: &Setup,
    store: &dyn Store,
    partnership: &Partnership,
    internal: bool,
) -> Result<Figures, Exit> {
    let error = |error| setup.store_error(&error);
    let row = store.partnerships().await.map_err(error)?;
    let row = row.into_iter().find(|row| row.permanent_id == partnership.id.as_str());
    let cells = match row {
        Some(row) => store.link_cells(row.id).await.map_err(error)?,
        None => Vec::new(),
    };
    // Without a roster at hand (a drop folder that is empty again) there is no share to tell.
    let mut enrolment = Enrolment::default();
    let mut source = setup.source_to_look_at(partnership)?;
    let read = roster::read(&mut *source, &mut enrolment).await.is_ok() && enrolment.all > 0;
    let enrolment = read.then_some(enrolment);
    let least = if internal { 0 } else { u64::from(partnership.small_cells) };
    let timezone = &setup.main()?.library_of(partnership).timezone;
    Ok(Figures {
        partnership: partnership.name.as_str().to_owned(),
        district: partnership.district.clone(),
        day: timezone.to_datetime(machine::now()).date().to_string(),
        ..gather(&cells, enrolment.as_ref(), least)
    })
}

/// The figures of these cells. `least` is the smallest count that is shown; 0 shows all.
pub(crate) fn gather(cells: &[LinkCell], enrolment: Option<&Enrolment>, least: u64) -> Figures {
    let live = || cells.iter().filter(|cell| cell.state.is_live());
    let cards: u64 = live().map(|cell| cell.count).sum();
    let mut schools: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut grades: BTreeMap<Option<u8>, u64> = BTreeMap::new();
    let mut models: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut without: BTreeMap<String, u64> = BTreeMap::new();
    for cell in live() {
        *schools.entry(cell.school.clone()).or_default() += cell.count;
        *grades.entry(cell.grade).or_default() += cell.count;
        *models.entry(cell.model.map_or("unknown", |model| model.word())).or_default() += cell.count;
    }
    for cell in cells.iter().filter(|cell| !cell.state.is_live() && cell.state != LinkState::OptedOut) {
        let reason = cell.reason.as_deref().map(|code| format!(": {code}")).unwrap_or_default();
        *without.entry(format!("{}{reason}", cell.state)).or_default() += cell.count;
    }
    let grade_name = |code: &Option<u8>| {
        code.and_then(Grade::from_code).map_or_else(|| "no grade".to_owned(), |grade| grade.to_string())
    };
    let of_school = |key: &str| enrolment.and_then(|e| e.schools.get(key).copied());
    let of_grade = |code: &Option<u8>| enrolment.and_then(|e| e.grades.get(code).copied());
    let lists: [(&'static str, &'static str, List); 4] = [
        (
            "schools",
            "Cards by school",
            schools.iter().map(|((key, label), count)| (label.clone(), *count, of_school(key))).collect(),
        ),
        (
            "grades",
            "Cards by grade",
            grades.iter().map(|(code, count)| (grade_name(code), *count, of_grade(code))).collect(),
        ),
        (
            "models",
            "Cards by kind",
            models.iter().map(|(model, count)| ((*model).to_owned(), *count, None)).collect(),
        ),
        (
            "without",
            "Without a card",
            without.iter().map(|(why, count)| (why.clone(), *count, None)).collect(),
        ),
    ];
    // All lists but the last have the same sum. Where it would tell too much in one of them, it is held back in all.
    let mut tells_too_much = cards > 0 && cards < least;
    for (_, _, list) in lists.iter().filter(|(key, ..)| *key != "without") {
        let counts: Vec<u64> = list.iter().map(|(_, count, _)| *count).collect();
        tells_too_much |= !suppress(&counts, least).1 && !counts.is_empty();
    }
    let hide = |count: u64| count > 0 && count < least;
    let sections = lists
        .into_iter()
        .map(|(key, title, list)| {
            let counts: Vec<u64> = list.iter().map(|(_, count, _)| *count).collect();
            let (shown, _) = suppress(&counts, least);
            let rows = list
                .into_iter()
                .zip(shown)
                .map(|((name, count, enrolled), shown)| {
                    let shown = shown.filter(|count| !tells_too_much || *count == 0);
                    Row {
                        name,
                        count: shown,
                        // Where everybody has a card, the enrolment would tell what is held back.
                        enrolment: shown.and(enrolled).filter(|enrolled| !hide(*enrolled)),
                        share: shown.and(enrolled).and_then(|enrolled| share(count, enrolled, least)),
                    }
                })
                .collect();
            Section { key, title, rows }
        })
        .collect();
    let all = enrolment.map(|e| e.all);
    Figures {
        partnership: String::new(),
        district: String::new(),
        day: String::new(),
        cards: (!tells_too_much).then_some(cards),
        enrolment: all.filter(|all| !hide(*all)),
        share: all.filter(|_| !tells_too_much).and_then(|all| share(cards, all, least)),
        sections,
        least,
    }
}

#[cfg(test)]
mod tests {
    use rostercard_core::words::CardModel;

    use super::*;

    fn cell(school: &str, grade: u8, state: LinkState, count: u64) -> LinkCell {
        LinkCell {
            school: (school.to_owned(), format!("{school} School")),
            grade: Some(grade),
            model: Some(CardModel::Digital),
            state,
            reason: None,
            count,
        }
    }

    fn list<'f>(figures: &'f Figures, key: &str) -> Vec<(&'f str, Option<u64>)> {
        let section = figures.sections.iter().find(|section| section.key == key).unwrap();
        section.rows.iter().map(|row| (row.name.as_str(), row.count)).collect()
    }

    #[test]
    fn s21_made_and_linked_are_one_and_small_cells_are_held_back() {
        let third = Grade::parse("03").unwrap().code();
        let cells = [
            cell("A", third, LinkState::Made, 40),
            cell("A", third, LinkState::Linked, 2),
            cell("B", third + 1, LinkState::Linked, 3),
            cell("C", third + 1, LinkState::Made, 20),
            cell("C", third + 1, LinkState::Rejected, 50),
        ];
        let figures = gather(&cells, None, 10);
        assert_eq!(figures.cards, Some(65));
        // B's three are not shown, and C's twenty neither: together with the sum they would tell them.
        assert_eq!(
            list(&figures, "schools"),
            [("A School", Some(42)), ("B School", None), ("C School", None)]
        );
        assert_eq!(list(&figures, "grades"), [("03", Some(42)), ("04", Some(23))]);
        assert_eq!(list(&figures, "without"), [("rejected", Some(50))]);
        let inside = gather(&cells, None, 0);
        assert_eq!(list(&inside, "schools")[1], ("B School", Some(3)));
    }

    #[test]
    fn s21_a_very_small_school_tells_nothing() {
        let figures = gather(&[cell("A", 5, LinkState::Made, 4)], None, 10);
        assert_eq!((figures.cards, figures.share), (None, None));
        assert!(figures.sections.iter().all(|section| section.rows.iter().all(|row| row.count.is_none())));
    }

    #[test]
    fn shares_are_of_the_enrolment() {
        let mut enrolment = Enrolment { all: 80, ..Enrolment::default() };
        enrolment.schools.insert("A".to_owned(), 80);
        let figures = gather(&[cell("A", 5, LinkState::Made, 40)], Some(&enrolment), 10);
        assert_eq!((figures.share.as_deref(), figures.enrolment), (Some("50 %"), Some(80)));
        assert_eq!(figures.sections[0].rows[0].share.as_deref(), Some("50 %"));
    }
}
