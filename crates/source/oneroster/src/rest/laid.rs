//! Rows laid out in memory: the length of each cell, then the cells one after the other. They are read again as rows of
//! `users.csv` are, without looking for commas and quotes.

use rostercard_oneroster::{LaidOut, Line, ReadError, Users};

use crate::read::Rows;

/// A length that does not fit in a byte follows in four.
const LONG: u8 = u8::MAX;

/// A row of these cells. The one at `broken` gets a byte behind it that is no text.
pub(super) fn write<'c>(cells: impl Iterator<Item = &'c [u8]> + Clone, broken: Option<usize>) -> Box<[u8]> {
    let length = |at: usize, cell: &[u8]| cell.len() + usize::from(broken == Some(at));
    let size: usize = cells.clone().enumerate().map(|(at, cell)| length(at, cell) + 1).sum();
    let mut row = Vec::with_capacity(size);
    for (at, cell) in cells.clone().enumerate() {
        let length = length(at, cell);
        match u8::try_from(length) {
            Ok(short) if short != LONG => row.push(short),
            _ => {
                row.push(LONG);
                row.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
            }
        }
    }
    for (at, cell) in cells.enumerate() {
        row.extend_from_slice(cell);
        if broken == Some(at) {
            row.push(0xff);
        }
    }
    row.into_boxed_slice()
}

/// Where each of so many cells ends, into `ends`; and the cells.
fn read<'r>(row: &'r [u8], width: usize, ends: &mut Vec<usize>) -> Option<&'r [u8]> {
    ends.clear();
    let (mut rest, mut end) = (row, 0);
    for _ in 0..width {
        let (length, behind) = rest.split_first()?;
        rest = behind;
        let mut length = usize::from(*length);
        if length == usize::from(LONG) {
            let (long, behind) = rest.split_first_chunk()?;
            length = usize::try_from(u32::from_le_bytes(*long)).ok()?;
            rest = behind;
        }
        end += length;
        ends.push(end);
    }
    rest.get(..end)
}

/// The first cell of a row.
pub(super) fn first(row: &[u8], width: usize) -> Option<&[u8]> {
    let mut ends = Vec::with_capacity(width);
    let cells = read(row, width, &mut ends)?;
    cells.get(..*ends.first()?)
}

/// A walk through rows.
pub(super) struct LaidRows<'r, I> {
    table: &'r LaidOut<Users>,
    rows: I,
    line: u64,
    ends: Vec<usize>,
}

impl<'r, I: Iterator<Item = Option<&'r [u8]>>> LaidRows<'r, I> {
    /// Rows below a header; one that was longer than any may be is none.
    pub(super) fn new(table: &'r LaidOut<Users>, rows: I) -> Self {
        Self { table, rows, line: 1, ends: Vec::new() }
    }
}

impl<'r, I: Iterator<Item = Option<&'r [u8]>>> Rows for LaidRows<'r, I> {
    fn next_line(&mut self) -> Result<Option<Line<'_, Users>>, ReadError> {
        let Some(row) = self.rows.next() else { return Ok(None) };
        self.line += 1;
        let cells = row.and_then(|row| read(row, self.table.layout().width(), &mut self.ends));
        Ok(Some(match cells {
            Some(cells) => self.table.line(self.line, cells, &self.ends),
            None => self.table.too_long(self.line),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_row_comes_back(
            cells in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
            broken in prop::option::of(0_usize..20),
        ) {
            let row = write(cells.iter().map(Vec::as_slice), broken);
            let mut ends = Vec::new();
            let data = read(&row, cells.len(), &mut ends).unwrap();
            let mut start = 0;
            for (at, (cell, end)) in cells.iter().zip(&ends).enumerate() {
                let mut wanted = cell.clone();
                if broken == Some(at) {
                    wanted.push(0xff);
                }
                prop_assert_eq!(&data[start..*end], &wanted);
                start = *end;
            }
            prop_assert_eq!(start, data.len());
            prop_assert_eq!(first(&row, cells.len()), Some(&data[..ends[0]]));
        }

        #[test]
        fn any_bytes_are_survived(row in prop::collection::vec(any::<u8>(), 0..60), width in 0_usize..20) {
            let mut ends = Vec::new();
            if let Some(cells) = read(&row, width, &mut ends) {
                prop_assert!(cells.len() < row.len() || width == 0);
            }
        }
    }
}
