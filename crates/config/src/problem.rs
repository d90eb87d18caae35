//! What is wrong with a configuration, and what to do about it: collected over all files, told once.
//! A problem says nothing without advice, and never holds a value that was configured.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::place::{FileId, Place, Placed};
use crate::record::{self, Record, Recorded, Shape};
use crate::suggest::nearest;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot be used like this.
    Error,
    /// It can be used, but somebody should look.
    Warning,
}

/// What kind of problem it is, for scripts and for the manual. The words are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// `unreadable`: a file or folder could not be read.
    Unreadable,
    /// `not-utf8`: a file is not text.
    NotUtf8,
    /// `syntax`: a file is not TOML.
    Syntax,
    /// `unknown-key`: a name that means nothing here.
    UnknownKey,
    /// `unknown-word`: a value that is not one of the words allowed here.
    UnknownWord,
    /// `unknown-variable`: an environment variable of ours that sets nothing.
    UnknownVariable,
    /// `missing-key`: something that must be said was not.
    MissingKey,
    /// `wrong-type`: text where a number should be, and the like.
    WrongType,
    /// `out-of-range`: too large, too small, too many, none.
    OutOfRange,
    /// `bad-value`: of the right type, but it does not mean anything.
    BadValue,
    /// `bad-name`: not a name of an ILS, a source or a partnership.
    BadName,
    /// `exclusive`: two things of which only one can be.
    Exclusive,
    /// `twice`: the same thing said twice.
    Twice,
    /// `contradiction`: two things that cannot both be meant.
    Contradiction,
    /// `past`: a date that is over.
    Past,
    /// `secret-in-clear`: a secret written into the configuration.
    SecretInClear,
    /// `secret-missing`: a secret that is not where the configuration says.
    SecretMissing,
    /// `secret-readable`: a secret's file that others can read.
    SecretReadable,
    /// `too-many`: more problems in one file than are told.
    TooMany,
    /// `impossible`: something that this version, or this ILS, cannot do.
    Impossible,
    /// `unwise`: it works, but those who run such programmes would not do it.
    Unwise,
}

impl Code {
    /// The code as scripts see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotUtf8 => "not-utf8",
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown-key",
            Self::UnknownWord => "unknown-word",
            Self::UnknownVariable => "unknown-variable",
            Self::MissingKey => "missing-key",
            Self::WrongType => "wrong-type",
            Self::OutOfRange => "out-of-range",
            Self::BadValue => "bad-value",
            Self::BadName => "bad-name",
            Self::Exclusive => "exclusive",
            Self::Twice => "twice",
            Self::Contradiction => "contradiction",
            Self::Past => "past",
            Self::SecretInClear => "secret-in-clear",
            Self::SecretMissing => "secret-missing",
            Self::SecretReadable => "secret-readable",
            Self::TooMany => "too-many",
            Self::Impossible => "impossible",
            Self::Unwise => "unwise",
        }
    }
}

/// One problem.
#[derive(Clone, Debug)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is.
    pub code: Code,
    /// Where it is.
    pub place: Place,
    /// The key path, such as `card.for[2].grades`; empty where there is none.
    pub key: String,
    /// What is wrong, in one sentence without a full stop. Never a configured value.
    pub message: String,
    /// What to do: at least one line.
    pub advice: Vec<String>,
    /// Other places that belong to it, each with what it is.
    pub also: Vec<(Place, String)>,
}

impl Problem {
    /// Something that must be mended.
    pub fn error(
        code: Code,
        place: Place,
        key: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            code,
            place,
            key: key.into(),
            message: message.into(),
            advice: vec![advice.into()],
            also: Vec::new(),
        }
    }

    /// Something that should be looked at.
    pub fn warning(
        code: Code,
        place: Place,
        key: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, key, message, advice) }
    }

    /// An error about a value that was read.
    pub fn about<T>(
        placed: &Placed<T>,
        code: Code,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::error(code, placed.place.clone(), placed.key.clone(), message, advice)
    }

    /// The same, as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Adds `did you mean ...` before the other advice, where a known word is near enough.
    #[must_use]
    pub fn did_you_mean<'w>(mut self, typed: &str, known: impl IntoIterator<Item = &'w str>) -> Self {
        if let Some(word) = nearest(typed, known) {
            self.advice.insert(0, format!("did you mean `{word}`?"));
        }
        self
    }

    /// Adds another place that belongs to it.
    #[must_use]
    pub fn and_at(mut self, place: Place, label: impl Into<String>) -> Self {
        self.also.push((place, label.into()));
        self
    }
}

/// A file that was read, kept for showing lines of it.
#[derive(Clone)]
pub(crate) struct SourceFile {
    pub(crate) path: Arc<str>,
    pub(crate) text: Arc<str>,
    /// Stretches that hold a secret: no line that touches one is ever shown.
    pub(crate) hidden: Vec<Range<usize>>,
    /// How many problems there were in it, told or not.
    problems: usize,
}

/// The most problems that are told of one file.
const MOST: usize = 300;

/// How far the list of problems had grown; see [`Problems::failed_since`].
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

/// All problems of one reading, and the files they are in. Shared by reference with everything that reads.
#[derive(Default)]
pub struct Problems {
    inner: Mutex<Inner>,
    /// What the readers ask for, where that is recorded; nothing is a problem then.
    record: Option<Mutex<Record>>,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) problems: Vec<Problem>,
    /// How many errors there were, told or not.
    errors: usize,
}

/// Shows how many there are; the texts of the files are no one's to print.
impl std::fmt::Debug for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.lock();
        write!(f, "Problems({} in {} files)", inner.problems.len(), inner.files.len())
    }
}

impl Problems {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Instead of problems, what the readers ask for is written down: see [`Recorded`]. Nothing is a problem then.
    #[must_use]
    pub fn recording() -> Self {
        Self { record: Some(Mutex::default()), ..Self::default() }
    }

    /// What was recorded, by patterns such as `card.for[].grades`; nothing where nothing is.
    #[must_use]
    pub fn recorded(&self) -> BTreeMap<String, Recorded> {
        self.record.as_ref().map(|record| lock(record).clone()).unwrap_or_default()
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.record.is_some()
    }

    pub(crate) fn record(&self, pattern: &str, shape: Shape, said: Option<bool>) {
        if let Some(record) = &self.record {
            record::note(&mut lock(record), pattern, shape, said);
        }
    }

    pub(crate) fn record_required(&self, pattern: &str) {
        if let Some(record) = &self.record {
            record::note_missed(&mut lock(record), pattern);
        }
    }

    /// Adds one. Past the first few hundred of a file, only that there are more is kept: nobody reads them, and a file
    /// that is something else altogether must not take the program down.
    pub fn add(&self, problem: Problem) {
        if self.is_recording() {
            return;
        }
        let mut inner = self.lock();
        inner.errors += usize::from(problem.severity == Severity::Error);
        let source = match &problem.place {
            Place::File { file, .. } => inner.files.get_mut(file.0).map(|source| (*file, source)),
            Place::Variable(_) | Place::Path(_) | Place::Default => None,
        };
        let mut kept = problem;
        if let Some((file, source)) = source {
            source.problems += 1;
            if source.problems > MOST {
                return;
            }
            if source.problems == MOST {
                let end = source.text.len();
                kept = Problem {
                    severity: kept.severity,
                    ..Problem::error(
                        Code::TooMany,
                        Place::File { file, span: end..end },
                        "",
                        "there are more problems in this file than are told here",
                        "mend the first ones and check again; perhaps it is not the file it should be",
                    )
                };
            }
        }
        inner.problems.push(kept);
    }

    /// Makes a file known, so that its lines can be shown.
    pub(crate) fn add_file(&self, path: &str, text: String) -> FileId {
        let mut inner = self.lock();
        inner.files.push(SourceFile {
            path: path.into(),
            text: text.into(),
            hidden: Vec::new(),
            problems: 0,
        });
        FileId(inner.files.len() - 1)
    }

    /// From now on no line that touches this place is shown.
    pub fn hide(&self, place: &Place) {
        if let Place::File { file, span } = place
            && let Some(source) = self.lock().files.get_mut(file.0)
        {
            source.hidden.push(span.clone());
        }
    }

    /// Remembers how many there are now.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.lock().errors)
    }

    /// Whether an error (not only warnings) was added since.
    #[must_use]
    pub fn failed_since(&self, mark: &Mark) -> bool {
        self.lock().errors > mark.0
    }

    /// Whether there is any error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.failed_since(&Mark(0))
    }

    /// Whether there is nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().problems.is_empty()
    }

    /// All of them, in the order of the files and of the lines in each.
    #[must_use]
    pub fn sorted(&self) -> Vec<Problem> {
        let mut problems = self.lock().problems.clone();
        problems.sort_by_key(|problem| match &problem.place {
            Place::Path(_) => (0, 0, 0),
            Place::File { file, span } => (1, file.0, span.start),
            Place::Variable(_) => (2, 0, 0),
            Place::Default => (3, 0, 0),
        });
        problems
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

// A thread that panicked while it added something left the list whole: a push either happened or did not.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
