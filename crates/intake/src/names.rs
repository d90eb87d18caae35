//! Which names are safe, which are noise, and where in a package its files begin. Pure rules over strings.

use std::collections::HashSet;

/// Folders that archivers of one maker add, and that hold nothing of the roster.
const NOISE: &[&str] = &["__MACOSX"];
/// Files that file managers leave behind.
const NOISE_FILES: &[&str] = &["Thumbs.db", "desktop.ini"];

/// What is wrong with a name, or nothing.
pub(crate) fn unsafe_because(name: &str) -> Option<&'static str> {
    let mut letters = name.chars();
    let drive = letters.next().is_some_and(|c| c.is_ascii_alphabetic()) && letters.next() == Some(':');
    if name.is_empty() {
        Some("it is empty")
    } else if name.contains('\\') {
        Some("it contains a backslash")
    } else if name.chars().any(char::is_control) {
        Some("it contains a control character")
    } else if name.starts_with('/') {
        Some("it is an absolute path")
    } else if drive {
        Some("it names a drive")
    } else if name.split('/').any(|part| part == "..") {
        Some("it points outside the package")
    } else {
        None
    }
}

/// Whether a path is an archiver's or a file manager's own, and none of the district's.
pub(crate) fn is_noise(name: &str) -> bool {
    name.split('/').any(|part| NOISE.contains(&part) || (part.starts_with('.') && part != "."))
        || name.rsplit('/').next().is_some_and(|last| NOISE_FILES.contains(&last))
}

/// The folder, with its final slash, that the package's files lie in: the root, or the only sub-folder where there
/// is no file beside it. Districts zip either the files or the folder that they lie in.
pub(crate) fn root_of(names: &[&str]) -> String {
    let mut root = String::new();
    loop {
        let mut only: Option<&str> = None;
        for name in names {
            let Some(rest) = name.strip_prefix(root.as_str()) else {
                continue;
            };
            match (rest.split_once('/'), only) {
                (None, _) => return root,
                (Some((folder, _)), None) => only = Some(folder),
                (Some((folder, _)), Some(seen)) if folder == seen => {}
                (Some(_), Some(_)) => return root,
            }
        }
        let Some(folder) = only else { return root };
        root.push_str(folder);
        root.push('/');
    }
}

/// The first name that is there twice, also where only the case of letters differs: a file system that ignores
/// case made one of them.
pub(crate) fn duplicate<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(name.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_are_refused() {
        let bad = [
            "",
            "/etc/passwd",
            "../users.csv",
            "a/../../b",
            "a\\b.csv",
            "C:users.csv",
            "c:/users.csv",
            "a\0b",
            "a\nb",
        ];
        for name in bad {
            assert!(unsafe_because(name).is_some(), "{name:?} was let through");
        }
        for name in ["users.csv", "export/users.csv", "a..b/users.csv", "Größe.csv", "12:30/users.csv"] {
            assert_eq!(unsafe_because(name), None, "{name}");
        }
    }

    #[test]
    fn archivers_leave_noise() {
        for name in
            ["__MACOSX/._users.csv", ".DS_Store", "export/.hidden", "export/__MACOSX/x", "a/Thumbs.db"]
        {
            assert!(is_noise(name), "{name}");
        }
        for name in ["users.csv", "export/users.csv", "./users.csv"] {
            assert!(!is_noise(name), "{name}");
        }
    }

    #[test]
    fn a_package_may_lie_in_one_folder() {
        let table: &[(&[&str], &str)] = &[
            (&["manifest.csv", "users.csv"], ""),
            (&["export/manifest.csv", "export/users.csv"], "export/"),
            (&["export/2026/manifest.csv", "export/2026/users.csv"], "export/2026/"),
            (&["manifest.csv", "old/users.csv"], ""),
            (&["a/manifest.csv", "b/manifest.csv"], ""),
            (&["a/manifest.csv", "a/old/users.csv"], "a/"),
            (&[], ""),
        ];
        for (names, root) in table {
            assert_eq!(root_of(names), *root, "{names:?}");
        }
    }

    #[test]
    fn the_same_name_twice_is_seen_whatever_its_case() {
        assert_eq!(duplicate(["users.csv", "Users.csv"].into_iter()), Some("Users.csv"));
        assert_eq!(duplicate(["users.csv", "orgs.csv"].into_iter()), None);
    }
}
