//! `review`, `relink`, `recreate`, `leave`: open questions and their answers. Student ids are shown only where the roster is read
//! for it: the store knows people by digests.

use std::collections::HashMap;

use rostercard_core::digest::{Digest, DigestKey};
use rostercard_core::grade::Grade;
use rostercard_core::privacy::Personal;
use rostercard_core::reason::Reason;
use rostercard_core::review::{ReviewAnswer, answers_to};
use rostercard_core::student::{Damaged, Student};
use rostercard_engine::{Engine, EngineError, OpenReview, Whose, person_key};
use rostercard_store::rows::LinkId;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::people::{self, ReviewCommand};
use crate::commands::run::tell;
use crate::exit::Exit;
use crate::machine::Environment;
use crate::output::{Out, complain, counted};
use crate::roster::{self, Reader};
use crate::setup::Setup;

/// Runs a command about reviews.
pub(super) async fn review(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    command: &ReviewCommand,
) -> Result<Exit, Exit> {
    match command {
        ReviewCommand::List { partnership, students } => list(global, setup, partnership, *students).await,
        ReviewCommand::Show { whose, reveal } => {
            if *reveal {
                let partnership = setup.partnership(&whose.partnership)?;
                setup.note_reveal(environment, Some(partnership), "review show")?;
            }
            show(global, setup, whose, *reveal).await
        }
        ReviewCommand::Resolve { whose, answer, barcode } => {
            resolve(global, setup, environment, whose, answer, barcode.as_deref()).await
        }
        ReviewCommand::ResolveFile { partnership, file, who } => {
            let who = who.clone().unwrap_or_else(|| environment.login());
            from_file(global, setup, partnership, file, &who).await
        }
    }
}

/// An engine over a store that is only read; `None` where there is no store yet.
async fn looking(setup: &Setup, name: &str) -> Result<Option<Engine>, Exit> {
    let partnership = setup.partnership(name)?;
    let Some(store) = setup.store_to_read()? else { return Ok(None) };
    let known = store.partnerships().await.map_err(|error| setup.store_error(&error))?;
    if !known.iter().any(|row| row.permanent_id == partnership.id.as_str()) {
        return Ok(None);
    }
    Ok(Some(setup.engine(partnership, store)?.0))
}

fn said(global: &Global, error: EngineError) -> Exit {
    tell(global, Err(error)).unwrap_or_else(|exit| exit)
}

/// The student ids of people, from the roster of today.
struct Names<'a> {
    key: &'a DigestKey,
    partnership: &'a str,
    wanted: HashMap<Digest, Option<String>>,
}

impl Names<'_> {
    fn met(&mut self, id: &Personal) {
        if let Some(name) = self.wanted.get_mut(&person_key(self.key, self.partnership, id)) {
            *name = Some(id.reveal().to_owned());
        }
    }
}

impl Reader for Names<'_> {
    fn student(&mut self, student: Student) {
        self.met(&student.student_id);
    }

    fn damaged(&mut self, damaged: Damaged) {
        if let Some(id) = &damaged.student_id {
            self.met(id);
        }
    }
}

async fn list(global: &Global, setup: &Setup, name: &str, students: bool) -> Result<Exit, Exit> {
    let reviews = match looking(setup, name).await? {
        None => Vec::new(),
        Some(engine) => engine.reviews().await.map_err(|error| said(global, error))?,
    };
    let mut ids = HashMap::new();
    if students && let Some(store) = setup.store_to_read()? {
        let partnership = setup.partnership(name)?;
        let mut source = setup.source_to_look_at(partnership)?;
        let wanted = reviews.iter().map(|review| (review.person, None)).collect();
        let mut names = Names { key: store.digest_key(), partnership: partnership.id.as_str(), wanted };
        roster::read(&mut *source, &mut names).await.map_err(|error| {
            complain(global.json, &error.message, &error.hint);
            crate::commands::run::source_exit(&error)
        })?;
        ids = names.wanted;
    }
    let id_of = |review: &OpenReview| ids.get(&review.person).cloned().flatten();
    if global.json {
        let list: Vec<Value> = reviews
            .iter()
            .map(|review| {
                let mut value = as_json(review);
                if students {
                    value["student_id"] = json!(id_of(review));
                }
                value
            })
            .collect();
        Out::stdout().json(&json!({ "partnership": name, "reviews": list }));
        return Ok(Exit::Done);
    }
    let out = Out::stdout();
    if reviews.is_empty() {
        out.line("There is no open review.");
        return Ok(Exit::Done);
    }
    out.line(&format!("{}:", counted(reviews.len() as u64, "open review", "open reviews")));
    for review in &reviews {
        let student = match (students, id_of(review)) {
            (false, _) => String::new(),
            (true, Some(id)) => format!("  student {id}"),
            (true, None) => "  (not in the roster today)".to_owned(),
        };
        out.line(&format!("  {:>6}  {}{student}", review.number, review.school.1));
        out.line(&format!("          {}", Reason::Review(review.question.clone())));
        out.line(&format!("          answers: {}", words(review)));
    }
    out.line("Answer with `rostercard review resolve PARTNERSHIP --review NUMBER --answer ANSWER`.");
    Ok(Exit::Done)
}

fn words(review: &OpenReview) -> String {
    let words: Vec<&str> = answers_to(&review.question).iter().map(|answer| answer.word()).collect();
    words.join(", ")
}

fn as_json(review: &OpenReview) -> Value {
    json!({
        "review": review.number.0,
        "question": review.question.code(),
        "message": Reason::Review(review.question.clone()).to_string(),
        "school": review.school.1,
        "grade": review.grade.and_then(Grade::from_code).map(|grade| grade.to_string()),
        "answers": answers_to(&review.question).iter().map(|answer| answer.word()).collect::<Vec<_>>(),
    })
}

async fn show(global: &Global, setup: &Setup, args: &people::Whose, reveal: bool) -> Result<Exit, Exit> {
    let partnership = setup.partnership(&args.partnership)?;
    let reviews = match looking(setup, &args.partnership).await? {
        None => Vec::new(),
        Some(engine) => engine.reviews().await.map_err(|error| said(global, error))?,
    };
    let Some(store) = setup.store_to_read()? else {
        complain(
            global.json,
            "there is no store yet, and so no review",
            "the first `rostercard sync` makes it",
        );
        return Err(Exit::Failed);
    };
    let whose = whose(store.digest_key(), partnership.id.as_str(), args);
    let found = reviews.into_iter().find(|review| match whose {
        Whose::Number(number) => review.number == number,
        Whose::Person(person) => review.person == person,
    });
    let Some(review) = found else {
        complain(global.json, "there is no such open review", "`rostercard review list` shows the open ones");
        return Err(Exit::Usage);
    };
    let mut value = as_json(&review);
    value["has_card"] = json!(review.barcode.is_some());
    if reveal {
        value["barcode"] = json!(review.barcode.as_ref().map(Personal::reveal));
    }
    if global.json {
        Out::stdout().json(&value);
        return Ok(Exit::Done);
    }
    let out = Out::stdout();
    out.line(&format!("Review {}, {}", review.number, review.school.1));
    out.line(&format!("  {}", Reason::Review(review.question.clone())));
    match (&review.barcode, reveal) {
        (None, _) => out.line("  no card is known for this student"),
        (Some(_), false) => out.line("  a card is known; --reveal shows its number"),
        (Some(barcode), true) => out.line(&format!("  card {}", barcode.reveal())),
    }
    out.line(&format!("  answers: {}", words(&review)));
    Ok(Exit::Done)
}

fn whose(key: &DigestKey, partnership: &str, args: &people::Whose) -> Whose {
    match (&args.student_id, args.review) {
        (Some(id), _) => Whose::Person(person_key(key, partnership, &Personal::new(id.trim()))),
        (None, number) => Whose::Number(LinkId(number.unwrap_or_default())),
    }
}

fn answer_of(global: &Global, word: &str) -> Result<ReviewAnswer, Exit> {
    ReviewAnswer::from_word(word.trim()).ok_or_else(|| {
        let words: Vec<&str> = ReviewAnswer::ALL.iter().map(|answer| answer.word()).collect();
        complain(
            global.json,
            &format!("`{word}` is no answer"),
            &format!("answers are: {}", words.join(", ")),
        );
        Exit::Usage
    })
}

/// Answers one question.
pub(super) async fn resolve(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &people::Whose,
    answer: &str,
    barcode: Option<&str>,
) -> Result<Exit, Exit> {
    let answer = answer_of(global, answer)?;
    let partnership = setup.partnership(&args.partnership)?;
    let store = setup.store()?;
    let whose = whose(store.digest_key(), partnership.id.as_str(), args);
    let (engine, _) = setup.engine(partnership, store)?;
    let who = args.who.clone().unwrap_or_else(|| environment.login());
    let number = barcode.and_then(Personal::non_blank);
    let review =
        engine.answer(whose, answer, number.as_ref(), &who).await.map_err(|error| said(global, error))?;
    if global.json {
        let (number, question) = (review.number.0, review.question.code());
        Out::stdout().json(&json!({ "review": number, "question": question, "answer": answer.word() }));
    } else {
        Out::stdout().line(&format!(
            "Review {} is answered with `{answer}`, and will not be asked again. The next run does what follows from it.",
            review.number
        ));
    }
    Ok(Exit::Done)
}

/// Answers many questions by a file; every line that cannot be answered is said, and the others are.
async fn from_file(
    global: &Global,
    setup: &Setup,
    name: &str,
    file: &std::path::Path,
    who: &str,
) -> Result<Exit, Exit> {
    let partnership = setup.partnership(name)?;
    let shown = file.display();
    let cannot = |why: String| {
        complain(
            global.json,
            &format!("{shown}: {why}"),
            "the columns are review (or student_id), answer, barcode",
        );
        Exit::Failed
    };
    let mut csv = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_path(file)
        .map_err(|error| cannot(error.to_string()))?;
    let headers = csv.headers().map_err(|error| cannot(error.to_string()))?.clone();
    let column = |name: &str| headers.iter().position(|header| header.trim_start_matches('\u{feff}') == name);
    let (review, student, answer, barcode) =
        (column("review"), column("student_id"), column("answer"), column("barcode"));
    if answer.is_none() || (review.is_none() && student.is_none()) {
        return Err(cannot("a column is missing".to_owned()));
    }
    let store = setup.store()?;
    let (engine, _) = setup.engine(partnership, std::sync::Arc::clone(&store))?;
    let (mut done, mut problems) = (0_u64, Vec::new());
    for (at, row) in csv.records().enumerate() {
        let line = at + 2;
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                problems.push(format!("{shown}:{line}: {error}"));
                continue;
            }
        };
        let cell = |column: Option<usize>| column.and_then(|at| row.get(at)).filter(|text| !text.is_empty());
        let whose = match (cell(review).map(str::parse::<i64>), cell(student)) {
            (Some(Ok(number)), _) => Whose::Number(LinkId(number)),
            (None, Some(id)) => {
                Whose::Person(person_key(store.digest_key(), partnership.id.as_str(), &Personal::new(id)))
            }
            _ => {
                problems.push(format!("{shown}:{line}: names neither a review's number nor a student id"));
                continue;
            }
        };
        // A question that is left open in the list stays open.
        let Some(word) = cell(answer) else { continue };
        let Some(answer) = ReviewAnswer::from_word(word) else {
            problems.push(format!("{shown}:{line}: this is no answer"));
            continue;
        };
        let number = cell(barcode).map(Personal::new);
        match engine.answer(whose, answer, number.as_ref(), who).await {
            Ok(_) => done += 1,
            Err(EngineError::Selection(why)) => problems.push(format!("{shown}:{line}: {why}")),
            Err(error) => return Err(said(global, error)),
        }
    }
    if global.json {
        Out::stdout().json(&json!({ "partnership": name, "answered": done, "problems": problems }));
    } else {
        Out::stdout().line(&format!("{} answered.", counted(done, "review is", "reviews are")));
        for problem in &problems {
            Out::stdout().line(&format!("  {problem}"));
        }
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Rejects })
}
