//! Error detection: `AY` and a sequence number, `AZ` and a sum, at the end of a message.
//!
//! The sum is the two's complement of the sixteen-bit sum of every byte up to and including `AZ`. Some servers sum
//! the code points of the decoded text instead, which [`ChecksumRule::Lenient`] takes too.

use crate::encoding::Encoding;

/// Which sums are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChecksumRule {
    /// The sum of bytes, as the specification says.
    Strict,
    /// The sum of bytes or of code points, upper or lower case.
    #[default]
    Lenient,
    /// None is looked at. For servers that send wrong ones.
    Off,
}

/// What stands at the end of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Trail {
    /// Nothing: no error detection.
    #[default]
    None,
    /// A sequence number (0 to 9) and a sum.
    Sequenced(u8),
    /// A sum alone, as requests to resend and resent messages have it.
    SumOnly,
}

/// What stood at the end of a message that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Read {
    pub(crate) trail: Trail,
    /// The sum that was said, and how many bytes it is over.
    pub(crate) sum: Option<(u16, usize)>,
    /// How long the message is without its trail.
    pub(crate) length: usize,
}

/// How a sum was found to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Summed {
    /// There was none, or none was looked at.
    Not,
    /// Over bytes.
    Bytes,
    /// Over code points: against the specification, and taken all the same.
    CodePoints,
}

/// The sum of a message through `AZ`.
#[must_use]
pub fn checksum(through_az: &[u8]) -> u16 {
    let sum = through_az.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    sum.wrapping_neg()
}

/// The same over the code points of the decoded text.
#[must_use]
pub fn checksum_of_code_points(through_az: &[u8], encoding: Encoding) -> u16 {
    let (text, _) = encoding.decode(through_az);
    let low = |letter: char| u16::try_from(u32::from(letter) & 0xFFFF).unwrap_or_default();
    text.chars().fold(0_u16, |sum, letter| sum.wrapping_add(low(letter))).wrapping_neg()
}

/// Appends a trail to a message.
pub(crate) fn append(out: &mut Vec<u8>, trail: Trail) {
    match trail {
        Trail::None => return,
        Trail::Sequenced(number) => {
            out.extend_from_slice(b"AY");
            out.push(b'0' + number % 10);
        }
        Trail::SumOnly => {}
    }
    out.extend_from_slice(b"AZ");
    let sum = checksum(out);
    for shift in [12, 8, 4, 0] {
        let digit = u8::try_from(sum >> shift & 0xF).unwrap_or_default();
        out.push(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 });
    }
}

/// Finds the trail of a message. `AZ` alone counts only at the start of a field, so that no name becomes a sum; `fixed`
/// is where the fixed fields end, where that is known.
pub(crate) fn find(message: &[u8], delimiter: u8, fixed: Option<usize>) -> Read {
    let none = Read { trail: Trail::None, sum: None, length: message.len() };
    let Some((before, sum)) = message.split_last_chunk::<4>() else { return none };
    let Some(before_az) = before.strip_suffix(b"AZ") else { return none };
    let Some(sum) = hexadecimal(sum) else { return none };
    let sum = Some((sum, before.len()));
    if let Some((rest, [b'A', b'Y', digit])) = before_az.split_last_chunk::<3>()
        && digit.is_ascii_digit()
    {
        return Read { trail: Trail::Sequenced(digit - b'0'), sum, length: rest.len() };
    }
    if fixed == Some(before_az.len()) || before_az.last() == Some(&delimiter) {
        return Read { trail: Trail::SumOnly, sum, length: before_az.len() };
    }
    none
}

fn hexadecimal(digits: &[u8; 4]) -> Option<u16> {
    digits.iter().try_fold(0_u16, |sum, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(sum << 4 | u16::try_from(digit).ok()?)
    })
}

/// Whether a sum is right by a rule; none where it is wrong.
pub(crate) fn verify(
    message: &[u8],
    sum: Option<(u16, usize)>,
    rule: ChecksumRule,
    encoding: Encoding,
) -> Option<Summed> {
    let Some((said, length)) = sum.filter(|_| rule != ChecksumRule::Off) else { return Some(Summed::Not) };
    let through_az = message.get(..length)?;
    if checksum(through_az) == said {
        return Some(Summed::Bytes);
    }
    let lenient = rule == ChecksumRule::Lenient && checksum_of_code_points(through_az, encoding) == said;
    lenient.then_some(Summed::CodePoints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_found_and_right() {
        for trail in [Trail::Sequenced(0), Trail::Sequenced(7), Trail::SumOnly, Trail::None] {
            let mut message = b"9900802.00AOX|".to_vec();
            append(&mut message, trail);
            let read = find(&message, b'|', None);
            assert_eq!((read.trail, read.length), (trail, 14));
            assert!(verify(&message, read.sum, ChecksumRule::Strict, Encoding::Cp850).is_some());
        }
    }

    #[test]
    fn a_name_is_no_sum() {
        for message in [&b"64AEMRAZ12AB"[..], b"64AEBAZBEEF", b"AZ1234AE|", b"AZ12"] {
            assert_eq!(find(message, b'|', Some(2)).sum, None);
        }
        assert_eq!(find(b"96AZFEF6", b'|', Some(2)).trail, Trail::SumOnly);
        assert_eq!(find(b"941AY0AZfdfd", b'|', Some(3)).trail, Trail::Sequenced(0));
    }
}
