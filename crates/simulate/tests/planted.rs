//! The six planted bugs: each is caught.
