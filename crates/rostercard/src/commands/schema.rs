//! `schema`: the JSON Schemas of the configuration's files, for editors. They are made from the readers themselves, by a
//! test; see `reference`.

use crate::cli::SchemaOf;
use crate::exit::Exit;
use crate::output::Out;

/// The schema of rostercard.toml.
const MAIN: &str = include_str!("../../../../config/schema/main.json");
/// That of a partnership's file.
const PARTNERSHIP: &str = include_str!("../../../../config/schema/partnership.json");

/// Prints one.
pub(crate) fn schema(of: SchemaOf) -> Result<Exit, Exit> {
    let text = match of {
        SchemaOf::Main => MAIN,
        SchemaOf::Partnership => PARTNERSHIP,
    };
    Out::stdout().line(text.trim_end());
    Ok(Exit::Done)
}
