//! The register: every patron, in memory and, where a file is given, on disk before anybody is told.
//!
//! The file is a list of JSON lines, one for each change, each written with one call; at start it is read, a torn last
//! line is forgotten (nobody was told of it), and it is written anew, compact, and put in place at once. So a practice
//! ILS that is killed at any moment keeps its patrons, and a write costs the same whether there are ten or a million.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::koha::folded;
use super::patron::{Patron, Refusal, Write};
use super::personality::Personality;

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The patron is now this.
    Put(Box<Patron>),
    /// The patron with this id is gone; the sequence is that of the write that did it.
    Gone { id: u64, sequence: u64 },
}

/// All patrons of the ILS.
pub(crate) struct Register {
    personality: Personality,
    patrons: BTreeMap<u64, Patron>,
    by_barcode: HashMap<String, u64>,
    /// Barcodes and user ids in the form in which Koha's database takes them for the same.
    by_folded: HashMap<String, u64>,
    by_userid: HashMap<String, u64>,
    last_id: u64,
    sequence: u64,
    file: Option<File>,
    closed: bool,
}

/// Why the patrons' file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The system said no.
    #[error("the practice ILS's patrons file `{}` cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error("`{}`, line {line}, is not a patron of a practice ILS; give another file, or remove this one", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

impl Register {
    /// Opens the register, with the patrons of the file where there is one.
    pub(crate) fn open(personality: Personality, path: Option<&Path>) -> Result<Self, RegisterError> {
        let mut register = Self {
            personality,
            patrons: BTreeMap::new(),
            by_barcode: HashMap::new(),
            by_folded: HashMap::new(),
            by_userid: HashMap::new(),
            last_id: 0,
            sequence: 0,
            file: None,
            closed: false,
        };
        if let Some(path) = path {
            register.load(path)?;
            let failed = |source| RegisterError::Io { path: path.to_owned(), source };
            register.file = Some(register.compact(path).map_err(failed)?);
        }
        Ok(register)
    }

    fn load(&mut self, path: &Path) -> Result<(), RegisterError> {
        let text = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => {
                return Err(RegisterError::Io { path: path.to_owned(), source });
            }
        };
        for (at, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
            match serde_json::from_slice(line) {
                Ok(Line::Put(patron)) => {
                    let seen = patron.history.iter().map(|w| w.sequence).max().unwrap_or(0);
                    self.sequence = self.sequence.max(seen);
                    self.place(*patron);
                }
                Ok(Line::Gone { id, sequence }) => {
                    self.sequence = self.sequence.max(sequence);
                    self.last_id = self.last_id.max(id);
                    self.displace(id);
                }
                // The first line is put in place whole, so only a later one can be torn.
                Err(_) if at > 0 && !line.ends_with(b"\n") => {}
                Err(_) => {
                    return Err(RegisterError::Foreign { path: path.to_owned(), line: at + 1 });
                }
            }
        }
        Ok(())
    }

    /// Writes the file anew beside the old one, puts it in its place, and keeps it open for what comes.
    fn compact(&self, path: &Path) -> io::Result<File> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let fresh = path.with_extension("new");
        let mut out = BufWriter::new(File::create(&fresh)?);
        // So that ids and sequences never come twice, even where the last record is gone.
        line(&mut out, &Line::Gone { id: self.last_id, sequence: self.sequence })?;
        for patron in self.patrons.values() {
            line(&mut out, &Line::Put(Box::new(patron.clone())))?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&fresh, path)?;
        OpenOptions::new().append(true).open(path)
    }

    fn place(&mut self, patron: Patron) {
        self.last_id = self.last_id.max(patron.id);
        self.displace(patron.id);
        self.by_barcode.insert(patron.barcode.clone(), patron.id);
        self.by_folded.insert(folded(&patron.barcode), patron.id);
        if !patron.koha.userid.is_empty() {
            self.by_userid.insert(folded(&patron.koha.userid), patron.id);
        }
        self.patrons.insert(patron.id, patron);
    }

    fn displace(&mut self, id: u64) -> Option<Patron> {
        let old = self.patrons.remove(&id)?;
        self.by_barcode.remove(&old.barcode);
        self.by_folded.remove(&folded(&old.barcode));
        self.by_userid.remove(&folded(&old.koha.userid));
        Some(old)
    }

    fn keep(&mut self, change: &Line) -> Result<(), Refusal> {
        if self.closed {
            return Err(Refusal::CannotWrite);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut bytes = Vec::with_capacity(512);
        line(&mut bytes, change).and_then(|()| file.write_all(&bytes)).map_err(|_| Refusal::CannotWrite)
    }

    /// The patron with this barcode.
    pub(crate) fn find(&self, barcode: &str) -> Option<&Patron> {
        self.patrons.get(self.by_barcode.get(barcode)?)
    }

    /// The patron whose barcode Koha's database takes for this one.
    pub(crate) fn find_folded(&self, barcode: &str) -> Option<&Patron> {
        self.patrons.get(self.by_folded.get(&folded(barcode))?)
    }

    /// The patron whose user id Koha's database takes for this one.
    pub(crate) fn find_userid(&self, userid: &str) -> Option<&Patron> {
        self.patrons.get(self.by_userid.get(&folded(userid))?)
    }

    /// The patron with this id.
    pub(crate) fn get(&self, id: u64) -> Option<&Patron> {
        self.patrons.get(&id)
    }

    /// What this ILS accepts.
    pub(crate) fn personality(&self) -> &Personality {
        &self.personality
    }

    /// All patrons, the oldest first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Patron> {
        self.patrons.values()
    }

    /// How many patrons there are.
    pub(crate) fn len(&self) -> usize {
        self.patrons.len()
    }

    /// Makes a patron of a draft; its id, counters and history are given here.
    pub(crate) fn create(&mut self, mut draft: Patron, by: &str) -> Result<&Patron, Refusal> {
        self.personality.squeeze(&mut draft);
        if self.by_barcode.contains_key(&draft.barcode) {
            return Err(Refusal::Duplicate);
        }
        self.personality.check(&draft)?;
        if let Some(pin) = &draft.pin {
            self.personality.check_pin(pin)?;
        }
        let (id, sequence) = (self.last_id + 1, self.sequence + 1);
        draft.id = id;
        draft.created_at = sequence;
        draft.history = vec![Write { kind: "create".to_owned(), by: by.to_owned(), sequence }];
        self.put(draft, sequence)
    }

    /// Changes a patron, wholly or not at all.
    pub(crate) fn change(
        &mut self,
        barcode: &str,
        kind: &str,
        by: &str,
        change: impl FnOnce(&mut Patron) -> Result<(), Refusal>,
    ) -> Result<&Patron, Refusal> {
        let before = self.find(barcode).ok_or(Refusal::UnknownPatron)?;
        let mut after = before.clone();
        change(&mut after)?;
        self.personality.squeeze(&mut after);
        self.personality.check(&after)?;
        if let Some(pin) = after.pin.as_ref().filter(|_| after.pin != before.pin) {
            self.personality.check_pin(pin)?;
        }
        if after.barcode != before.barcode && self.by_barcode.contains_key(&after.barcode) {
            return Err(Refusal::Duplicate);
        }
        let sequence = self.sequence + 1;
        (after.id, after.created_at) = (before.id, before.created_at);
        after.history.clone_from(&before.history);
        after.history.push(Write { kind: kind.to_owned(), by: by.to_owned(), sequence });
        self.put(after, sequence)
    }

    fn put(&mut self, patron: Patron, sequence: u64) -> Result<&Patron, Refusal> {
        let id = patron.id;
        if self.file.is_some() {
            let change = Line::Put(Box::new(patron));
            self.keep(&change)?;
            if let Line::Put(patron) = change {
                self.place(*patron);
            }
        } else if self.closed {
            return Err(Refusal::CannotWrite);
        } else {
            self.place(patron);
        }
        self.sequence = sequence;
        self.patrons.get(&id).ok_or(Refusal::CannotWrite)
    }

    /// Removes a patron, as staff would.
    pub(crate) fn delete(&mut self, barcode: &str) -> Result<Patron, Refusal> {
        let id = self.find(barcode).ok_or(Refusal::UnknownPatron)?.id;
        let sequence = self.sequence + 1;
        self.keep(&Line::Gone { id, sequence })?;
        self.sequence = sequence;
        self.displace(id).ok_or(Refusal::UnknownPatron)
    }

    /// No write after this: whatever is still under way finds the ILS gone.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.file = None;
    }
}

fn line(out: &mut impl io::Write, change: &Line) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(change).map_err(io::Error::other)?;
    bytes.push(b'\n');
    out.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(barcode: &str) -> Patron {
        Patron { barcode: barcode.to_owned(), surname: "Test".to_owned(), ..Patron::default() }
    }

    #[test]
    fn the_file_keeps_everything_and_a_torn_line_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("patrons.json");
        let mut register = Register::open(Personality::default(), Some(&path)).unwrap();
        for barcode in ["1", "2", "3"] {
            register.create(draft(barcode), "ncip").unwrap();
        }
        register.delete("3").unwrap();
        register
            .change("2", "update", "ncip", |p| {
                p.given = "Ada".to_owned();
                Ok(())
            })
            .unwrap();
        drop(register);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"put\":{\"id\":9,\"bar").unwrap();

        let mut register = Register::open(Personality::default(), Some(&path)).unwrap();
        assert_eq!(register.all().map(|p| p.barcode.as_str()).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(register.find("2").unwrap().given, "Ada");
        let new = register.create(draft("4"), "ncip").unwrap();
        assert_eq!((new.id, new.created_at), (4, 6), "neither ids nor sequences come twice");
        let again = Register::open(Personality::default(), Some(&path)).unwrap();
        assert_eq!(again.len(), 3);
    }

    #[test]
    fn a_foreign_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        fs::write(&path, "buy milk\nand bread\n").unwrap();
        let error = Register::open(Personality::default(), Some(&path)).err().unwrap();
        assert!(matches!(error, RegisterError::Foreign { line: 1, .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "buy milk\nand bread\n");
    }

    #[test]
    fn a_refused_change_leaves_the_patron_as_it_was() {
        let mut register =
            Register::open(Personality { categories: vec!["S".into()], ..Personality::default() }, None)
                .unwrap();
        register.create(draft("1"), "ncip").unwrap();
        let refused = register.change("1", "update", "ncip", |p| {
            p.given = "Changed".to_owned();
            p.category = Some("X".to_owned());
            Ok(())
        });
        assert_eq!(
            refused.err(),
            Some(Refusal::UnknownValue { field: super::super::patron::Field::Category, value: "X".into() })
        );
        let patron = register.find("1").unwrap();
        assert_eq!((patron.given.as_str(), patron.history.len()), ("", 1));
        register.close();
        assert_eq!(register.create(draft("2"), "ncip").err(), Some(Refusal::CannotWrite));
    }
}
