//! How one responder wants its messages spelt. The model is one; the spellings are many.

/// Which NCIP is spoken. 2.0, 2.01 and 2.02 are the same for every patron message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// NCIP 1.0, by its DTD: no namespace, a scheme and a value where 2 has an attribute and a text. 1.01 is the same.
    V1,
    /// NCIP 2.0, 2.01 or 2.02; the URI says which.
    #[default]
    V2,
}

/// How a postal address in parts is written. All three are valid; responders read one or two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressForm {
    /// `StructuredAddress` with `Line1` and `Line2`.
    #[default]
    Lines,
    /// `StructuredAddress` with `Street`; the second line is the `LocationWithinBuilding`.
    Street,
    /// `UnstructuredAddress`: one text, a line for street, second line, and town with state and ZIP.
    Text,
}

/// How the names of elements and attributes are qualified. Of no meaning in NCIP 1, which has no namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// `<ncip:NCIPMessage ncip:version=...>`: valid against the schema. Koha's servers answer it with an HTML page.
    #[default]
    Prefixed,
    /// `<NCIPMessage xmlns=... ncip:version=...>`: valid against the schema, and taken by every server that was tried.
    DefaultNamespace,
    /// `<NCIPMessage xmlns=... version=...>`: what most software sends, and not valid. Only where a responder insists.
    UnqualifiedVersion,
}

/// How the values of `UserElementType` are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ElementSpelling {
    /// `Name Information`, as in the standard's scheme.
    #[default]
    Spaced,
    /// `NameInformation`, as some servers compare it.
    Joined,
}

/// The spellings that one responder takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// Which NCIP is spoken.
    pub version: Version,
    /// The value of the `version` attribute.
    pub version_uri: String,
    /// How names are qualified.
    pub style: Style,
    /// Whether schemes are sent. Evergreen's server breaks on them; the XC toolkit wants them. NCIP 1 always has the
    /// element, which is then empty.
    pub send_schemes: bool,
    /// How `UserElementType` values are written.
    pub elements: ElementSpelling,
    /// The scheme of agency codes, where the responder has one of its own.
    pub agency_scheme: Option<String>,
    /// The scheme of `AgencyUserPrivilegeType`, which is each agency's own list.
    pub privilege_scheme: Option<String>,
    /// Whether an NCIP 1 message begins with its DOCTYPE. Some responders try to fetch what it names, and fail.
    pub doctype: bool,
    /// How a postal address in parts is written.
    pub address: AddressForm,
}

impl Dialect {
    /// The version URI of NCIP 1.0: that of its DTD.
    pub const V1_0: &'static str = "http://www.niso.org/ncip/v1_0/imp1/dtd/ncip_v1_0.dtd";
    /// The version URI of NCIP 2.0.
    pub const V2_0: &'static str = "http://www.niso.org/schemas/ncip/v2_0/ncip_v2_0.xsd";
    /// The version URI of NCIP 2.01.
    pub const V2_01: &'static str = "http://www.niso.org/schemas/ncip/v2_01/ncip_v2_01.xsd";
    /// The version URI of NCIP 2.02, which most software sends.
    pub const V2_02: &'static str = "http://www.niso.org/schemas/ncip/v2_02/ncip_v2_02.xsd";

    /// NCIP 1.0, valid by its DTD: with schemes, without a DOCTYPE.
    #[must_use]
    pub fn v1() -> Self {
        Self { version: Version::V1, version_uri: Self::V1_0.to_owned(), ..Self::default() }
    }
}

impl Default for Dialect {
    /// Prefixed, with schemes: as the standard has it.
    fn default() -> Self {
        Self {
            version: Version::V2,
            version_uri: Self::V2_02.to_owned(),
            style: Style::default(),
            send_schemes: true,
            elements: ElementSpelling::default(),
            agency_scheme: None,
            privilege_scheme: Some(crate::schemes::AGENCY_USER_PRIVILEGE_TYPE.to_owned()),
            doctype: false,
            address: AddressForm::default(),
        }
    }
}
