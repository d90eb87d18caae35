//! Exit codes: documented, stable, for scripts and systemd.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Done, with rejected rows.
    Rejects,
    /// Changes wait for approval.
    Waiting,
    /// The command line is wrong.
    Usage,
    /// Try again later: somebody else is at work, or a machine cannot be reached.
    Later,
    /// The configuration is wrong.
    Configuration,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Rejects => 2,
            Self::Waiting => 3,
            Self::Usage => 64,
            Self::Later => 75,
            Self::Configuration => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
