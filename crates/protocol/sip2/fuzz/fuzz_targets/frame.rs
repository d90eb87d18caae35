//! Any bytes, as what a server sends: no panic, nothing kept past the limit, what is read can be written and read again.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rostercard_sip2::{
    ChecksumRule, Encoding, Framer, Message, Session, SessionConfig, Wire, decode, encode, judge,
};

const LIMIT: usize = 4_096;

fuzz_target!(|bytes: &[u8]| {
    let mut framer = Framer::new(LIMIT);
    let mut rest = bytes;
    let mut frames = vec![bytes.to_vec()];
    while !rest.is_empty() {
        let Ok((taken, frame)) = framer.take(rest) else { break };
        assert!(taken > 0 && framer.capacity() <= LIMIT);
        rest = &rest[taken..];
        frames.extend(frame);
    }
    for encoding in [Encoding::Cp850, Encoding::Utf8] {
        let wire = Wire { encoding, checksum: ChecksumRule::Lenient, frame_limit: LIMIT, ..Wire::default() };
        for frame in &frames {
            match decode(frame, &wire) {
                Ok(decoded) => {
                    if let Message::PatronInformationResponse(answer) = &decoded.message {
                        let _verdict = judge(answer);
                    }
                    if let Ok(written) = encode(&decoded.message, &wire, decoded.trail) {
                        assert_eq!(decode(&written, &wire).map(|d| d.message), Ok(decoded.message));
                    }
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
    if let Ok(mut session) = Session::new(SessionConfig::default(), Duration::ZERO) {
        session.handle_input(bytes, Duration::from_millis(1));
        while session.poll_transmit().is_some() {}
        while session.poll_event().is_some() {}
    }
});
