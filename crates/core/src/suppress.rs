//! Small cells: counts of a few people are held back in reports, and with them as much else as it takes that nobody can work
//! them out from what is shown.
//!
//! A list of counts whose sum is known hides a count only if what is held back could be at least two different ways. So where one
//! count alone would be held back, or all that are could only be one each, the smallest of the others is held back too.

/// Which counts of a list may be shown: `None` for those that are held back. Zero is always shown: nobody is nobody.
/// `least` is the smallest count that may be shown. Whether the sum may be shown besides is the second value: it is, unless
/// everything else is held back and would be told by it.
#[must_use]
pub fn suppress(counts: &[u64], least: u64) -> (Vec<Option<u64>>, bool) {
    let mut shown: Vec<Option<u64>> =
        counts.iter().map(|count| (*count == 0 || *count >= least).then_some(*count)).collect();
    loop {
        let held: Vec<u64> =
            counts.iter().zip(&shown).filter(|(_, shown)| shown.is_none()).map(|(count, _)| *count).collect();
        let sum: u64 = held.iter().sum();
        let some = held.len() as u64;
        // Each of those held back is one at least: if there are two, and more than one each, none is certain.
        if held.is_empty() || (some >= 2 && sum > some) {
            return (shown, true);
        }
        let smallest = shown
            .iter()
            .enumerate()
            .filter_map(|(at, shown)| Some((at, (*shown)?)))
            .filter(|(_, count)| *count > 0)
            .min_by_key(|(_, count)| *count)
            .map(|(at, _)| at);
        match smallest.and_then(|at| shown.get_mut(at)) {
            Some(count) => *count = None,
            // There is nothing else to hold back: then the sum is.
            None => return (shown, false),
        }
    }
}

/// A share in whole percent, as a report shows it: never so exact that few people could be told from it. `None` where there is
/// none to be shown.
#[must_use]
pub fn share(part: u64, whole: u64, least: u64) -> Option<String> {
    if whole < least || part > whole || (part > 0 && part < least) {
        return None;
    }
    if part < whole && whole - part < least {
        return Some("over 90 %".to_owned()).filter(|_| part * 10 > whole * 9).or(Some("most".to_owned()));
    }
    Some(format!("{} %", (part * 100 + whole / 2) / whole))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn s21_small_cells_are_held_back_with_company() {
        for (counts, shown, sum) in [
            (vec![30, 20], vec![Some(30), Some(20)], true),
            (vec![30, 3, 20], vec![Some(30), None, None], true),
            (vec![30, 3, 4], vec![Some(30), None, None], true),
            (vec![30, 1, 1], vec![None, None, None], true),
            (vec![3], vec![None], false),
            (vec![3, 0], vec![None, Some(0)], false),
            (vec![1, 1], vec![None, None], false),
            (vec![], vec![], true),
        ] {
            assert_eq!(suppress(&counts, 10), (shown, sum), "{counts:?}");
        }
    }

    #[test]
    fn shares_do_not_tell_counts() {
        for (part, whole, shown) in [
            (500, 1000, Some("50 %")),
            (0, 1000, Some("0 %")),
            (3, 1000, None),
            (3, 5, None),
            (998, 1000, Some("over 90 %")),
            (8, 12, None),
            (12, 15, Some("most")),
            (1000, 1000, Some("100 %")),
            (11, 10, None),
        ] {
            assert_eq!(share(part, whole, 10).as_deref(), shown, "{part} of {whole}");
        }
    }

    proptest! {
        /// For each count that is held back there is another list with the same shown counts, the same sum, and another value there.
        #[test]
        fn s21_no_small_cell_can_be_worked_out(counts in prop::collection::vec(0_u64..40, 0..12), least in 2_u64..15) {
            let (shown, sum) = suppress(&counts, least);
            let held: Vec<u64> = counts.iter().zip(&shown).filter(|(_, s)| s.is_none()).map(|(c, _)| *c).collect();
            for (count, shown) in counts.iter().zip(&shown) {
                prop_assert!(*count == 0 || *count >= least || shown.is_none());
                prop_assert!(shown.is_none_or(|shown| shown == *count));
            }
            if sum && !held.is_empty() {
                // One more here and one less there, each still at least one.
                prop_assert!(held.len() >= 2);
                for at in 0..held.len() {
                    let other = held.iter().enumerate().any(|(there, count)| there != at && *count > 1);
                    prop_assert!(other || held[at] > 1);
                }
            }
        }
    }
}
