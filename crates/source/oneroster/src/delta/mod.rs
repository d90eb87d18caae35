//! CSV delta packages: each is a change to an image of the roster that is kept, sealed, from run to run, and the image is
//! read as a whole package is.
//!
//! The way: `packages` finds what the district has sent and what of it is new; `keep` makes the next image; `give` gives out
//! whom the packages named since the cursor (or everybody, after a package with everybody in it), and who of them has left.
//! `image` and `sealed` are the files, `cells` their rows, `changes` what travels with an image until its plan is settled. Without `deltas = true`
//! nothing is kept, and delta packages are refused.
//!
//! What cannot be known is said: OneRoster numbers no packages, so that a lost one shows only where a delta speaks of what
//! was never there. No delta withdraws anybody whom it does not name.

mod cells;
mod changes;
mod give;
pub(crate) mod image;
mod keep;
mod line;
mod packages;
mod sealed;

pub(crate) use give::run;
pub use image::{Images, Kept};
pub(crate) use packages::{Given, What, look_at, prepare, released};
pub use sealed::Seal;
