//! Files for loaders.
