//! The grammar of a `userIds` cell: `{type:id},{type:id}`.

/// One id of a user.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserId<'a> {
    /// What kind of id it is, in the district's word: `LDAP`, `stateId`, `studentUniqueId`.
    pub kind: &'a str,
    /// The id.
    pub id: &'a str,
}

impl std::fmt::Debug for UserId<'_> {
    /// The kind alone: the id is a person's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserId").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The ids of a cell, one after the other; `None` for a part that does not follow the grammar.
///
/// The first colon ends the kind, so that an id may hold colons; the next brace ends the id, so that it may hold
/// commas. Spaces around any part do not matter.
pub fn user_ids(cell: &str) -> impl Iterator<Item = Option<UserId<'_>>> {
    let mut rest = cell.trim();
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([',', ' ']);
        if rest.is_empty() {
            return None;
        }
        let inside = rest.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let Some((inside, after)) = inside else {
            // No way to know where the next one begins, other than at its brace.
            let next =
                rest.char_indices().skip(1).find(|(_, c)| *c == '{').and_then(|(at, _)| rest.get(at..));
            rest = next.unwrap_or_default();
            return Some(None);
        };
        rest = after;
        let (kind, id) = match inside.split_once(':') {
            Some((kind, id)) => (kind.trim(), id.trim()),
            None => return Some(None),
        };
        let good = !kind.is_empty() && !id.is_empty() && !inside.contains('{');
        Some(good.then_some(UserId { kind, id }))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(cell: &str) -> (Vec<(&str, &str)>, usize) {
        let all: Vec<_> = user_ids(cell).collect();
        let good: Vec<_> = all.iter().flatten().map(|id| (id.kind, id.id)).collect();
        let bad = all.len() - good.len();
        (good, bad)
    }

    #[test]
    fn the_grammar_good_and_bad() {
        assert_eq!(read("{LDAP:12},{LTI:15}"), (vec![("LDAP", "12"), ("LTI", "15")], 0));
        assert_eq!(read(" { stateId : 00123 } , {a:b:c}"), (vec![("stateId", "00123"), ("a", "b:c")], 0));
        assert_eq!(read("{a:1,2},{b:3}"), (vec![("a", "1,2"), ("b", "3")], 0));
        assert_eq!(read(""), (vec![], 0));
        assert_eq!(read("12345"), (vec![], 1));
        assert_eq!(read("x,{b:3}"), (vec![("b", "3")], 1));
        assert_eq!(read("{a:1,{b:3}"), (vec![], 1));
        assert_eq!(read("{a},{b:},{:c},{d:4}"), (vec![("d", "4")], 3));
        assert_eq!(read("{a:1}{b:2}"), (vec![("a", "1"), ("b", "2")], 0));
        assert_eq!(read("{a:1"), (vec![], 1));
    }

    proptest! {
        #[test]
        fn any_cell_ends(cell in "[{}:, a-c0-9é]*") {
            prop_assert!(user_ids(&cell).count() <= cell.len());
        }

        #[test]
        fn what_follows_the_grammar_is_read(ids in prop::collection::vec(("[a-zA-Z]{1,8}", "[0-9A-Za-z.@/_-]{1,12}"), 0..6)) {
            let cell = ids.iter().map(|(kind, id)| format!("{{{kind}:{id}}}")).collect::<Vec<_>>().join(",");
            let wanted: Vec<_> = ids.iter().map(|(kind, id)| (kind.as_str(), id.as_str())).collect();
            prop_assert_eq!(read(&cell), (wanted, 0));
        }
    }
}
