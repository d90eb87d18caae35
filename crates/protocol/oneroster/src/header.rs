//! A header row, resolved once a file into positions, whatever its order, case or extras.

use std::marker::PhantomData;

use crate::columns::{Column, Columns, Need, SPELLINGS};
use crate::finding::{Code, Finding};
use crate::manifest::Version;
use crate::records::Record;

const ABSENT: u16 = u16::MAX;
/// More columns than any table of the specification has.
const SLOTS: usize = 32;

/// A column that the specification does not have, found by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extra(pub(crate) u16);

/// Where the columns of a file lie.
#[derive(Debug, Clone)]
pub struct Layout<C> {
    positions: [u16; SLOTS],
    extras: Vec<(String, Extra)>,
    width: usize,
    of: PhantomData<C>,
}

impl<C: Columns> Layout<C> {
    /// Where a column lies, if it is there and may be read.
    #[must_use]
    pub fn position(&self, column: C) -> Option<usize> {
        self.position_of(column.index())
    }

    /// The same by the column's index.
    pub(crate) fn position_of(&self, index: usize) -> Option<usize> {
        let at = self.positions.get(index).copied().unwrap_or(ABSENT);
        (at != ABSENT).then_some(usize::from(at))
    }

    /// Whether a column is there.
    #[must_use]
    pub fn has(&self, column: C) -> bool {
        self.position(column).is_some()
    }

    /// A column outside the specification, by its name in any case, with or without `metadata.` before it.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<Extra> {
        let wanted = name.trim().to_lowercase();
        let short = wanted.strip_prefix(METADATA).unwrap_or(&wanted);
        let found = self.extras.iter().find(|(extra, _)| *extra == wanted);
        found
            .or_else(|| self.extras.iter().find(|(extra, _)| extra.strip_prefix(METADATA) == Some(short)))
            .map(|(_, at)| *at)
    }

    /// The number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Reads a header row. The findings say what is odd about it; where one of them refuses, there is no layout.
    pub(crate) fn resolve(header: &Record<'_>, version: Version) -> (Option<Self>, Vec<Finding>) {
        let mut resolving = Resolving {
            layout: Self {
                positions: [ABSENT; SLOTS],
                extras: Vec::new(),
                width: header.len(),
                of: PhantomData,
            },
            seen: [None; SLOTS],
            unknown: Vec::new(),
            findings: Vec::new(),
        };
        for at in 0..header.len() {
            resolving.cell(at, header.get(at));
        }
        resolving.whole(version);
        let refused = resolving.findings.iter().any(|finding| finding.code.refuses());
        // What refuses comes first, because it is what gets said.
        resolving.findings.sort_by_key(|finding| !finding.code.refuses());
        ((!refused).then_some(resolving.layout), resolving.findings)
    }
}

const METADATA: &str = "metadata.";

struct Resolving<C> {
    layout: Layout<C>,
    /// Where each column of the specification was seen, those that are never read included.
    seen: [Option<u16>; SLOTS],
    /// The numbers of columns nobody knows, counted from 1. Not their names: where a header is missing, they are data.
    unknown: Vec<usize>,
    findings: Vec<Finding>,
}

impl<C: Columns> Resolving<C> {
    fn note(&mut self, code: Code) -> &mut Finding {
        self.findings.push(Finding::file(code, C::FILE).line(1));
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    fn cell(&mut self, at: usize, name: Option<&str>) {
        let number = at + 1;
        let Some(name) = name.map(str::trim) else {
            self.note(Code::TableBrokenHeader).detail = Some(format!("column {number}"));
            return;
        };
        let Ok(position) = u16::try_from(at) else { return };
        if name.is_empty() {
            self.note(Code::TableEmptyHeaderName).detail = Some(format!("column {number}"));
        } else if let Some((index, exact)) = find::<C>(name) {
            let column: &Column = &C::ALL[index];
            if self.seen[index].is_some() {
                let finding = self.note(Code::TableDuplicateHeader);
                finding.column = Some(column.name);
                return;
            }
            self.seen[index] = Some(position);
            if column.need != Need::NeverRead {
                self.layout.positions[index] = position;
            }
            if !exact {
                let finding = self.note(Code::SchemaHeaderSpelling);
                finding.column = Some(column.name);
            }
        } else {
            let name = name.to_lowercase();
            if self.layout.extras.iter().any(|(seen, _)| *seen == name) {
                // Two extensions of one name: neither can be read by it.
                self.layout.extras.retain(|(seen, _)| *seen != name);
                self.unknown.push(number);
                return;
            }
            if !name.starts_with(METADATA) {
                self.unknown.push(number);
            }
            self.layout.extras.push((name, Extra(position)));
        }
    }

    fn whole(&mut self, version: Version) {
        let missing = |need: Need| {
            C::ALL
                .iter()
                .zip(self.seen)
                .filter(|(column, seen)| {
                    seen.is_none() && column.need == need && column.versions.contain(version)
                })
                .map(|(column, _)| column.name)
                .collect::<Vec<_>>()
        };
        let (needed, listed) = (missing(Need::Needed), missing(Need::Listed));
        for name in needed {
            self.note(Code::SchemaMissingNeeded).column = Some(name);
        }
        if !listed.is_empty() {
            self.note(Code::SchemaMissingHeader).detail = Some(listed.join(", "));
        }
        let present: Vec<u16> = self.seen.iter().flatten().copied().collect();
        if !present.is_sorted() {
            self.note(Code::SchemaHeaderOrder);
        }
        let last = present.iter().copied().max().unwrap_or(0);
        if self.layout.extras.iter().any(|(name, at)| name.starts_with(METADATA) && at.0 < last) {
            self.note(Code::SchemaMetadataPosition);
        }
        if !self.unknown.is_empty() {
            let numbers =
                self.unknown.iter().take(20).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            self.note(Code::SchemaUnknownHeader).detail = Some(format!("column {numbers}"));
        }
    }
}

/// The column that a header's name means, and whether it is spelt exactly so.
fn find<C: Columns>(name: &str) -> Option<(usize, bool)> {
    if let Some(index) = C::ALL.iter().position(|column| column.name == name) {
        return Some((index, true));
    }
    let plain = plain(name);
    let by_plain = |wanted: &str| C::ALL.iter().position(|column| self::plain(column.name) == wanted);
    let index = by_plain(&plain).or_else(|| {
        // Of a spelling with several meanings, the one that this file has.
        SPELLINGS
            .iter()
            .filter(|(seen, _)| *seen == plain)
            .find_map(|(_, meant)| by_plain(&self::plain(meant)))
    })?;
    Some((index, false))
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
}
