//! The one HTTP client, over reqwest and rustls.
//!
//! A [`Client`] sends a [`Call`] to an [`Endpoint`] and gives an [`Answer`], or a [`WebError`] that tells apart what a
//! writer must tell apart: a request that never left ([`WebError::NotSent`]) and one whose outcome nobody knows
//! ([`WebError::Unknown`]). Each call has one deadline for everything, the body is capped after decompression, and an
//! endpoint never prints more of its URL than scheme, host and port, because path and query may be secrets.
//!
//! It deliberately never retries (whether a write may be sent again is the journal's to say), never follows a redirect
//! (a POST replayed at another address is a second write), keeps no cookies and takes no proxy from the environment.

mod client;
mod endpoint;
mod error;
mod oauth;
mod rest;
mod retry_after;
mod way;

pub use client::{Answer, Call, Client, ClientSettings, SetupError, answers};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{NotSent, Side, Unknown, WebError};
pub use oauth::{Bearer, ClientAuth, OAuth, OAuthError, OAuthSettings};
pub use rest::{Ask, Class, Login, Rest, RestError, Reuse};
pub use way::{Identity, Proxy};
