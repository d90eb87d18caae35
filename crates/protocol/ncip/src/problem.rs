//! Refusals, and what they mean for the one who asked.
//!
//! The list of problem types is open and responders write what they like there, ids of patrons included. So a
//! problem prints only names that stand in the tables below; what the responder really wrote is a [`Text`].

use std::fmt;

use crate::Text;

/// What a refusal means for the one who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProblemClass {
    /// Nothing will be answered here until a person has changed something: stop asking.
    ThisTarget,
    /// The same request may succeed later.
    RetryLater,
    /// Several users fit the request.
    NotUnique,
    /// There may be such a user, but it is not shown to us.
    NotVisible,
    /// This request is refused, and will be again; others are not affected.
    ThisRecord,
    /// There is such a user already.
    Duplicate,
    /// There is no such user.
    Missing,
}

use ProblemClass::{Duplicate, Missing, NotUnique, NotVisible, RetryLater, ThisRecord, ThisTarget};

/// The types that are known. Compared by letters and digits alone, without regard to case.
const TYPES: &[(&str, ProblemClass)] = &[
    ("Unknown User", Missing),
    ("Unkown User", Missing), // Koha's server spells it so.
    ("User Not Found", Missing),
    ("Duplicate User", Duplicate),
    ("User Already Exists", Duplicate),
    ("Non-Unique User", NotUnique),
    ("User Access Denied", NotVisible),
    ("Temporary Processing Failure", RetryLater),
    ("Resource Cannot Be Provided", RetryLater),
    ("Agency Authentication Failed", ThisTarget),
    ("System Authentication Failed", ThisTarget),
    ("Unauthorized Combination Of Element Values For Agency", ThisTarget),
    ("Unauthorized Combination Of Element Values For System", ThisTarget),
    ("Unauthorized Service For Agency", ThisTarget),
    ("Unauthorized Service For System", ThisTarget),
    ("Unknown Agency", ThisTarget),
    ("Unknown System", ThisTarget),
    ("Unsupported Service", ThisTarget),
    ("Unknown Service", ThisTarget),
    ("Unknown Scheme", ThisTarget),
    ("Missing Version", ThisTarget),
    ("Protocol Error", ThisTarget),
    ("Invalid Message Syntax Error", ThisRecord),
    ("Needed Data Missing", ThisRecord),
    ("Invalid Amount", ThisRecord),
    ("Invalid Date", ThisRecord),
    ("Unknown Element", ThisRecord),
    ("Unknown Value From Known Scheme", ThisRecord),
    ("Element Rule Violated", ThisRecord),
    ("User Authentication Failed", ThisRecord),
    ("User Blocked", ThisRecord),
    ("User Ineligible To Check Out This Item", ThisRecord),
    ("Duplicate Field", ThisRecord),
    ("Nonexistent Field", ThisRecord),
];

/// The types that say that a service is not to be had, by anybody or by us.
const SERVICE_DENIED: &[&str] = &[
    "Unsupported Service",
    "Unknown Service",
    "Unauthorized Service For Agency",
    "Unauthorized Service For System",
];

/// Elements that a refusal may name. Anything else there may be free text and is not printed.
const ELEMENTS: &[&str] = &[
    "AgencyId",
    "AgencyUserPrivilegeType",
    "AuthenticationDataFormatType",
    "AuthenticationInput",
    "AuthenticationInputData",
    "AuthenticationInputType",
    "BlockOrTrap",
    "BlockOrTrapType",
    "CareOf",
    "Country",
    "DateOfBirth",
    "ElectronicAddress",
    "ElectronicAddressData",
    "ElectronicAddressType",
    "FromAgencyAuthentication",
    "FromAgencyId",
    "FromSystemAuthentication",
    "FromSystemId",
    "GivenName",
    "InitiationHeader",
    "Initials",
    "Line1",
    "Line2",
    "Locality",
    "NameInformation",
    "NCIPMessage",
    "Password",
    "PersonalNameInformation",
    "PhysicalAddress",
    "PhysicalAddressType",
    "PIN",
    "PostalCode",
    "Prefix",
    "Region",
    "StructuredAddress",
    "StructuredPersonalUserName",
    "Suffix",
    "Surname",
    "ToAgencyId",
    "ToSystemId",
    "UnstructuredPersonalUserName",
    "User",
    "UserAddressInformation",
    "UserAddressRoleType",
    "UserElementType",
    "UserId",
    "UserIdentifierType",
    "UserIdentifierValue",
    "UserLanguage",
    "UserPrivilege",
    "UserPrivilegeStatus",
    "UserPrivilegeStatusType",
    "ValidFromDate",
    "ValidToDate",
    "AddUserFields",
    "DeleteUserFields",
];

/// One refusal, as the responder wrote it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// `ProblemType`: a name from a list, in theory.
    pub kind: Text,
    /// `ProblemDetail`: free text.
    pub detail: Option<Text>,
    /// `ProblemElement`: the name or the path of an element, in theory.
    pub element: Option<Text>,
    /// `ProblemValue`: the value that was refused; one responder echoes the patron's PIN here.
    pub value: Option<Text>,
}

impl Problem {
    /// The type as the tables spell it, or `None` where it is not in them.
    pub fn known_kind(&self) -> Option<&'static str> {
        known(&self.kind).map(|&(name, _)| name)
    }

    /// Whether the responder says that it does not offer the service, rather than that something is wrong with the sender.
    pub fn denies_service(&self) -> bool {
        self.known_kind().is_some_and(|kind| SERVICE_DENIED.contains(&kind))
    }

    /// The innermost element named by the refusal, if it is one of the standard's. It may be printed.
    pub fn known_element(&self) -> Option<&'static str> {
        let path = self.element.as_ref()?.reveal();
        let last = path.trim().trim_end_matches('/').rsplit('/').next()?;
        let last = key(last.rsplit(':').next()?);
        ELEMENTS.iter().copied().find(|name| key(name) == last)
    }
}

/// Only what stands in the tables; never the responder's own words.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.known_kind().unwrap_or("a problem type that is not in the tables"))?;
        if let Some(element) = self.known_element() {
            write!(f, " (at {element})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({self})")
    }
}

/// All refusals of one answer; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The first one.
    pub first: Problem,
    /// The others.
    pub rest: Vec<Problem>,
}

impl Problems {
    /// All of them, in the responder's order.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

/// The problems' names, in the responder's order.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// What problem types mean: the standard's, and what a library adds for its own ILS.
#[derive(Debug, Clone, Default)]
pub struct ProblemTable {
    additions: Vec<Addition>,
}

/// What a library says of its own ILS.
#[derive(Debug, Clone)]
struct Addition {
    key: String,
    begins: bool,
    class: ProblemClass,
}

impl ProblemTable {
    /// A table with additions, which win over what is built in, the first that fits above all. One that ends in `*` fits
    /// every type that begins so: some responders write the number of the user behind it.
    pub fn with(additions: impl IntoIterator<Item = (String, ProblemClass)>) -> Self {
        let addition = |(name, class): (String, ProblemClass)| Addition {
            key: key(&name),
            begins: name.trim_end().ends_with('*'),
            class,
        };
        Self { additions: additions.into_iter().map(addition).filter(|a| !a.key.is_empty()).collect() }
    }

    /// What one problem means. A type that is not in the tables concerns this record alone.
    pub fn class(&self, problem: &Problem) -> ProblemClass {
        let wanted = key(problem.kind.reveal());
        self.additions
            .iter()
            .find(|a| if a.begins { wanted.starts_with(&a.key) } else { wanted == a.key })
            .map(|addition| addition.class)
            .or_else(|| known(&problem.kind).map(|&(_, class)| class))
            .unwrap_or(ThisRecord)
    }

    /// What all problems of an answer mean together: the gravest. So "missing" is believed only where nothing else
    /// is the matter.
    pub fn class_of_all(&self, problems: &Problems) -> ProblemClass {
        problems.iter().map(|problem| self.class(problem)).min().unwrap_or(ThisRecord)
    }
}

fn known(kind: &Text) -> Option<&'static (&'static str, ProblemClass)> {
    let wanted = key(kind.reveal());
    TYPES.iter().find(|(name, _)| key(name) == wanted)
}

/// Letters and digits in lower case: responders differ in case, spaces, hyphens and line ends.
fn key(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str) -> Problem {
        Problem { kind: kind.into(), ..Problem::default() }
    }

    #[test]
    fn types_are_classified_whatever_their_spelling() {
        let table = ProblemTable::default();
        let cases = [
            ("Unknown User", Missing),
            ("\n  unknown   USER ", Missing),
            ("Unkown User", Missing),
            ("UnknownUser", Missing),
            ("Duplicate User", Duplicate),
            ("Non-Unique User", NotUnique),
            ("non unique user", NotUnique),
            ("User Access Denied", NotVisible),
            ("Temporary Processing Failure", RetryLater),
            ("Unsupported Service", ThisTarget),
            ("Agency Authentication Failed", ThisTarget),
            ("Unauthorized Service For Agency", ThisTarget),
            ("Needed Data Missing", ThisRecord),
            ("User Authentication Failed", ThisRecord),
            ("PATRON_NOT_FOUND : 123456", ThisRecord),
            ("", ThisRecord),
        ];
        for (kind, wanted) in cases {
            assert_eq!(table.class(&problem(kind)), wanted, "{kind:?}");
        }
    }

    #[test]
    fn a_denied_service_is_told_from_a_stranger_at_the_door() {
        for (kind, wanted) in [
            ("unsupported service", true),
            ("Unauthorized Service For Agency", true),
            ("Unknown Agency", false),
            ("System Authentication Failed", false),
            ("Unknown User", false),
        ] {
            assert_eq!(problem(kind).denies_service(), wanted, "{kind}");
        }
    }

    #[test]
    fn a_library_may_add_to_the_table() {
        let table = ProblemTable::with([
            ("Patron Not Found".to_owned(), Missing),
            ("Unknown Agency".to_owned(), RetryLater),
            ("NO_SUCH_CARD: *".to_owned(), Missing),
            (" * ".to_owned(), ThisTarget),
        ]);
        assert_eq!(table.class(&problem("no such card : 20001")), Missing);
        assert_eq!(table.class(&problem("there is no such card")), ThisRecord);
        assert_eq!(table.class(&problem("PATRON_NOT_FOUND")), Missing);
        assert_eq!(table.class(&problem("unknown agency")), RetryLater);
    }

    #[test]
    fn missing_is_believed_only_where_nothing_else_is_the_matter() {
        let table = ProblemTable::default();
        let two = |a: &str, b: &str| Problems { first: problem(a), rest: vec![problem(b)] };
        assert_eq!(table.class_of_all(&two("Unknown User", "Unkown User")), Missing);
        assert_eq!(table.class_of_all(&two("Unknown User", "Temporary Processing Failure")), RetryLater);
        assert_eq!(table.class_of_all(&two("Unknown User", "Something odd")), ThisRecord);
        assert_eq!(table.class_of_all(&two("Duplicate User", "Unknown Agency")), ThisTarget);
    }

    #[test]
    fn a_problem_prints_only_what_is_in_the_tables() {
        let leaky = Problem {
            kind: "PATRON_NOT_FOUND : 20001000123456".into(),
            detail: Some("Zoe Marsh, PIN 4711".into()),
            element: Some("java.lang.NullPointerException at Zoe".into()),
            value: Some("4711".into()),
        };
        for shown in [format!("{leaky}"), format!("{leaky:?}")] {
            for secret in ["20001000123456", "Zoe", "4711", "java"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        let plain = Problem {
            kind: "unknown value from known scheme".into(),
            element: Some("ncip:UserPrivilege/ncip:AgencyUserPrivilegeType".into()),
            ..Problem::default()
        };
        assert_eq!(plain.to_string(), "Unknown Value From Known Scheme (at AgencyUserPrivilegeType)");
    }
}
