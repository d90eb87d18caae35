//! What a partnership says of the district's own file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rostercard_core::grade::Grade;
use rostercard_intake::TableOptions;
use rostercard_intake::drop_folder::{AfterUse, Ready};

use crate::columns::{Column, Preset};

/// What a file holds. Never guessed: a file of newcomers taken for everybody would withdraw a district.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Everybody: who is not in it is missing.
    Snapshot,
    /// Newcomers and changes: nobody is missing for not being in it.
    Additions,
}

/// How dates with slashes are to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DateOrder {
    /// Month, day, year, as in American exports.
    #[default]
    Mdy,
    /// Day, month, year.
    Dmy,
    /// Only dates that begin with the year.
    Iso,
}

/// `[source.csvdrop]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// A file, or a drop folder. None: files are given by a person, one by one (`import_only`), and there is nothing to fetch.
    pub path: Option<PathBuf>,
    /// What a file holds.
    pub holds: Holds,
    /// What the SIS calls its columns.
    pub preset: Option<Preset>,
    /// What the district calls them; these count before the preset's.
    pub columns: BTreeMap<Column, String>,
    /// Delimiter, encoding, sheet.
    pub table: TableOptions,
    /// How dates with slashes are to be read.
    pub dates: DateOrder,
    /// How many characters a student id has, where all have as many.
    pub id_width: Option<usize>,
    /// Whether shorter ids are to be filled up with zeros on the left: the district keeps them without.
    pub id_pad: bool,
    /// Words of the district for grades.
    pub grades: BTreeMap<String, Grade>,
    /// When a file of a drop folder is whole.
    pub ready: Ready,
    /// What becomes of a file that was used; by default a drop folder's is archived, and a single file kept.
    pub after_use: Option<AfterUse>,
    /// Whether teachers and other school staff are wanted too.
    pub educators: bool,
}

impl Settings {
    /// Where rosters are read from, in words; a change of it makes the next plan wait.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.path.as_ref().map_or_else(|| "csvdrop".to_owned(), |path| format!("csvdrop {}", path.display()))
    }

    /// The same for one file that a person names: it is read whole, taken for what they say it is, and left where it is.
    #[must_use]
    pub fn for_file(&self, path: PathBuf, holds: Holds) -> Self {
        Self { path: Some(path), holds, after_use: Some(AfterUse::Keep), ..self.clone() }
    }

    /// The settings of a file or folder, with everything else as it is by default.
    #[must_use]
    pub fn new(path: PathBuf, holds: Holds) -> Self {
        Self {
            path: Some(path),
            holds,
            preset: None,
            columns: BTreeMap::new(),
            table: TableOptions::default(),
            dates: DateOrder::default(),
            id_width: None,
            id_pad: false,
            grades: BTreeMap::new(),
            ready: Ready::After(Duration::from_secs(120)),
            after_use: None,
            educators: false,
        }
    }
}
