//! "Did you mean": the known word that a mistyped one most likely stands for.
//! It only ever answers with a word that was known before, never with the text that was typed.

/// The known word nearest to `typed`, if one is near enough to be worth offering.
///
/// Case, hyphens and underscores are not counted as differences, and two letters that changed places count once.
#[must_use]
pub fn nearest<'w>(typed: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let typed = plain(typed);
    // Past this length it is not a mistyped word, and comparing would cost more than it could tell.
    if typed.is_empty() || typed.chars().count() > 60 {
        return None;
    }
    let allowed = typed.chars().count().div_ceil(3);
    known
        .into_iter()
        .map(|word| {
            let candidate = plain(word);
            let distance = strsim::damerau_levenshtein(&typed, &candidate);
            // `connection` for `connections`, `host` for `hostname`: a beginning is as good as one letter wrong.
            let prefix = typed.len() >= 3 && (candidate.starts_with(&typed) || typed.starts_with(&candidate));
            (if prefix { distance.min(1) } else { distance }, word)
        })
        .filter(|(distance, word)| *distance <= allowed && *distance < word.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `random`, `birth_date` or `none`: the words of a list, as a sentence names them.
#[must_use]
pub fn listed<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_the_word_that_was_meant_and_nothing_far_off() {
        let known = ["category", "number", "expires", "model", "connections", "oneroster_csv"];
        for (typed, meant) in [
            ("categroy", Some("category")),
            ("Category", Some("category")),
            ("expiry", Some("expires")),
            ("connection", Some("connections")),
            ("oneroster-csv", Some("oneroster_csv")),
            ("oneroster", Some("oneroster_csv")),
            ("zzz", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
        assert_eq!(nearest(&"e".repeat(10_000), known), None);
    }

    #[test]
    fn lists_words_as_a_sentence_does() {
        assert_eq!(listed([]), "");
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
