//! Configuration: TOML with places and advice, layering, secrets. Every problem in all files is found in one pass, and
//! each says where it is and what to do.
//!
//! This crate knows no connector: a connector's table is handed on as an [`OpaqueTable`], and the connector's own
//! crate reads it with the same [`TableReader`]. It reads neither the environment nor the clock; the program passes
//! both in.

mod document;
mod files;
mod hours;
mod http;
mod kind;
mod layers;
mod load;
mod main_file;
mod names;
mod partnership;
mod place;
mod problem;
mod reader;
mod record;
mod render;
mod secret;
mod sensitive;
mod shared;
mod suggest;
mod telling;

pub use document::{Document, Entry, Node, Table, Value};
pub use files::{Disk, Files, Memory};
pub use hours::{AnHours, Hours};
pub use http::{Http, PageRole, PageToken};
pub use kind::{
    AName, Bool, Day, Integer, Kind, List, MonthDay, Parsed, Percent, Span, Text, Word, Wrong, words,
};
pub use layers::{FixedKey, FixedType, PREFIX, layered};
pub use load::{Broken, Connectors, Loaded, load, load_into};
pub use main_file::{DaemonTable, FIXED_KEYS, Ils, Library, Limits, Main, SharedSource, State};
pub use names::{Name, is_reference_name};
pub use partnership::{DatePlaces, LapseRules, Partnership};
pub use place::{FileId, Place, Placed};
pub use problem::{Code, Mark, Problem, Problems, Severity};
pub use reader::{OpaqueTable, TableReader, TextOrTable};
pub use record::{Recorded, Shape};
pub use render::Style;
pub use secret::{Clear, FoundSecret, MachineSecrets, SecretFault, SecretRef, SecretStore, SecretWay};
pub use sensitive::is_secret_name;
pub use suggest::{listed, nearest};
pub use telling::{Contact, ContactWay, Ends, MailTable, MailTls, TOLD};
