//! Where a value was said: in a file, in the environment, or by the program itself.

use std::ops::Range;
use std::sync::Arc;

/// A file that was read, by its turn. The path and the text are with [`crate::Problems`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(crate) usize);

/// Where a value was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file, from one byte up to another.
    File {
        /// Which file.
        file: FileId,
        /// Bytes of that file.
        span: Range<usize>,
    },
    /// In an environment variable.
    Variable(Arc<str>),
    /// In a file or folder that could not be read.
    Path(Arc<str>),
    /// Nowhere: a default of the program.
    Default,
}

/// A value, and where and under which key it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// What was said.
    pub value: T,
    /// Where.
    pub place: Place,
    /// The key path, such as `card.for[2].grades`.
    pub key: String,
}

impl<T> Placed<T> {
    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { value: change(self.value), place: self.place, key: self.key }
    }
}

/// `parent.name`, with quotes where the name needs them.
pub(crate) fn join(parent: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let name = if bare { name.to_owned() } else { format!("{name:?}") };
    if parent.is_empty() { name } else { format!("{parent}.{name}") }
}
