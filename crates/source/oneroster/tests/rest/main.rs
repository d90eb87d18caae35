//! The REST source against the practice SIS: every case of the table in `CASES.md` that concerns the client, by number.

mod auth;
mod changes;
mod http;
mod identity;
mod paging;
mod payload;
mod support;
