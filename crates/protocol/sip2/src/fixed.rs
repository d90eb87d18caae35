//! Fixed fields: their widths and what they may say. Lenient where servers are (blank counts, padded numbers), strict
//! where one character too few would shift everything behind it.

use std::fmt;

/// A fixed field of a message.
pub(crate) trait Fixed: Sized {
    /// How many bytes it takes.
    const WIDTH: usize;
    /// Reads exactly [`Self::WIDTH`] bytes.
    fn read(bytes: &[u8]) -> Option<Self>;
    /// Appends exactly [`Self::WIDTH`] bytes.
    fn write(&self, out: &mut Vec<u8>);
}

/// A number of so many digits, or blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Number<const WIDTH: usize>(Option<u16>);

impl<const WIDTH: usize> Number<WIDTH> {
    const MOST: u16 = if WIDTH >= 4 { 9_999 } else { 10_u16.pow(WIDTH as u32) - 1 };

    /// Blanks: nothing is said.
    #[must_use]
    pub const fn blank() -> Self {
        Self(None)
    }

    /// A number; what has too many digits becomes the largest that fits.
    #[must_use]
    pub fn new(number: u16) -> Self {
        Self(Some(number.min(Self::MOST)))
    }

    /// The number; none for blanks.
    #[must_use]
    pub fn get(self) -> Option<u16> {
        self.0
    }
}

impl<const WIDTH: usize> Fixed for Number<WIDTH> {
    const WIDTH: usize = WIDTH;

    fn read(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.trim_ascii();
        if digits.is_empty() {
            return Some(Self(None));
        }
        let number = digits.iter().try_fold(0_u16, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0'))
        });
        number.map(|number| Self(Some(number)))
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self.0 {
            None => out.resize(out.len() + WIDTH, b' '),
            Some(number) => out.extend_from_slice(format!("{number:0WIDTH$}").as_bytes()),
        }
    }
}

/// Y or N. A blank is read as N.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct YesNo(pub bool);

impl Fixed for YesNo {
    const WIDTH: usize = 1;

    fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'Y' | b'y'] => Some(Self(true)),
            [b'N' | b'n' | b' '] => Some(Self(false)),
            _ => None,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(if self.0 { b'Y' } else { b'N' });
    }
}

/// 1 or 0, as a login's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct OneZero(pub bool);

impl Fixed for OneZero {
    const WIDTH: usize = 1;

    fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'1'] => Some(Self(true)),
            [b'0'] => Some(Self(false)),
            _ => None,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(if self.0 { b'1' } else { b'0' });
    }
}

/// So many printable ASCII characters that are kept as they are: versions, flags, summaries, status codes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chars<const WIDTH: usize>([u8; WIDTH]);

impl<const WIDTH: usize> Chars<WIDTH> {
    /// All blanks.
    pub const BLANK: Self = Self([b' '; WIDTH]);

    /// Characters; none where one is not printable ASCII.
    #[must_use]
    pub fn new(characters: [u8; WIDTH]) -> Option<Self> {
        characters.iter().all(|c| (b' '..=b'~').contains(c)).then_some(Self(characters))
    }

    /// The characters.
    #[must_use]
    pub fn get(self) -> [u8; WIDTH] {
        self.0
    }
}

impl<const WIDTH: usize> fmt::Debug for Chars<WIDTH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl<const WIDTH: usize> Fixed for Chars<WIDTH> {
    const WIDTH: usize = WIDTH;

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::new(bytes.try_into().ok()?)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// What is asked for in a 63: blank for none of the lists, which is all that a look-up needs.
pub type Summary = Chars<10>;

/// The edition of the protocol, such as `2.00`.
pub type Version = Chars<4>;

impl Version {
    /// SIP 2.00.
    pub const V2_00: Self = Self(*b"2.00");

    /// Whether it is any 2.x.
    #[must_use]
    pub fn is_two(self) -> bool {
        self.0.starts_with(b"2.")
    }
}

/// One of the fourteen flags of a patron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatronFlag {
    /// May not borrow.
    ChargeDenied = 0,
    /// May not renew.
    RenewalDenied = 1,
    /// May not recall.
    RecallDenied = 2,
    /// May not place holds.
    HoldDenied = 3,
    /// The card was reported lost.
    CardLost = 4,
    /// Too many items out.
    TooManyCharged = 5,
    /// Too many items overdue.
    TooManyOverdue = 6,
    /// Too many renewals.
    TooManyRenewals = 7,
    /// Too many items said to have been returned.
    TooManyClaims = 8,
    /// Too many items lost.
    TooManyLost = 9,
    /// Too much owed in fines.
    ExcessiveFines = 10,
    /// Too much owed in fees.
    ExcessiveFees = 11,
    /// A recalled item is overdue.
    RecallOverdue = 12,
    /// Too many items billed.
    TooManyBilled = 13,
}

impl PatronFlag {
    /// All of them, in the order of the message.
    pub const ALL: [Self; 14] = [
        Self::ChargeDenied,
        Self::RenewalDenied,
        Self::RecallDenied,
        Self::HoldDenied,
        Self::CardLost,
        Self::TooManyCharged,
        Self::TooManyOverdue,
        Self::TooManyRenewals,
        Self::TooManyClaims,
        Self::TooManyLost,
        Self::ExcessiveFines,
        Self::ExcessiveFees,
        Self::RecallOverdue,
        Self::TooManyBilled,
    ];
    /// The four that a block by SIP2 sets.
    pub const PRIVILEGES: [Self; 4] =
        [Self::ChargeDenied, Self::RenewalDenied, Self::RecallDenied, Self::HoldDenied];
}

/// A patron's fourteen flags.
pub type PatronFlags = Chars<14>;

impl PatronFlags {
    /// Whether a flag is set: anything but a blank, an N or a 0, because some servers write N where SIP 2.00 says blank.
    #[must_use]
    pub fn is_set(self, flag: PatronFlag) -> bool {
        self.0.get(flag as usize).is_some_and(|c| !matches!(c, b' ' | b'N' | b'n' | b'0'))
    }

    /// The flags with this one set.
    #[must_use]
    pub fn with(mut self, flag: PatronFlag) -> Self {
        if let Some(place) = self.0.get_mut(flag as usize) {
            *place = b'Y';
        }
        self
    }

    /// Those that are set.
    pub fn set(self) -> impl Iterator<Item = PatronFlag> {
        PatronFlag::ALL.into_iter().filter(move |flag| self.is_set(*flag))
    }
}

/// How a time says its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Zone {
    /// Four blanks: the server's local time.
    #[default]
    Local,
    /// Three blanks and Z.
    Utc,
    /// Anything else that is printable, kept as it came; some servers write 0000.
    Written(Chars<4>),
}

/// A date and time of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    digits: [u8; 14],
    zone: Zone,
}

impl Stamp {
    /// A date and time; none where a part is out of its range. A second may be 60.
    #[must_use]
    pub fn new(date: (u16, u8, u8), time: (u8, u8, u8), zone: Zone) -> Option<Self> {
        let text = format!("{:04}{:02}{:02}{:02}{:02}{:02}", date.0, date.1, date.2, time.0, time.1, time.2);
        Self::of(text.as_bytes().try_into().ok()?, zone)
    }

    fn of(digits: [u8; 14], zone: Zone) -> Option<Self> {
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let stamp = Self { digits, zone };
        let in_range = (1..=12).contains(&stamp.two(4))
            && (1..=31).contains(&stamp.two(6))
            && stamp.two(8) < 24
            && stamp.two(10) < 60
            && stamp.two(12) <= 60;
        in_range.then_some(stamp)
    }

    fn two(&self, at: usize) -> u8 {
        let digit = |at: usize| self.digits.get(at).map_or(0, |d| d - b'0');
        digit(at) * 10 + digit(at + 1)
    }

    /// Year, month, day.
    #[must_use]
    pub fn date(&self) -> (u16, u8, u8) {
        (u16::from(self.two(0)) * 100 + u16::from(self.two(2)), self.two(4), self.two(6))
    }

    /// Hour, minute, second.
    #[must_use]
    pub fn time(&self) -> (u8, u8, u8) {
        (self.two(8), self.two(10), self.two(12))
    }

    /// The zone.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.zone
    }
}

impl Fixed for Option<Stamp> {
    const WIDTH: usize = 18;

    fn read(bytes: &[u8]) -> Option<Self> {
        let (date, rest) = bytes.split_first_chunk::<8>()?;
        let (zone, time) = rest.split_first_chunk::<4>()?;
        if bytes.iter().all(|b| *b == b' ') {
            return Some(None);
        }
        let zone = match zone {
            b"    " => Zone::Local,
            b"   Z" => Zone::Utc,
            other => Zone::Written(Chars::new(*other)?),
        };
        let mut digits = [0; 14];
        digits.iter_mut().zip(date.iter().chain(time)).for_each(|(to, from)| *to = *from);
        Stamp::of(digits, zone).map(Some)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Some(stamp) = self else {
            out.resize(out.len() + 18, b' ');
            return;
        };
        let (date, time) = stamp.digits.split_at(8);
        out.extend_from_slice(date);
        match stamp.zone {
            Zone::Local => out.extend_from_slice(b"    "),
            Zone::Utc => out.extend_from_slice(b"   Z"),
            Zone::Written(zone) => zone.write(out),
        }
        out.extend_from_slice(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_servers_write_them() {
        let read = |text: &[u8]| Number::<3>::read(text).map(Number::get);
        assert_eq!(read(b"010"), Some(Some(10)));
        assert_eq!(read(b" 10"), Some(Some(10)));
        assert_eq!(read(b"   "), Some(None));
        assert_eq!(read(b"0A0"), None);
        assert_eq!(Number::<3>::new(5_000).get(), Some(999));
    }

    #[test]
    fn times() {
        type When = Option<Stamp>;
        let read = |text: &[u8]| When::read(text);
        assert_eq!(read(b"20260901    080000").unwrap().unwrap().date(), (2026, 9, 1));
        assert_eq!(read(b"20161021000014:637"), None);
        assert_eq!(
            read(b"201610210000142637").unwrap().unwrap().zone(),
            Zone::Written(Chars::new(*b"0000").unwrap())
        );
        assert_eq!(read(b"20260901   Z235960").unwrap().unwrap().time(), (23, 59, 60));
        assert_eq!(read(b"                  "), Some(None));
        // One character short, and everything would shift.
        assert_eq!(read(b"0260901    0800000"), None);
        assert_eq!(read(b"20261301    080000"), None);
    }

    #[test]
    fn flags_by_position() {
        let flags = PatronFlags::read(b"Y  YYYYYYYYYYY").unwrap();
        assert!(flags.is_set(PatronFlag::ChargeDenied) && !flags.is_set(PatronFlag::RenewalDenied));
        assert_eq!(PatronFlags::read(b"NNNNNNNNNNNNNN").unwrap().set().count(), 0);
        let four = PatronFlag::PRIVILEGES.into_iter().fold(PatronFlags::BLANK, PatronFlags::with);
        assert_eq!(&four.get(), b"YYYY          ");
    }
}
