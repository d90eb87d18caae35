//! Frames of real servers, bent at random: cut, doubled, with other bytes in them. Read without panic, never past the limit,
//! and what is read can be written and read again.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use rostercard_sip2::{
    ChecksumRule, Encoding, Framer, Message, Session, SessionConfig, Wire, decode, encode, judge,
};

const FRAMES: [&[u8]; 9] = [
    b"64YYYY      Y   00120161121    144438000000000000000000000000AO3|AA25891000115879|AEFalk, Jen|BZ0050|BLY|CQY|BV11.50|BD1 A|BE|PX20170424    235959|AFblocks.|AY2AZ0000",
    b"64              000201610210000142637000000000000000000000000AOnypl |AA12345|AELE CARR\xc3\x89, JOHN|BLY|CQY|AY1AZD1B7",
    b"64Y                201610050000114734                        AOnypl |AA12345|AENo Name|BLN|AFnumber cannot be located.|AY1AZC9DE",
    b"98YYYYYY 10 1020260901    0800002.00AOPLS|BXYYYYYYYYYYYYYYYY|AY1AZEE52",
    b"941AY0AZFDFD",
    b"96AZFEF6",
    b"24YYYY          00020260901    080000AOPLS|AAS1|AEAna|BLY|AFBlock feature not implemented|",
    b"36Y201610210000142637AO3|AA25891000331441|AF|AG",
    b"HTTP/1.1 400 Bad Request",
];

/// The same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z ^= z >> 27;
        usize::try_from(z >> 33).unwrap() % sides.max(1)
    }
}

fn bend(dice: &mut Dice, frame: &mut Vec<u8>) {
    let at = dice.roll(frame.len());
    match dice.roll(7) {
        0 => frame.truncate(at),
        1 if !frame.is_empty() => frame[at] = u8::try_from(dice.roll(256)).unwrap(),
        2 if !frame.is_empty() => drop(frame.remove(at)),
        3 => frame.insert(at, *b"|\r\n\0 YAZ0"[dice.roll(9)..].first().unwrap()),
        4 => {
            let other = FRAMES[dice.roll(FRAMES.len())];
            let from = dice.roll(other.len());
            frame.extend_from_slice(&other[from..]);
        }
        5 => frame.extend_from_within(at..),
        _ => frame.splice(at..at, FRAMES[dice.roll(FRAMES.len())].iter().copied().take(12)).for_each(drop),
    }
}

/// How many cases: some always, as many as `SIP2_CASES` says where it is set.
#[expect(clippy::disallowed_methods, reason = "how long a test may take is said from outside")]
fn cases() -> u64 {
    std::env::var("SIP2_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(30_000)
}

#[test]
fn bent_frames_are_read_without_panic_and_never_past_the_limit() {
    const LIMIT: usize = 300;
    let mut dice = Dice(1);
    let (mut read, mut refused) = (0_u64, 0_u64);
    for case in 0..cases() {
        let mut frame = FRAMES[dice.roll(FRAMES.len())].to_vec();
        for _ in 0..=dice.roll(4) {
            bend(&mut dice, &mut frame);
        }
        let checksum = [ChecksumRule::Off, ChecksumRule::Lenient, ChecksumRule::Strict][dice.roll(3)];
        let encoding = [Encoding::Cp850, Encoding::Utf8, Encoding::Latin1, Encoding::Ascii][dice.roll(4)];
        let wire = Wire { checksum, encoding, frame_limit: LIMIT, ..Wire::default() };
        match decode(&frame, &wire) {
            Ok(decoded) => {
                read += 1;
                if let Message::PatronInformationResponse(answer) = &decoded.message {
                    let _verdict = judge(answer);
                }
                if let Ok(written) = encode(&decoded.message, &wire, decoded.trail) {
                    assert_eq!(decode(&written, &wire).unwrap().message, decoded.message, "case {case}");
                }
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
        let mut framer = Framer::new(LIMIT);
        let mut rest = &frame[..];
        while !rest.is_empty() {
            let Ok((taken, _)) = framer.take(rest) else { break };
            assert!(taken > 0 && framer.capacity() <= LIMIT, "case {case}");
            rest = &rest[taken..];
        }
        if case % 8 == 0 {
            let mut session = Session::new(SessionConfig::default(), Duration::ZERO).unwrap();
            session.handle_input(&frame, Duration::from_millis(1));
            while session.poll_transmit().is_some() {}
            while session.poll_event().is_some() {}
        }
    }
    assert!(read > 0 && refused > 0);
    println!("{read} read, {refused} refused");
}
