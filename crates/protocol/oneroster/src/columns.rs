//! The columns of the files that are read, as OneRoster 1.1 and 1.2 list them (CSV binding, sections on each file).
//!
//! One table a file serves both versions: their orders agree where they share columns. Columns marked
//! [`Need::NeverRead`] are known so that they are not called unknown, and have no position to be read at.

use crate::manifest::Version;

/// How much a column is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Without it no row can be used.
    Needed,
    /// The specification lists it; without it its cells count as empty.
    Listed,
    /// Known, and never read.
    NeverRead,
}

/// The versions that have a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// 1.1 alone.
    V1_1,
    /// 1.2 alone.
    V1_2,
    /// Both.
    Both,
}

impl Versions {
    /// Whether a version is among them.
    #[must_use]
    pub const fn contain(self, version: Version) -> bool {
        matches!((self, version), (Self::Both, _) | (Self::V1_1, Version::V1_1) | (Self::V1_2, Version::V1_2))
    }
}

/// A column of the specification.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name, exactly.
    pub name: &'static str,
    /// How much it is needed.
    pub need: Need,
    /// Which versions have it.
    pub versions: Versions,
}

/// The columns of one file.
pub trait Columns: Copy + 'static {
    /// The file's name.
    const FILE: &'static str;
    /// Its columns, in the order of the specification; a value of the type is an index into them.
    const ALL: &'static [Column];

    /// The index.
    fn index(self) -> usize;

    /// The column's name.
    fn name(self) -> &'static str {
        Self::ALL.get(self.index()).map_or("", |column| column.name)
    }
}

macro_rules! columns {
    ($(#[$doc:meta])* $name:ident in $file:literal { $($variant:ident $text:literal $need:ident $versions:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $(#[doc = concat!("`", $text, "`")] $variant),+ }

        impl Columns for $name {
            const FILE: &'static str = $file;
            const ALL: &'static [Column] =
                &[$(Column { name: $text, need: Need::$need, versions: Versions::$versions }),+];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

columns! {
    /// Columns of `orgs.csv`.
    Orgs in "orgs.csv" {
        SourcedId "sourcedId" Needed Both,
        Status "status" Listed Both,
        DateLastModified "dateLastModified" Listed Both,
        Name "name" Needed Both,
        Type "type" Listed Both,
        Identifier "identifier" Listed Both,
        ParentSourcedId "parentSourcedId" Listed Both,
    }
}

columns! {
    /// Columns of `users.csv`. Its 1.2 form has its roles and schools in `roles.csv`.
    Users in "users.csv" {
        SourcedId "sourcedId" Needed Both,
        Status "status" Listed Both,
        DateLastModified "dateLastModified" Listed Both,
        EnabledUser "enabledUser" Listed Both,
        OrgSourcedIds "orgSourcedIds" Needed V1_1,
        Role "role" Needed V1_1,
        Username "username" Listed Both,
        UserIds "userIds" Listed Both,
        GivenName "givenName" Needed Both,
        FamilyName "familyName" Needed Both,
        MiddleName "middleName" Listed Both,
        Identifier "identifier" Listed Both,
        Email "email" Listed Both,
        Sms "sms" Listed Both,
        Phone "phone" Listed Both,
        AgentSourcedIds "agentSourcedIds" Listed Both,
        Grades "grades" Listed Both,
        Password "password" NeverRead Both,
        UserMasterIdentifier "userMasterIdentifier" Listed V1_2,
        ResourceSourcedIds "resourceSourcedIds" NeverRead V1_2,
        PreferredGivenName "preferredGivenName" Listed V1_2,
        PreferredMiddleName "preferredMiddleName" Listed V1_2,
        PreferredFamilyName "preferredFamilyName" Listed V1_2,
        PrimaryOrgSourcedId "primaryOrgSourcedId" Listed V1_2,
        Pronouns "pronouns" NeverRead V1_2,
    }
}

columns! {
    /// Columns of `roles.csv`, which 1.2 alone has.
    Roles in "roles.csv" {
        SourcedId "sourcedId" Listed V1_2,
        Status "status" Listed V1_2,
        DateLastModified "dateLastModified" Listed V1_2,
        UserSourcedId "userSourcedId" Needed V1_2,
        RoleType "roleType" Listed V1_2,
        Role "role" Needed V1_2,
        BeginDate "beginDate" Listed V1_2,
        EndDate "endDate" Listed V1_2,
        OrgSourcedId "orgSourcedId" Needed V1_2,
        UserProfileSourcedId "userProfileSourcedId" NeverRead V1_2,
    }
}

columns! {
    /// Columns of `demographics.csv`.
    Demographics in "demographics.csv" {
        SourcedId "sourcedId" Needed Both,
        Status "status" Listed Both,
        DateLastModified "dateLastModified" Listed Both,
        BirthDate "birthDate" Needed Both,
        Sex "sex" NeverRead Both,
        AmericanIndianOrAlaskaNative "americanIndianOrAlaskaNative" NeverRead Both,
        Asian "asian" NeverRead Both,
        BlackOrAfricanAmerican "blackOrAfricanAmerican" NeverRead Both,
        NativeHawaiianOrOtherPacificIslander "nativeHawaiianOrOtherPacificIslander" NeverRead Both,
        White "white" NeverRead Both,
        DemographicRaceTwoOrMoreRaces "demographicRaceTwoOrMoreRaces" NeverRead Both,
        HispanicOrLatinoEthnicity "hispanicOrLatinoEthnicity" NeverRead Both,
        CountryOfBirthCode "countryOfBirthCode" NeverRead Both,
        StateOfBirthAbbreviation "stateOfBirthAbbreviation" NeverRead Both,
        CityOfBirth "cityOfBirth" NeverRead Both,
        PublicSchoolResidenceStatus "publicSchoolResidenceStatus" NeverRead Both,
    }
}

/// Names that exports are seen to use for a column, lower case and without separators.
pub(crate) const SPELLINGS: &[(&str, &str)] = &[
    ("sourceid", "sourcedId"),
    ("orgsourceids", "orgSourcedIds"),
    ("orgsourcedid", "orgSourcedIds"),
    ("orgsourceid", "orgSourcedIds"),
    ("agentsourceids", "agentSourcedIds"),
    ("usersourceid", "userSourcedId"),
    ("primaryorgsourceid", "primaryOrgSourcedId"),
    ("parentsourceid", "parentSourcedId"),
    ("grade", "grades"),
    ("firstname", "givenName"),
    ("lastname", "familyName"),
    ("enableduser", "enabledUser"),
    ("dob", "birthDate"),
    ("dateofbirth", "birthDate"),
    ("preferredfirstname", "preferredGivenName"),
    ("preferredlastname", "preferredFamilyName"),
];
