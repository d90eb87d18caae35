//! The roster source for districts at Clever: its Data API 3.0 and 3.1, and its event feed.
//!
//! `shapes` is Clever's JSON, read leniently (`lenient`) and record by record; `map` makes a student of a user; `api` is the client, with
//! tokens, rates and patience; `pages` follows a collection; `full` reads everybody, `delta` what happened since a cursor;
//! `source` is the port. `settings` and `table` say what the configuration says.
//!
//! It writes nothing to Clever, knows no ILS, and keeps nothing of its own between runs but the cursor, which holds ids of events
//! and no person. Families' contacts, sections, courses, terms and attendance are not read.
//!
//! # Cases
//!
//! What a client of Clever's has to stand, by number, and where each is tested: `wire`, `people`, `events` and `prism` are modules of
//! `tests/practice`, which runs against the practice Clever on a socket; `born`, `rate`, `cursor` and `shapes` test themselves;
//! `program` is `tests/clever.rs`, the built program from Clever to the practice ILS. Tests are named `cl_NN_..`.
//!
//! | case | what | where |
//! | --- | --- | --- |
//! | 01, 02 | tokens by Basic; the district's own among many | wire |
//! | 03, 05 | no token, an empty list: disconnected, nothing withdrawn | wire, program |
//! | 04 | a rotated token; still 401 | wire, program |
//! | 06 | nothing secret in logs, errors, `Debug` | wire, program |
//! | 07 | two hosts; TLS is checked always (`rostercard-web`) | wire |
//! | 08 | a token without read:sis | wire |
//! | 09 | no redirects | wire |
//! | 10 to 12 | next link wherever it stands, path or address, this host alone | wire |
//! | 13 to 16 | circles; an empty last page; 413; comings and goings between pages | wire |
//! | 17, 18 | a page that fails; fewer than counted | wire |
//! | 20 to 22, 24 | too many requests, with and without advice, clamped | rate, wire |
//! | 23 | slowing down before the limit | rate, wire |
//! | 25 | a wait that is given up | wire |
//! | 30 to 32 | what is tried again and what is not; HTML, cut answers; deadlines | rate, wire |
//! | 33 | 404 on a user, 404 on a collection | wire |
//! | 40 | birth dates | born, program |
//! | 41, 42 | unknown words and fields | people, shapes |
//! | 43 to 46 | roles; nameless; long and foreign texts; e-mail | people |
//! | 47 | several schools, one that is not listed | people, program |
//! | 48, 49 | preferred names; 3.0 and 3.1; the demo district | people, program |
//! | 50 to 52 | the baseline first; an empty feed; order | events, program |
//! | 53, 99 | killed in the middle: no event lost, no second card | events, program |
//! | 54 to 57 | twice; unexpected; restored; the same person under a new id | events, program |
//! | 58, 59 | stripped objects; both places of what was before | events, program |
//! | 60, 61 | other kinds; older kinds | events, program |
//! | 62, 63 | a cursor too old or lost; a feed that is off | cursor, events, program |
//! | 64, 65 | the filter of the feed | events |
//! | 70, 71, 77 | a tenth deleted waits; very many changed are read at once | events, program |
//! | 72, 73 | nobody listed; a district that is not running | people, events, program |
//! | 74 to 76, 78 to 80 | grace, lapsing, summer, prefixes, dry run, PINs: the engine's and the core's, whatever the source | |
//! | 90 to 92 | only what is allowed; never the sensitive; nothing in logs | people, program |
//! | 93 | purging is the store's | |
//! | 95 to 97 | Clever's own specification between client and practice Clever | prism |
//! | 98 | a large district in pages | people |

mod api;
mod born;
mod cursor;
mod delta;
mod digest;
mod events;
mod full;
mod lenient;
mod map;
mod pages;
mod rate;
pub mod settings;
pub mod shapes;
mod source;
pub mod table;
mod tally;
mod trouble;

pub use settings::{Patience, Settings, StudentIdFrom, Version};
pub use source::Clever;
