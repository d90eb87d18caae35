//! The arguments of `init`. What is not said is asked for, or has the default that its help names.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Words of the command line that stand for themselves.
macro_rules! words {
    ($(#[$what:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[$what])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
        pub(crate) enum $name {
            $($(#[doc = $doc])+ #[value(name = $word)] $variant,)+
        }

        impl $name {
            /// Each with its word and what it means, in the order in which they are offered.
            pub(crate) const ALL: &'static [(&'static str, Self, &'static str)] =
                &[$(($word, Self::$variant, concat!($($doc),+)),)+];
        }
    };
}

words! {
    /// A ready-made programme.
    Approach {
        /// a card for e-books and databases, for every student of a district
        Digital = "digital-card",
        /// the student id is the card's number
        StudentId = "student-id-card",
        /// a card with small limits that lasts for a school year, full when a parent signs
        Starter = "starter-card",
        /// the student id joins the card that the child has already
        Linked = "linked-card",
        /// cards for teachers and other school staff
        Educator = "educator-card",
    }
}

words! {
    /// What becomes of cards that students already have.
    Existing {
        /// a card of its own beside any that the child has; nobody is looked for
        Separate = "separate",
        /// the student is linked to the card that is there, and only agreed fields are added to it
        Link = "link",
        /// who has a card gets none
        Skip = "skip",
    }
}

words! {
    /// Where the roster comes from.
    Source {
        /// a OneRoster package: a zip or a folder of CSV files
        OneRosterCsv = "oneroster-csv",
        /// the SIS's OneRoster service
        OneRoster = "oneroster",
        /// Clever
        Clever = "clever",
        /// the district's own file: CSV, tabs, pipes, XLSX
        CsvDrop = "csvdrop",
    }
}

words! {
    /// How the ILS is reached.
    Way {
        /// NCIP, over HTTP or raw TCP
        Ncip = "ncip",
        /// Koha's REST API
        Koha = "koha",
        /// files for the ILS's loader, and SIP2 to see whether the cards are there
        Sip2Export = "sip2+export",
    }
}

words! {
    /// What each file of a district's own holds.
    Holds {
        /// each file has everybody, and who is not in it is missing
        Snapshot = "snapshot",
        /// newcomers and changes, and nobody is missing for not being in it
        Additions = "additions",
    }
}

/// `rostercard init`.
#[derive(Debug, Default, Args)]
pub(crate) struct Init {
    /// Where the configuration goes; it must not be there yet. The folder of --config otherwise.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Write a partnership's file alone: rostercard.toml is there already, and names the ILS.
    #[arg(long)]
    pub(crate) only_partnership: bool,
    /// Ask for what is not said, also where standard input is no terminal.
    #[arg(long)]
    pub(crate) ask: bool,
    /// The programme: digital-card unless said.
    #[arg(long, value_enum)]
    pub(crate) approach: Option<Approach>,
    /// What becomes of cards that students already have. It has no default: each choice is wrong for somebody.
    #[arg(long, value_enum)]
    pub(crate) existing: Option<Existing>,
    /// The library's name: My Library unless said.
    #[arg(long, value_name = "NAME")]
    pub(crate) library: Option<String>,
    /// The library's time zone: America/Los_Angeles unless said.
    #[arg(long, value_name = "AREA/CITY")]
    pub(crate) timezone: Option<String>,
    /// The folder of the state store: /var/lib/rostercard unless said.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state: Option<String>,
    /// The partnership's name, lowercase letters, digits, hyphens: my-district unless said.
    #[arg(long, value_name = "NAME")]
    pub(crate) partnership: Option<String>,
    /// The district's name: My School District unless said.
    #[arg(long, value_name = "NAME")]
    pub(crate) district: Option<String>,
    /// Where the roster comes from: oneroster-csv unless said.
    #[arg(long, value_enum)]
    pub(crate) source: Option<Source>,
    /// oneroster-csv and csvdrop: the package, the file or the folder.
    #[arg(long, value_name = "PATH")]
    pub(crate) package: Option<String>,
    /// csvdrop: what each file holds. It has no default.
    #[arg(long, value_enum)]
    pub(crate) holds: Option<Holds>,
    /// csvdrop: whose export it is: clever, aeries or powerschool; otherwise name the columns in the file afterwards.
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// oneroster: the service's address, up to v1p1 or v1p2.
    #[arg(long, value_name = "URL")]
    pub(crate) sis_url: Option<String>,
    /// oneroster: where it gives tokens.
    #[arg(long, value_name = "URL")]
    pub(crate) token_url: Option<String>,
    /// oneroster and clever: the client's id. Its secret goes into a file.
    #[arg(long, value_name = "ID")]
    pub(crate) sis_client: Option<String>,
    /// clever: Clever's id of the district.
    #[arg(long, value_name = "ID")]
    pub(crate) clever_district: Option<String>,
    /// How the ILS is reached: ncip unless said, or what the address below is for.
    #[arg(long, value_enum)]
    pub(crate) ils: Option<Way>,
    /// With --only-partnership: the ILS's name in rostercard.toml, main unless said.
    #[arg(long, value_name = "NAME")]
    pub(crate) ils_name: Option<String>,
    /// ncip: the ILS's address.
    #[arg(long, value_name = "URL")]
    pub(crate) ncip: Option<String>,
    /// koha: its address, as staff open it.
    #[arg(long, value_name = "URL")]
    pub(crate) koha: Option<String>,
    /// koha: the id of its API key. The secret goes into a file.
    #[arg(long, value_name = "ID")]
    pub(crate) koha_client: Option<String>,
    /// sip2+export: host and port of the SIP2 server.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) sip2: Option<String>,
    /// sip2+export: the login at the SIP2 server. Its password goes into a file.
    #[arg(long, value_name = "NAME")]
    pub(crate) sip2_login: Option<String>,
    /// sip2+export: whose loader takes the files: generic, koha, polaris, sierra, symphony, evergreen.
    #[arg(long, value_name = "NAME")]
    pub(crate) loader: Option<String>,
}
