//! Whether the quotes of a raw record follow RFC 4180 to the letter.
//!
//! A lenient reader makes something of any quotes. That is right for a cell such as `Joe "Ace" Smith`, and wrong
//! where a quote that was never closed swallows the rows after it: whoever suspects that asks here.

/// Whether every quote that opens a cell closes it too, right before a comma or the record's end.
pub(crate) fn is_strict(raw: &[u8]) -> bool {
    let mut rest = raw;
    loop {
        // At the beginning of a cell.
        rest = match rest.first() {
            Some(b'"') => match after_quoted(rest.get(1..).unwrap_or_default()) {
                Some(rest) => rest,
                None => return false,
            },
            _ => {
                let end = rest.iter().position(|b| matches!(b, b',' | b'\r' | b'\n')).unwrap_or(rest.len());
                rest.get(end..).unwrap_or_default()
            }
        };
        match rest.first() {
            Some(b',') => rest = rest.get(1..).unwrap_or_default(),
            Some(b'\r' | b'\n') | None => return true,
            Some(_) => return false,
        }
    }
}

/// What comes after the quote that closes a cell; `None` where it never closes.
fn after_quoted(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let quote = rest.iter().position(|b| *b == b'"')?;
        let after = rest.get(quote + 1..)?;
        match after.first() {
            Some(b'"') => rest = after.get(1..)?,
            _ => return Some(after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_and_not() {
        for good in ["", "a,b\n", "\"a\nb\",c\r\n", "\"a \"\"b\"\" c\",\"\"\n", "a\"b,c\n", ",,\n", "\"\""] {
            assert!(is_strict(good.as_bytes()), "{good:?}");
        }
        for bad in ["\"a", "a,\"b\nc", "\"a\"b,c\n", "\"a\n2,\"b\",c\n", "\""] {
            assert!(!is_strict(bad.as_bytes()), "{bad:?}");
        }
    }
}
