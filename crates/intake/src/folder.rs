//! A folder as a package: its files, with links refused and depth bounded.

use std::fs;
use std::path::Path;

use crate::error::PackageError;
use crate::limits::Limits;
use crate::names;
use crate::package::{Found, Stamp};

/// Folders deeper than this are no package of a district's.
const MAX_DEPTH: usize = 8;

/// Lists the files below `root`, in the order of their names, with paths that use `/`.
pub(crate) fn list(package: &str, root: &Path, limits: &Limits) -> Result<Vec<Found>, PackageError> {
    let mut found = Vec::new();
    let mut seen = 0_usize;
    let mut waiting = vec![(root.to_path_buf(), String::new(), 0_usize)];
    while let Some((folder, prefix, depth)) = waiting.pop() {
        let io = |source| PackageError::Io { place: format!("{package}/{prefix}"), source };
        for item in fs::read_dir(&folder).map_err(io)? {
            let item = item.map_err(io)?;
            seen += 1;
            if seen > limits.entries {
                return Err(PackageError::TooManyEntries {
                    package: package.to_owned(),
                    limit: limits.entries,
                });
            }
            let Ok(last) = item.file_name().into_string() else {
                let name = format!("{prefix}{}", item.file_name().to_string_lossy().escape_debug());
                return Err(PackageError::UnsafeName {
                    package: package.to_owned(),
                    name,
                    why: "it is not UTF-8",
                });
            };
            let name = format!("{prefix}{last}");
            if names::is_noise(&name) {
                continue;
            }
            if let Some(why) = names::unsafe_because(&name) {
                let name = name.escape_debug().to_string();
                return Err(PackageError::UnsafeName { package: package.to_owned(), name, why });
            }
            // `symlink_metadata` looks at the link itself, where `metadata` would follow it.
            let about = fs::symlink_metadata(item.path()).map_err(io)?;
            if about.is_symlink() {
                return Err(PackageError::Symlink { package: package.to_owned(), name });
            } else if about.is_dir() {
                if depth + 1 < MAX_DEPTH {
                    waiting.push((item.path(), format!("{name}/"), depth + 1));
                }
            } else if about.is_file() {
                found.push(Found { name, index: found.len(), stamp: Some(Stamp::of(&about)), packed: None });
            } else {
                return Err(PackageError::Special { package: package.to_owned(), name });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
