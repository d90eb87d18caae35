//! OneRoster over REST, as far as it needs no socket: what is asked ([`query`]), how a page comes apart into records
//! ([`page`]), what a record says ([`record`]), when a walk has everything ([`paging`]), what an error means
//! ([`trouble`]), and OAuth 1.0a signatures ([`oauth1`]).
//!
//! Nothing here sends anything or knows the time. Passwords, credentials and race have no field that could hold them.

pub mod json;
pub mod oauth1;
pub mod page;
pub mod paging;
pub mod query;
pub mod record;
pub mod trouble;
