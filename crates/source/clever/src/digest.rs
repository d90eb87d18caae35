//! Short digests of ids and names, for telling within one reading whether somebody came before. They are never kept.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rostercard_core::student::Student;

/// Half a digest: enough to tell a district's people apart.
pub(crate) type Short = [u8; 16];

/// A digest of several texts.
pub(crate) fn short(parts: &[&[u8]]) -> Short {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut out = [0; 16];
    hasher.finalize_xof().fill(&mut out);
    out
}

/// Whether somebody came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// Not yet.
    New,
    /// The same person.
    Again,
    /// Somebody else with the same student id.
    Other,
}

/// Who came so far, by student id.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<Short, Short>);

impl Seen {
    /// Notes somebody, and says whether the student id came before, and as whom.
    pub(crate) fn came(&mut self, student: &Student) -> Came {
        let born = student.birth_date.map(|born| born.reveal().to_string()).unwrap_or_default();
        let who = short(&[
            student.given_name.reveal().as_bytes(),
            student.family_name.reveal().as_bytes(),
            born.as_bytes(),
            student.role.word().as_bytes(),
        ]);
        self.note(student.student_id.reveal(), who)
    }

    /// Notes a student id of whom nothing else is known.
    pub(crate) fn damaged(&mut self, student_id: &str) -> Came {
        self.note(student_id, [0; 16])
    }

    fn note(&mut self, student_id: &str, who: Short) -> Came {
        match self.0.entry(short(&[student_id.as_bytes()])) {
            Entry::Vacant(place) => {
                place.insert(who);
                Came::New
            }
            Entry::Occupied(before) if *before.get() == who => Came::Again,
            Entry::Occupied(_) => Came::Other,
        }
    }

    /// Whether a student id came.
    pub(crate) fn has(&self, student_id: &str) -> bool {
        self.0.contains_key(&short(&[student_id.as_bytes()]))
    }

    /// How many student ids came.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
