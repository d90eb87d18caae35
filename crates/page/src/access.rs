//! Roles: who may do what, and the sentence that refuses it.

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks; small numbers are held back.
    Viewer,
    /// Looks, approves, discards, and answers reviews.
    Approver,
    /// All that, pauses and resumes, and reads the audit log.
    Administrator,
}

impl Role {
    /// The word, as it is in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
            Self::Administrator => "administrator",
        }
    }

    /// With its article, for sentences.
    #[must_use]
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::Viewer => "a viewer",
            Self::Approver => "an approver",
            Self::Administrator => "an administrator",
        }
    }
}

/// Something that can be done on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// To see every number, however small.
    SeeSmallNumbers,
    /// To approve or discard what waits.
    Decide,
    /// To answer a review.
    Answer,
    /// To pause or resume a partnership.
    Pause,
    /// To read the audit log, which is about everybody's partnerships.
    Audit,
}

impl Deed {
    /// Every deed.
    pub const ALL: [Self; 5] = [Self::SeeSmallNumbers, Self::Decide, Self::Answer, Self::Pause, Self::Audit];

    /// The least role that may do it.
    #[must_use]
    pub const fn takes(self) -> Role {
        match self {
            Self::SeeSmallNumbers | Self::Decide | Self::Answer => Role::Approver,
            Self::Pause | Self::Audit => Role::Administrator,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::SeeSmallNumbers => "see small numbers",
            Self::Decide => "approve or discard changes",
            Self::Answer => "answer reviews",
            Self::Pause => "pause or resume a partnership",
            Self::Audit => "read the audit log",
        }
    }
}

/// The holder of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The token's name; the audit log has it.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The partnerships that its holder sees, by name; `None` for all.
    pub partnerships: Option<Vec<String>>,
}

impl Holder {
    /// Whether a partnership is shown to this holder.
    #[must_use]
    pub fn sees(&self, partnership: &str) -> bool {
        self.partnerships.as_ref().is_none_or(|names| names.iter().any(|name| name == partnership))
    }

    /// Whether this holder may do something, about the partnerships that it sees.
    #[must_use]
    pub fn may(&self, deed: Deed) -> bool {
        self.role >= deed.takes() && (deed != Deed::Audit || self.partnerships.is_none())
    }

    /// Why this holder may not, in a sentence; `None` where it may.
    #[must_use]
    pub fn refusal(&self, deed: Deed) -> Option<String> {
        if self.may(deed) {
            return None;
        }
        let what = deed.words();
        Some(if self.role >= deed.takes() {
            format!("The token `{}` is for some partnerships alone, and may not {what}.", self.name)
        } else {
            let (is, takes) = (self.role.with_article(), deed.takes().with_article());
            format!("The token `{}` is {is}'s, and may not {what}: that takes {takes}'s.", self.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(role: Role, partnerships: Option<&[&str]>) -> Holder {
        let partnerships = partnerships.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        Holder { name: "kim".into(), role, partnerships }
    }

    #[test]
    fn each_role_may_what_it_may_and_is_told_what_it_may_not() {
        for (role, may) in [
            (Role::Viewer, [false, false, false, false, false]),
            (Role::Approver, [true, true, true, false, false]),
            (Role::Administrator, [true; 5]),
        ] {
            let found = Deed::ALL.map(|deed| holder(role, None).may(deed));
            assert_eq!(found, may, "{role:?}");
            for deed in Deed::ALL {
                assert_eq!(holder(role, None).refusal(deed).is_none(), holder(role, None).may(deed));
            }
        }
        let said = holder(Role::Viewer, None).refusal(Deed::Decide).unwrap();
        assert_eq!(
            said,
            "The token `kim` is a viewer's, and may not approve or discard changes: that takes an approver's."
        );
    }

    #[test]
    fn a_token_for_some_partnerships_sees_no_other_and_no_audit_log() {
        let some = holder(Role::Administrator, Some(&["oak"]));
        assert!(some.sees("oak") && !some.sees("oak-2") && !some.sees(""));
        assert!(some.may(Deed::Pause) && !some.may(Deed::Audit));
        assert!(some.refusal(Deed::Audit).unwrap().contains("some partnerships alone"));
        assert!(holder(Role::Viewer, None).sees("anything"));
        assert!(!holder(Role::Viewer, Some(&[])).sees("oak"));
    }
}
