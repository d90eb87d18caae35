//! The arguments of people's work around the runs: wishes, reviews, taking over, taking back, moving house.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum PeopleCommand {
    /// Families who want no card: before, or after one was made.
    Optout {
        #[command(subcommand)]
        command: WishCommand,
    },
    /// Families who want a card, in a programme that takes a yes.
    Optin {
        #[command(subcommand)]
        command: WishCommand,
    },
    /// Questions that only a person can answer.
    Review {
        #[command(subcommand)]
        command: ReviewCommand,
    },
    /// A patron that is gone has another number now.
    Relink {
        #[command(flatten)]
        whose: Whose,
        /// The number that the patron has now.
        #[arg(long, value_name = "NUMBER")]
        barcode: String,
    },
    /// A patron that is gone is to be made again.
    Recreate(Whose),
    /// A patron that is gone, or a card that is the family's own, is no longer looked after.
    Leave(Whose),
    /// Take over cards that carry our numbers already: an earlier load, or a store that was lost. Nothing is written to the ILS.
    Adopt(Certain),
    /// Plan the way back from a run that went wrong; the plan waits for approval.
    Undo {
        /// The run, by its number.
        run: i64,
    },
    /// Students came back under other numbers: let their cards go along.
    Rebind(Certain),
}

#[derive(Debug, Args)]
pub(crate) struct Certain {
    /// The partnership: the name of its file.
    pub(crate) partnership: String,
    /// Do it; without this it is only shown what would be done.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Who does it; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WishCommand {
    /// Note a wish. It holds whether or not the student is in any roster yet.
    Add(WishAdd),
    /// Take a wish back.
    Remove(WishAdd),
    /// The wishes that were noted: when and by whom. Who they are about is known by digests alone.
    List {
        /// The partnership: the name of its file.
        partnership: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WishAdd {
    /// The partnership: the name of its file.
    pub(crate) partnership: String,
    /// Student ids, as the roster writes them.
    pub(crate) student_id: Vec<String>,
    /// A text file with a student id a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Who notes it; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

/// Which review, and of which partnership.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// The partnership: the name of its file.
    pub(crate) partnership: String,
    /// The student id, as the roster writes it.
    #[arg(required_unless_present = "review", conflicts_with = "review")]
    pub(crate) student_id: Option<String>,
    /// The review's number, as `review list` shows it, instead.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) review: Option<i64>,
    /// Who answers; your login otherwise.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReviewCommand {
    /// The open questions, and what each takes.
    List {
        /// The partnership: the name of its file.
        partnership: String,
        /// Read the roster too, and show the student ids.
        #[arg(long)]
        students: bool,
    },
    /// One question, with the card that it is about.
    Show {
        #[command(flatten)]
        whose: Whose,
        /// Show the card's number too.
        #[arg(long)]
        reveal: bool,
    },
    /// Answer a question. What follows from it is done by the next run.
    Resolve {
        #[command(flatten)]
        whose: Whose,
        /// link, separate, skip, again, relink, recreate, leave or same.
        #[arg(long)]
        answer: String,
        /// The number of the card that is meant, for link and relink.
        #[arg(long, value_name = "NUMBER")]
        barcode: Option<String>,
    },
    /// Answer many: a CSV file with the columns review (or student_id), answer, barcode.
    ResolveFile {
        /// The partnership: the name of its file.
        partnership: String,
        /// The file.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Who answers; your login otherwise.
        #[arg(long = "as", value_name = "NAME")]
        who: Option<String>,
    },
}
