//! The URIs of the standard's value lists. Sent for the responders that want them, never compared.

pub(crate) const USER_ELEMENT_TYPE: &str =
    "http://www.niso.org/ncip/v1_0/schemes/userelementtype/userelementtype.scm";
pub(crate) const USER_ADDRESS_ROLE_TYPE: &str =
    "http://www.niso.org/ncip/v1_0/imp1/schemes/useraddressroletype/useraddressroletype.scm";
pub(crate) const PHYSICAL_ADDRESS_TYPE: &str =
    "http://www.niso.org/ncip/v1_0/imp1/schemes/physicaladdresstype/physicaladdresstype.scm";
pub(crate) const UNSTRUCTURED_ADDRESS_TYPE: &str =
    "http://www.niso.org/ncip/v1_0/imp1/schemes/unstructuredaddresstype/unstructuredaddresstype.scm";
pub(crate) const ELECTRONIC_ADDRESS_TYPE: &str = "http://www.iana.org/assignments/uri-schemes";
pub(crate) const AUTHENTICATION_DATA_FORMAT_TYPE: &str = "http://www.iana.org/assignments/media-types";
pub(crate) const AUTHENTICATION_INPUT_TYPE: &str =
    "http://www.niso.org/ncip/v1_0/imp1/schemes/authenticationinputtype/authenticationinputtype.scm";
pub(crate) const USER_IDENTIFIER_TYPE: &str =
    "http://www.niso.org/ncip/v1_0/imp1/schemes/visibleuseridentifiertype/visibleuseridentifiertype.scm";
pub(crate) const USER_LANGUAGE: &str = "http://lcweb.loc.gov/standards/iso639-2/bibcodes.html";
pub(crate) const BLOCK_OR_TRAP_TYPE: &str =
    "http://www.niso.org/ncip/v1_0/imp1/schemes/blockortraptype/blockortraptype.scm";
pub(crate) const USER_PRIVILEGE_STATUS_TYPE: &str =
    "http://www.niso.org/ncip/v1_0/imp1/schemes/userprivilegestatustype/userprivilegestatustype.scm";
pub(crate) const AGENCY_USER_PRIVILEGE_TYPE: &str =
    "http://www.niso.org/ncip/v1_0/imp1/schemes/agencyuserprivilegetype/agencyuserprivilegetype.scm";
/// What a `LookupVersion` names as its version: the schema of version discovery.
pub(crate) const VERSION_MESSAGE: &str = "http://www.niso.org/ncip/v1_0/imp1/xsd/ncip_version.xsd";
