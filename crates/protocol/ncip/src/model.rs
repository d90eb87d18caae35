//! The patron messages and their parts, without any spelling: what is said, not how it looks.
//!
//! Where the standard has a choice, there is an enum, so that a message that the schema forbids cannot be made.
//! Codes (agencies, types, roles) are plain strings; everything that may tell who a patron is, is a [`Text`].

use crate::{Date, Text};

/// A service of the standard, named by its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Finds one user.
    LookupUser,
    /// Makes one user.
    CreateUser,
    /// Changes one user.
    UpdateUser,
}

impl Service {
    /// The name of the request's element.
    pub fn name(self) -> &'static str {
        match self {
            Self::LookupUser => "LookupUser",
            Self::CreateUser => "CreateUser",
            Self::UpdateUser => "UpdateUser",
        }
    }

    /// The name of the response's element.
    pub fn response_name(self) -> &'static str {
        match self {
            Self::LookupUser => "LookupUserResponse",
            Self::CreateUser => "CreateUserResponse",
            Self::UpdateUser => "UpdateUserResponse",
        }
    }
}

/// Who asks whom: the `InitiationHeader`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The asking system, where the responder wants to know.
    pub from_system: Option<String>,
    /// The asking system's password.
    pub from_system_authentication: Option<Text>,
    /// The asking agency.
    pub from_agency: String,
    /// The asking agency's password.
    pub from_agency_authentication: Option<Text>,
    /// The agency that is asked: the library, or its branch.
    pub to_agency: String,
    /// A profile agreed between the two (Alma: the partner's code).
    pub application_profile: Option<String>,
}

impl Header {
    /// A header with the two agencies only.
    pub fn new(from_agency: impl Into<String>, to_agency: impl Into<String>) -> Self {
        Self {
            from_system: None,
            from_system_authentication: None,
            from_agency: from_agency.into(),
            from_agency_authentication: None,
            to_agency: to_agency.into(),
            application_profile: None,
        }
    }
}

/// A request of any service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Find one user.
    LookupUser(LookupUser),
    /// Make one user.
    CreateUser(CreateUser),
    /// Change one user.
    UpdateUser(UpdateUser),
}

impl Request {
    /// The service that this asks for.
    pub fn service(&self) -> Service {
        match self {
            Self::LookupUser(_) => Service::LookupUser,
            Self::CreateUser(_) => Service::CreateUser,
            Self::UpdateUser(_) => Service::UpdateUser,
        }
    }
}

/// Find one user, and say which of its elements are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupUser {
    /// The user.
    pub who: Who,
    /// What the answer should hold; nothing asked, nothing but the id is answered.
    pub elements: Vec<UserElement>,
}

/// Make one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateUser {
    /// The number that the user is to have, or `None` where the ILS numbers its users itself.
    pub who: Option<Who>,
    /// The name, which the schema demands.
    pub name: UserName,
    /// All the rest. `fields.name`, `fields.authentication` and `fields.user_ids` must be empty: the first two have
    /// their own places in this message, and the last has none.
    pub fields: Fields,
}

/// Change one user: what is to go, then what is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateUser {
    /// The user.
    pub who: Who,
    /// Exact old values that are to go. Sent first, as the schema has it.
    pub delete: Fields,
    /// New values. A name or a birth date replaces the one that is there.
    pub add: Fields,
}

/// How a user is named in a request. The schema allows an id or authentication inputs, never both: a create that
/// carries a PIN names the user by a `Barcode Id` input beside the `PIN` one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// By `UserId`.
    Id(UserId),
    /// By `AuthenticationInput`, one or more.
    Authentication(Vec<AuthenticationInput>),
}

/// A number of a user at an agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserId {
    /// The agency that gave it.
    pub agency: Option<String>,
    /// Its kind: `Barcode`, `Institution Id Number`, or a responder's own.
    pub kind: Option<String>,
    /// The number.
    pub value: Text,
}

impl UserId {
    /// The kind of a barcode.
    pub const BARCODE: &'static str = "Barcode";
    /// The kind of an institution's own number, such as a student number.
    pub const INSTITUTION_ID: &'static str = "Institution Id Number";

    /// A barcode at an agency.
    pub fn barcode(agency: impl Into<String>, value: impl Into<Text>) -> Self {
        Self { agency: Some(agency.into()), kind: Some(Self::BARCODE.to_owned()), value: value.into() }
    }
}

/// Something that a user proves itself with, or is named by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationInput {
    /// Its kind: `PIN`, `Barcode Id`, `Password`...
    pub kind: String,
    /// The media type of the data, `text/plain` as a rule.
    pub format: String,
    /// The data.
    pub data: Text,
}

impl AuthenticationInput {
    /// The kind of a PIN.
    pub const PIN: &'static str = "PIN";
    /// The kind of a barcode.
    pub const BARCODE: &'static str = "Barcode Id";

    /// A PIN.
    pub fn pin(data: impl Into<Text>) -> Self {
        Self { kind: Self::PIN.to_owned(), format: "text/plain".to_owned(), data: data.into() }
    }

    /// A barcode.
    pub fn barcode(data: impl Into<Text>) -> Self {
        Self { kind: Self::BARCODE.to_owned(), format: "text/plain".to_owned(), data: data.into() }
    }
}

/// What a look-up may ask for: the values of `UserElementType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserElement {
    /// What the user proves itself with. Never asked for by [`UserElement::ALL`].
    AuthenticationInput,
    /// Blocks.
    BlockOrTrap,
    /// The birth date.
    DateOfBirth,
    /// The name.
    NameInformation,
    /// Postal and electronic addresses.
    UserAddressInformation,
    /// Languages.
    UserLanguage,
    /// Privileges: patron category, branch, expiry.
    UserPrivilege,
    /// Other numbers of the user.
    UserId,
    /// Numbers that the user had before.
    PreviousUserId,
}

impl UserElement {
    /// Everything that is of use and not a secret.
    pub const ALL: [Self; 7] = [
        Self::NameInformation,
        Self::UserAddressInformation,
        Self::DateOfBirth,
        Self::UserLanguage,
        Self::UserPrivilege,
        Self::BlockOrTrap,
        Self::UserId,
    ];

    /// The value as the standard's list spells it.
    pub fn spaced(self) -> &'static str {
        match self {
            Self::AuthenticationInput => "Authentication Input",
            Self::BlockOrTrap => "Block Or Trap",
            Self::DateOfBirth => "Date Of Birth",
            Self::NameInformation => "Name Information",
            Self::UserAddressInformation => "User Address Information",
            Self::UserLanguage => "User Language",
            Self::UserPrivilege => "User Privilege",
            Self::UserId => "User Id",
            Self::PreviousUserId => "Previous User Id",
        }
    }
}

/// What an ILS keeps about a user beyond its number; also what an update takes away and adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// PINs and the like; sent in an update only, and never kept from an answer.
    pub authentication: Vec<AuthenticationInput>,
    /// The name.
    pub name: Option<UserName>,
    /// Postal and electronic addresses.
    pub addresses: Vec<Address>,
    /// The birth date.
    pub birth_date: Option<Date>,
    /// Languages, ISO 639-2.
    pub languages: Vec<String>,
    /// Privileges.
    pub privileges: Vec<Privilege>,
    /// Blocks.
    pub blocks: Vec<Block>,
    /// Other numbers; in answers only, no request has a place for them.
    pub user_ids: Vec<UserId>,
}

impl Fields {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A person's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserName {
    /// In parts.
    Structured(StructuredName),
    /// In one piece, as the responder prints it. Which part is the surname is not known.
    Unstructured(Text),
}

/// A name in parts. Only the surname must be there; a middle name travels whole as `Initials`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StructuredName {
    /// Such as a title.
    pub prefix: Option<Text>,
    /// The given name.
    pub given: Option<Text>,
    /// Initials, or the middle name.
    pub initials: Option<Text>,
    /// The surname.
    pub surname: Text,
    /// Such as "Jr".
    pub suffix: Option<Text>,
}

/// An address with its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What it is for: `Home`, `Notice`, `Multi-Purpose`...
    pub role: String,
    /// Where it leads.
    pub place: Place,
}

/// Where an address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A postal address in parts. `kind` is `Postal Address` or `Street Address`.
    Postal {
        /// The `PhysicalAddressType`.
        kind: String,
        /// The parts.
        address: PostalAddress,
    },
    /// A postal address in one piece.
    PostalText {
        /// The `PhysicalAddressType`.
        kind: String,
        /// The `UnstructuredAddressType`, which says how lines end.
        format: String,
        /// The piece.
        data: Text,
    },
    /// E-mail (`mailto`), telephone (`tel`), and so on: `kind` is the name of a URI scheme.
    Electronic {
        /// The `ElectronicAddressType`.
        kind: String,
        /// The address, without the scheme.
        data: Text,
    },
}

/// A postal address in parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostalAddress {
    /// House and street, or the first line. Sent as `Line1`, empty where there is none; also read from `Street`.
    pub line1: Option<Text>,
    /// The second line. Also read from `PostOfficeBox`.
    pub line2: Option<Text>,
    /// The town.
    pub locality: Option<Text>,
    /// The state.
    pub region: Option<Text>,
    /// The country.
    pub country: Option<Text>,
    /// The ZIP.
    pub postal_code: Option<Text>,
    /// In whose care.
    pub care_of: Option<Text>,
}

impl PostalAddress {
    /// How lines end in [`PostalAddress::in_one_piece`]: the `UnstructuredAddressType`.
    pub const IN_LINES: &'static str = "Newline-Delimited Text";

    /// The address in one piece: a line each for care, street, second line, town with state and ZIP, and country.
    pub fn in_one_piece(&self) -> Text {
        let part = |text: &Option<Text>| text.as_ref().map_or("", Text::reveal).trim().to_owned();
        let town = match (part(&self.locality), part(&self.region)) {
            (town, state) if town.is_empty() || state.is_empty() => town + &state,
            (town, state) => format!("{town}, {state}"),
        };
        let town = [town, part(&self.postal_code)].join(" ").trim().to_owned();
        let lines = [part(&self.care_of), part(&self.line1), part(&self.line2), town, part(&self.country)];
        lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n").into()
    }
}

/// What a user may do at an agency; how it carries category, branch and expiry is each responder's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Privilege {
    /// The agency.
    pub agency: String,
    /// `AgencyUserPrivilegeType`: the agency's own code.
    pub kind: String,
    /// From when.
    pub valid_from: Option<Date>,
    /// Until when, that day included.
    pub valid_to: Option<Date>,
    /// `UserPrivilegeStatusType`.
    pub status: Option<String>,
    /// Free text.
    pub description: Option<Text>,
}

/// A block or a trap on a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The agency that set it.
    pub agency: String,
    /// Its kind, such as `Block Check Out`.
    pub kind: String,
}

/// What an answer says of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The user's number, as the responder echoed it. `None` where the element was there and empty, as Evergreen's is:
    /// the one who asked must then compare something else.
    pub id: Option<UserId>,
    /// The rest, as far as it was asked for and is known.
    pub fields: Fields,
    /// Names of elements that were there and could not be understood, such as a date that the calendar does not have.
    pub unreadable: Vec<&'static str>,
}
