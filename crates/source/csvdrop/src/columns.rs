//! The columns that a district's file can have, and what usual exports call them.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// The district's lasting number for the student.
    StudentId,
    /// Another id of the student.
    SourceId,
    /// Given name.
    GivenName,
    /// Middle name.
    MiddleName,
    /// Family name.
    FamilyName,
    /// Preferred given name.
    PreferredName,
    /// Birth date.
    BirthDate,
    /// Grade.
    Grade,
    /// The school's code.
    School,
    /// The school's name.
    SchoolName,
    /// Student, or a word for school staff.
    Role,
    /// The name used to log in at school.
    UserName,
    /// E-mail address.
    Email,
    /// Telephone.
    Phone,
    /// House number and street.
    Street,
    /// Apartment, unit.
    Street2,
    /// City.
    City,
    /// State.
    State,
    /// ZIP code.
    Zip,
    /// A mark that the address is protected.
    Protected,
    /// A mark that the family wants no card.
    OptOut,
    /// A mark that the family wants a card.
    OptIn,
}

impl Column {
    /// Every column, with its key in `columns`.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("student_id", Self::StudentId),
        ("source_id", Self::SourceId),
        ("given_name", Self::GivenName),
        ("middle_name", Self::MiddleName),
        ("family_name", Self::FamilyName),
        ("preferred_name", Self::PreferredName),
        ("birth_date", Self::BirthDate),
        ("grade", Self::Grade),
        ("school", Self::School),
        ("school_name", Self::SchoolName),
        ("role", Self::Role),
        ("user_name", Self::UserName),
        ("email", Self::Email),
        ("phone", Self::Phone),
        ("street", Self::Street),
        ("street2", Self::Street2),
        ("city", Self::City),
        ("state", Self::State),
        ("zip", Self::Zip),
        ("protected", Self::Protected),
        ("opt_out", Self::OptOut),
        ("opt_in", Self::OptIn),
    ];

    /// Its key in `columns`.
    #[must_use]
    pub fn key(self) -> &'static str {
        Self::ALL.iter().find(|(_, column)| *column == self).map_or("", |(key, _)| key)
    }
}

/// The exports of student information systems whose headers are known. Where an export may call a column one way or another,
/// the first name that is in the file counts. Vendors let districts rename columns: what differs is said in `columns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Clever's `students.csv` for SFTP.
    Clever,
    /// Aeries' query of the student table (STU), by its field names or its captions.
    Aeries,
    /// PowerSchool's quick export of students, by its field names or its captions.
    PowerSchool,
}

impl Preset {
    /// Every preset, with its name.
    pub const ALL: &'static [(&'static str, Self)] =
        &[("clever", Self::Clever), ("aeries", Self::Aeries), ("powerschool", Self::PowerSchool)];

    /// What it calls its columns.
    #[must_use]
    pub fn names(self) -> &'static [(Column, &'static [&'static str])] {
        use Column as C;
        match self {
            Self::Clever => &[
                (C::StudentId, &["Student_number", "Student_id"]),
                (C::SourceId, &["Student_id"]),
                (C::GivenName, &["First_name"]),
                (C::MiddleName, &["Middle_name"]),
                (C::FamilyName, &["Last_name"]),
                (C::PreferredName, &["Preferred_name", "Preferred_first_name"]),
                (C::BirthDate, &["Dob"]),
                (C::Grade, &["Grade"]),
                (C::School, &["School_id"]),
                (C::UserName, &["Username"]),
                (C::Email, &["Student_email"]),
                (C::Street, &["Student_street"]),
                (C::City, &["Student_city"]),
                (C::State, &["Student_state"]),
                (C::Zip, &["Student_zip"]),
            ],
            Self::Aeries => &[
                (C::StudentId, &["Student ID", "StudentID", "STU.ID", "ID", "Perm ID"]),
                (C::GivenName, &["First Name", "FirstName", "STU.FN", "FN"]),
                (C::MiddleName, &["Middle Name", "MiddleName", "STU.MN", "MN"]),
                (C::FamilyName, &["Last Name", "LastName", "STU.LN", "LN"]),
                (C::PreferredName, &["Preferred First Name", "First Name Alias", "STU.FNA", "FNA"]),
                (C::BirthDate, &["Birthdate", "Birth Date", "BirthDate", "STU.BD", "BD"]),
                (C::Grade, &["Grade", "Grade Level", "STU.GR", "GR"]),
                (C::School, &["School Code", "SchoolCode", "School", "STU.SC", "SC"]),
                (C::SchoolName, &["School Name", "SchoolName"]),
                (C::Email, &["Student Email Address", "StudentEmailAddress", "STU.SEM", "SEM"]),
                (C::Phone, &["Telephone", "Primary Phone", "HomePhoneNumber", "STU.TL", "TL"]),
                (C::Street, &["Mailing Address", "MailingAddress", "STU.AD", "AD"]),
                (C::City, &["City", "Mailing City", "MailingAddressCity", "STU.CY", "CY"]),
                (C::State, &["State", "Mailing State", "MailingAddressState", "STU.ST", "ST"]),
                (C::Zip, &["Zip Code", "ZipCode", "Mailing Zip", "MailingAddressZipCode", "STU.ZC", "ZC"]),
            ],
            Self::PowerSchool => &[
                (C::StudentId, &["Student_Number", "Student Number"]),
                (C::SourceId, &["DCID", "ID"]),
                (C::GivenName, &["First_Name", "First Name"]),
                (C::MiddleName, &["Middle_Name", "Middle Name"]),
                (C::FamilyName, &["Last_Name", "Last Name"]),
                (C::PreferredName, &["Preferred_Name", "Preferred Name"]),
                (C::BirthDate, &["DOB", "Date of Birth"]),
                (C::Grade, &["Grade_Level", "Grade Level"]),
                (C::School, &["SchoolID", "School ID", "School_ID"]),
                (C::SchoolName, &["School_Name", "School Name"]),
                (C::UserName, &["Student_Web_ID", "Web_ID"]),
                (C::Email, &["Student_Email", "Email"]),
                (C::Phone, &["Home_Phone", "Home Phone"]),
                (C::Street, &["Mailing_Street", "Street", "Mailing Street"]),
                (C::City, &["Mailing_City", "City", "Mailing City"]),
                (C::State, &["Mailing_State", "State", "Mailing State"]),
                (C::Zip, &["Mailing_Zip", "Zip", "Mailing Zip"]),
            ],
        }
    }
}
