//! When a walk through a collection's pages has everything: a machine that says what to ask next and, at the end, what
//! was proven. It sees counts alone; whoever drives it knows which rows are new.
//!
//! The rules, each from a server that exists: a page may be shorter than asked (a clamp), so the next one begins behind
//! the rows that came, and a short page ends nothing; `Link` is not followed, because it drops filters, counts from one,
//! runs in circles and leads elsewhere; a total is believed only where it can be one; where there is none, each page
//! begins with the last row of the page before, so that rows which come or go in between are noticed.

/// What to ask next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// How many rows at most.
    pub limit: usize,
    /// The first row, from zero.
    pub offset: usize,
}

/// A page, in counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Its rows.
    pub rows: usize,
    /// Those of them that had not come before in this walk.
    pub fresh: usize,
    /// Those that had, with other contents: a row that changed under way, or two rows under one id.
    pub other: usize,
    /// Whether its first row is the last one of the page before.
    pub meets: bool,
    /// `X-Total-Count`.
    pub total: Option<u64>,
}

/// What a whole walk was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Everything came: an empty page ended it, or a total was met.
    Whole,
    /// Rows came or went while it was read: read it again.
    Drifted,
    /// The server says that there are more rows than it gave.
    Short {
        /// So many it said.
        said: u64,
        /// So many came.
        came: u64,
    },
}

/// What comes after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another page.
    Ask(Ask),
    /// Nothing: this is what it was.
    End(Proof),
    /// The server gives the same rows again, whatever the offset.
    OffsetIgnored,
}

/// One walk.
#[derive(Debug, Clone)]
pub struct Walk {
    limit: usize,
    ask: Ask,
    /// The row behind the last one that came.
    end: usize,
    fresh: u64,
    other: u64,
    pages: u64,
    largest: usize,
    /// Whether the next page is to begin with the last row of this one.
    meeting: bool,
    may_meet: bool,
    total: Total,
    /// The total changed under way.
    changed: bool,
    /// Rows came twice, or pages did not meet.
    unsteady: bool,
    empty: u8,
}

/// What is known of the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Total {
    /// No page yet.
    New,
    /// The pages say none, or none that can be one.
    None,
    /// All pages so far said their own length.
    PageLength(u64),
    /// This.
    Said(u64),
}

/// Empty pages in a row that are asked behind before a total that was not met is given up.
const MORE_EMPTY: u8 = 2;

impl Walk {
    /// A walk in pages of `limit` rows, one at least.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self {
            limit,
            ask: Ask { limit, offset: 0 },
            end: 0,
            fresh: 0,
            other: 0,
            pages: 0,
            largest: 0,
            meeting: false,
            may_meet: true,
            total: Total::New,
            changed: false,
            unsteady: false,
            empty: 0,
        }
    }

    /// The page to ask for now.
    #[must_use]
    pub fn ask(&self) -> Ask {
        self.ask
    }

    /// The page that will most likely be asked for once this one has come, so that it can be fetched meanwhile. `None`
    /// where it may well be none.
    #[must_use]
    pub fn guess(&self) -> Option<Ask> {
        let full = self.end == self.ask.offset + usize::from(self.meeting);
        if self.pages == 0 || !full || self.empty > 0 || self.largest < 2 {
            return None;
        }
        let end = self.ask.offset + self.largest;
        if self.total().is_some_and(|total| end as u64 >= total) {
            return None;
        }
        Some(Ask { limit: self.limit, offset: end - usize::from(self.meeting) })
    }

    /// Rows that came, each once.
    #[must_use]
    pub fn came(&self) -> u64 {
        self.fresh
    }

    /// The largest page so far: below the limit that was asked, it is the server's clamp.
    #[must_use]
    pub fn largest_page(&self) -> usize {
        self.largest
    }

    /// The total that the server says, where it says one that can be.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        match self.total {
            Total::Said(total) => Some(total),
            // One that is the only page's length may count just that.
            Total::New | Total::None | Total::PageLength(_) => None,
        }
    }

    /// Takes the page that was asked for.
    pub fn page(&mut self, page: Arrived) -> Next {
        self.learn_total(page);
        self.pages += 1;
        let first_page = self.pages == 1;
        if page.rows == 0 {
            return self.empty_page();
        }
        self.empty = 0;
        let met = self.meeting && page.meets;
        if self.meeting && page.rows == 1 && met {
            return self.finish();
        }
        if page.fresh == 0 {
            return self.nothing_new(page);
        }
        self.fresh += page.fresh as u64;
        self.other += page.other as u64;
        let again = page.rows - page.fresh.min(page.rows);
        self.unsteady |= again > usize::from(met) || (self.meeting && !met);
        self.largest = self.largest.max(page.rows);
        self.end = self.ask.offset + page.rows;
        let short = page.rows < if first_page { self.limit } else { self.largest };
        if short && self.reached() {
            return self.finish();
        }
        self.go_on()
    }

    fn go_on(&mut self) -> Next {
        // Pages of a single row would only ever bring the row that is there already.
        self.meeting = self.may_meet && self.largest > 1 && self.total().is_none();
        self.ask.offset = self.end - usize::from(self.meeting);
        Next::Ask(self.ask)
    }

    fn learn_total(&mut self, page: Arrived) {
        let is_length = page.total == Some(page.rows as u64);
        self.total = match (self.total, page.total) {
            (Total::New, Some(total)) if is_length => Total::PageLength(total),
            (Total::New, Some(total)) => Total::Said(total),
            (Total::New | Total::None, _) | (Total::PageLength(_), None) => Total::None,
            // The second page that says its own length: that is what the header counts.
            (Total::PageLength(_), Some(_)) if is_length => Total::None,
            (Total::PageLength(said) | Total::Said(said), Some(total)) => {
                self.changed |= total != said;
                Total::Said(total)
            }
            (Total::Said(said), None) => Total::Said(said),
        };
    }

    fn empty_page(&mut self) -> Next {
        let missing = self.total().is_some_and(|total| self.fresh < total);
        if self.meeting {
            // Even the row that was there is gone.
            self.unsteady = true;
        }
        if missing && self.empty < MORE_EMPTY {
            self.empty += 1;
            self.meeting = false;
            self.ask.offset += self.largest.max(1);
            return Next::Ask(self.ask);
        }
        self.finish()
    }

    /// A page of rows that all had come before.
    fn nothing_new(&mut self, page: Arrived) -> Next {
        if self.meeting {
            // Perhaps the server counts in whole pages: ask behind what came.
            self.may_meet = false;
            self.meeting = false;
            self.ask.offset = self.end;
            return Next::Ask(self.ask);
        }
        // Who gives more than was asked for gives everything, and gives it again for any offset.
        let everything_at_once = self.largest > self.limit && self.end == self.largest;
        if everything_at_once || self.reached() {
            return self.finish();
        }
        let next_page = self.end.div_ceil(self.limit) * self.limit;
        if self.ask.offset < next_page {
            self.ask.offset = next_page;
            return Next::Ask(self.ask);
        }
        if page.rows < self.largest {
            // The end of a list that moved.
            self.unsteady = true;
            return self.finish();
        }
        Next::OffsetIgnored
    }

    /// Whether as many rows came as the server says there are.
    fn reached(&self) -> bool {
        self.total().is_some_and(|total| (self.fresh..=self.fresh + self.other).contains(&total))
    }

    fn finish(&self) -> Next {
        Next::End(match self.total() {
            Some(total) if self.fresh + self.other < total => Proof::Short { said: total, came: self.fresh },
            // A total that was met by as many different rows outweighs rows that came twice.
            Some(_) if self.reached() && !self.changed => Proof::Whole,
            _ if self.changed || self.unsteady => Proof::Drifted,
            _ => Proof::Whole,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server of so many rows.
    #[derive(Debug, Clone, Copy)]
    struct Server {
        rows: usize,
        clamp: usize,
        total: fn(rows: usize, page: usize) -> Option<u64>,
        ignores_limit: bool,
        ignores_offset: bool,
        whole_pages: bool,
        /// Before this request a row at the front goes.
        loses_at: usize,
        /// Before this request a row at the front comes.
        gains_at: usize,
    }

    const GOOD: Server = Server {
        rows: 0,
        clamp: usize::MAX,
        total: |_, _| None,
        ignores_limit: false,
        ignores_offset: false,
        whole_pages: false,
        loses_at: usize::MAX,
        gains_at: usize::MAX,
    };

    /// Walks; what came of it, how many rows, how many requests.
    fn walk(server: Server, limit: usize) -> (Next, usize, usize) {
        let mut rows: Vec<usize> = (1..=server.rows).collect();
        let mut seen = std::collections::HashSet::new();
        let mut last = None;
        let mut walk = Walk::new(limit);
        for request in 1..200 {
            if request == server.loses_at && !rows.is_empty() {
                rows.remove(0);
            }
            if request == server.gains_at {
                rows.insert(0, 100_000);
            }
            let Ask { limit, offset } = walk.ask();
            let length = if server.ignores_limit { usize::MAX } else { limit.min(server.clamp) };
            let offset = if server.ignores_offset { 0 } else { offset };
            let offset = if server.whole_pages { offset / length * length } else { offset };
            let page: Vec<usize> = rows.iter().skip(offset).take(length).copied().collect();
            let fresh = page.iter().filter(|row| seen.insert(**row)).count();
            let meets = last.is_some() && page.first() == last.as_ref();
            last = page.last().copied().or(last);
            let total = (server.total)(rows.len(), page.len());
            match walk.page(Arrived { rows: page.len(), fresh, meets, total, other: 0 }) {
                Next::Ask(_) => {}
                end => return (end, seen.len(), request),
            }
        }
        panic!("it walks for ever: {server:?}");
    }

    const WHOLE: Next = Next::End(Proof::Whole);

    #[test]
    fn p1_to_p4_p14_p15_everything_comes() {
        let exact: fn(usize, usize) -> Option<u64> = |rows, _| Some(rows as u64);
        let of_page: fn(usize, usize) -> Option<u64> = |_, page| Some(page as u64);
        for rows in [0, 1, 2, 9, 10, 11, 20, 25, 100] {
            for total in [GOOD.total, exact, of_page] {
                for clamp in [1, 2, 3, 7, 10, usize::MAX] {
                    for server in [
                        Server { rows, total, clamp, ..GOOD },
                        Server { rows, total, clamp: usize::MAX, ignores_limit: true, ..GOOD },
                    ] {
                        let (end, came, _) = walk(server, 10);
                        assert_eq!((end, came), (WHOLE, rows), "{rows} {clamp} {:?}", total(1, 2));
                    }
                }
            }
        }
        // A total that is met by a short page needs no empty one.
        assert_eq!(walk(Server { rows: 25, total: exact, ..GOOD }, 10).2, 3);
        assert_eq!(walk(Server { rows: 20, total: exact, ..GOOD }, 10).2, 3);
    }

    #[test]
    fn p13_a_server_that_ignores_the_offset_is_found_out() {
        let server = Server { rows: 25, ignores_offset: true, ..GOOD };
        assert_eq!(walk(server, 10).0, Next::OffsetIgnored);
        assert_eq!(walk(Server { total: |rows, _| Some(rows as u64), ..server }, 10).0, Next::OffsetIgnored);
        // All at once for any offset is everything.
        let all = Server { rows: 25, ignores_offset: true, ignores_limit: true, ..GOOD };
        assert_eq!(walk(all, 10), (WHOLE, 25, 3));
    }

    #[test]
    fn a_server_that_counts_in_whole_pages_is_walked_all_the_same() {
        let (end, came, _) = walk(Server { rows: 25, whole_pages: true, ..GOOD }, 10);
        assert_eq!((end, came), (WHOLE, 25));
    }

    #[test]
    fn p10_p12_rows_that_come_and_go_are_noticed() {
        for total in [GOOD.total, |rows, _| Some(rows as u64)] {
            for at in [2, 3] {
                let lost = walk(Server { rows: 25, total, loses_at: at, ..GOOD }, 10);
                assert_ne!(lost.0, WHOLE, "a row went before request {at}");
                let gained = walk(Server { rows: 25, total, gains_at: at, ..GOOD }, 10);
                assert_ne!(gained.0, WHOLE, "a row came before request {at}");
            }
        }
    }

    #[test]
    fn a_total_that_is_not_met_is_said() {
        let more: fn(usize, usize) -> Option<u64> = |rows, _| Some(rows as u64 + 3);
        let (end, came, requests) = walk(Server { rows: 25, total: more, ..GOOD }, 10);
        assert_eq!(end, Next::End(Proof::Short { said: 28, came: 25 }));
        assert!(came == 25 && requests <= 6);
    }

    proptest! {
        #[test]
        fn any_pages_end(pages in prop::collection::vec((0_usize..5, 0_usize..5, any::<bool>(), prop::option::of(0_u64..9)), 1..60)) {
            let mut walk = Walk::new(3);
            let mut fresh = 0;
            for (rows, new, meets, total) in pages {
                let new = new.min(rows);
                fresh += new as u64;
                if !matches!(walk.page(Arrived { rows, fresh: new, meets, total, other: 0 }), Next::Ask(_)) {
                    break;
                }
                prop_assert!(walk.ask().offset < 1_000);
            }
            prop_assert!(walk.came() <= fresh);
        }
    }
}
