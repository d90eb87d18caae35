//! The door: tokens are known by their digests, compared in constant time; whoever shows one gets a session that lives in
//! memory alone, for a while. Times and random bytes are passed in.

use std::collections::HashMap;
use std::sync::Arc;

use blake3::Hash;
use jiff::{SignedDuration, Timestamp};

use crate::access::Holder;
use crate::view::Notice;

/// A session that was not used for so long has ended.
const IDLE: SignedDuration = SignedDuration::from_hours(1);
/// More people than this do not look after one library's cards: the oldest session makes room.
const MOST: usize = 500;
/// The shortest token that is taken, in bytes: 16 random ones, written in hexadecimal, are twice that.
pub const SHORTEST_TOKEN: usize = 20;

/// What a cookie opens.
struct Session {
    token: Hash,
    form: String,
    since: Timestamp,
    seen: Timestamp,
    notice: Option<Notice>,
}

/// Somebody who was let in.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The holder of the token.
    pub holder: Arc<Holder>,
    /// What every form has to carry; `None` for whoever showed a token with the request itself, which no other site can.
    pub form: Option<String>,
}

impl Visitor {
    /// Whether what came with a form is what was given with it.
    #[must_use]
    pub fn sent_this(&self, form: Option<&str>) -> bool {
        match (&self.form, form) {
            (None, _) => true,
            (Some(given), Some(came)) => blake3::hash(given.as_bytes()) == blake3::hash(came.as_bytes()),
            (Some(_), None) => false,
        }
    }
}

/// The tokens, and who is inside.
pub struct Door {
    tokens: Vec<(Hash, Arc<Holder>)>,
    sessions: HashMap<Hash, Session>,
    lasts: SignedDuration,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Door({} tokens, {} sessions)", self.tokens.len(), self.sessions.len())
    }
}

impl Default for Door {
    fn default() -> Self {
        Self { tokens: Vec::new(), sessions: HashMap::new(), lasts: SignedDuration::from_hours(8) }
    }
}

impl Door {
    /// Takes these tokens in place of those that it had. Sessions of tokens that are gone end; those of tokens that changed
    /// their role have the new one at once.
    pub fn set(&mut self, tokens: Vec<(Holder, &str)>, lasts: SignedDuration) {
        self.tokens = tokens
            .into_iter()
            .map(|(holder, token)| (blake3::hash(token.as_bytes()), Arc::new(holder)))
            .collect();
        self.lasts = lasts;
        let known: Vec<Hash> = self.tokens.iter().map(|(hash, _)| *hash).collect();
        self.sessions.retain(|_, session| known.contains(&session.token));
    }

    /// Whether there is no token: then nobody gets in.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Who holds a token. Every token is looked at, each in constant time.
    #[must_use]
    pub fn holder(&self, token: &str) -> Option<Arc<Holder>> {
        self.found(token).map(|(_, holder)| holder)
    }

    fn found(&self, token: &str) -> Option<(Hash, Arc<Holder>)> {
        let came = blake3::hash(token.as_bytes());
        let mut found = None;
        for (hash, holder) in &self.tokens {
            if *hash == came {
                found = Some((*hash, holder.clone()));
            }
        }
        found
    }

    /// Lets the holder of a token in: the cookie's value. `random` are bytes that nobody can guess.
    pub fn open(&mut self, token: &str, now: Timestamp, random: &[u8; 64]) -> Option<String> {
        let (token, _) = self.found(token)?;
        self.sessions.retain(|_, session| alive(session, now, self.lasts));
        if self.sessions.len() >= MOST
            && let Some(oldest) = self.sessions.iter().min_by_key(|(_, s)| s.seen).map(|(hash, _)| *hash)
        {
            self.sessions.remove(&oldest);
        }
        let (cookie, form) = random.split_at(32);
        let (cookie, form) = (hex(cookie), hex(form));
        let session = Session { token, form, since: now, seen: now, notice: None };
        self.sessions.insert(blake3::hash(cookie.as_bytes()), session);
        Some(cookie)
    }

    /// Who comes with a cookie.
    pub fn enter(&mut self, cookie: &str, now: Timestamp) -> Option<Visitor> {
        let hash = blake3::hash(cookie.as_bytes());
        let session = self.sessions.get_mut(&hash)?;
        let holder = self.tokens.iter().find(|(token, _)| *token == session.token).map(|(_, h)| h.clone());
        match holder {
            Some(holder) if alive(session, now, self.lasts) => {
                session.seen = session.seen.max(now);
                Some(Visitor { holder, form: Some(session.form.clone()) })
            }
            _ => {
                self.sessions.remove(&hash);
                None
            }
        }
    }

    /// Ends a session.
    pub fn leave(&mut self, cookie: &str) {
        self.sessions.remove(&blake3::hash(cookie.as_bytes()));
    }

    /// Keeps something to be said on the next page.
    pub fn say_next(&mut self, cookie: &str, notice: Notice) {
        if let Some(session) = self.sessions.get_mut(&blake3::hash(cookie.as_bytes())) {
            session.notice = Some(notice);
        }
    }

    /// What was to be said.
    pub fn said(&mut self, cookie: &str) -> Option<Notice> {
        self.sessions.get_mut(&blake3::hash(cookie.as_bytes()))?.notice.take()
    }
}

/// A clock that was set back ends a session too: nobody knows how old it is.
fn alive(session: &Session, now: Timestamp, lasts: SignedDuration) -> bool {
    let (age, idle) = (now.duration_since(session.since), now.duration_since(session.seen));
    age >= SignedDuration::ZERO && age < lasts && idle < IDLE.min(lasts)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use proptest::prelude::*;

    use super::*;
    use crate::access::Role;

    const KIM: &str = "kims-token-of-length-32";
    const LEE: &str = "lees-token-of-length-32";

    fn holder(name: &str, role: Role) -> Holder {
        Holder { name: name.into(), role, partnerships: None }
    }

    fn now() -> Timestamp {
        "2026-11-24T09:00:00Z".parse().unwrap()
    }

    fn door() -> Door {
        let mut door = Door::default();
        let tokens = vec![(holder("kim", Role::Approver), KIM), (holder("lee", Role::Viewer), LEE)];
        door.set(tokens, SignedDuration::from_hours(8));
        door
    }

    #[test]
    fn a_token_opens_and_nothing_else_does() {
        let mut door = door();
        assert!(Door::default().is_shut() && !door.is_shut());
        assert_eq!(door.holder(KIM).unwrap().name, "kim");
        for wrong in ["", "kims-token-of-length-3", "kims-token-of-length-322", "KIMS-TOKEN-OF-LENGTH-32"] {
            assert!(door.holder(wrong).is_none() && door.open(wrong, now(), &[7; 64]).is_none(), "{wrong}");
        }
        let mut random = [7; 64];
        random[63] = 8;
        let cookie = door.open(KIM, now(), &random).unwrap();
        assert_eq!(cookie.len(), 64);
        let visitor = door.enter(&cookie, now()).unwrap();
        assert_eq!(visitor.holder.name, "kim");
        let form = visitor.form.clone().unwrap();
        assert_ne!(form, cookie, "a form that is seen opens no session");
        assert!(visitor.sent_this(Some(&form)));
        assert!(
            !visitor.sent_this(None) && !visitor.sent_this(Some("")) && !visitor.sent_this(Some(&cookie))
        );
        assert!(door.enter(KIM, now()).is_none() && door.enter("", now()).is_none());
        door.leave(&cookie);
        assert!(door.enter(&cookie, now()).is_none());
    }

    #[test]
    fn a_session_ends_by_itself() {
        let hours = |hours: i64| now() + hours.hours();
        let mut door = door();
        let cookie = door.open(KIM, now(), &[1; 64]).unwrap();
        for minutes in (0..8 * 60).step_by(30) {
            assert!(door.enter(&cookie, now() + i64::from(minutes).minutes()).is_some(), "{minutes}");
        }
        assert!(door.enter(&cookie, hours(8)).is_none());
        let idle = door.open(KIM, now(), &[2; 64]).unwrap();
        assert!(door.enter(&idle, hours(1)).is_none());
        let early = door.open(KIM, now(), &[3; 64]).unwrap();
        assert!(door.enter(&early, now() - 1.second()).is_none());
    }

    #[test]
    fn a_token_that_is_taken_away_or_changed_is_so_at_once() {
        let mut door = door();
        let kim = door.open(KIM, now(), &[1; 64]).unwrap();
        let lee = door.open(LEE, now(), &[2; 64]).unwrap();
        door.set(vec![(holder("lee", Role::Administrator), LEE)], SignedDuration::from_hours(8));
        assert!(door.enter(&kim, now()).is_none());
        assert_eq!(door.enter(&lee, now()).unwrap().holder.role, Role::Administrator);
    }

    #[test]
    fn there_are_only_so_many_sessions() {
        let mut door = door();
        let mut random = [0; 64];
        let first = door.open(KIM, now(), &random).unwrap();
        for n in 0..MOST {
            random[..8].copy_from_slice(&(n as u64 + 1).to_le_bytes());
            door.open(KIM, now() + 1.second(), &random).unwrap();
        }
        assert_eq!(door.sessions.len(), MOST);
        assert!(door.enter(&first, now() + 1.second()).is_none());
    }

    #[test]
    fn what_is_to_be_said_is_said_once() {
        let mut door = door();
        let cookie = door.open(KIM, now(), &[1; 64]).unwrap();
        door.say_next(&cookie, Notice::good("Done."));
        assert_eq!(door.said(&cookie).unwrap().text, "Done.");
        assert!(door.said(&cookie).is_none() && door.said("x").is_none());
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_token_or_a_cookie(text in ".{0,80}") {
            let mut door = door();
            let cookie = door.open(KIM, now(), &[9; 64]).unwrap();
            prop_assume!(text != KIM && text != LEE && text != cookie);
            prop_assert!(door.holder(&text).is_none());
            prop_assert!(door.enter(&text, now()).is_none());
        }
    }
}
