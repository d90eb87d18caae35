//! Packages as districts send them, and as nobody should.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rostercard_intake::{Kind, Limits, Package, PackageError};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn placed(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("package.zip");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn open(path: &Path) -> Result<Package, PackageError> {
    Package::open(path, Limits::default())
}

fn refused(bytes: &[u8]) -> String {
    let (_folder, path) = placed(bytes);
    open(&path).unwrap_err().to_string()
}

fn text(package: &Package, name: &str) -> Result<String, PackageError> {
    let mut opened = package.open_entry(name)?;
    let mut out = String::new();
    opened.reader()?.read_to_string(&mut out).map_err(|error| PackageError::from_read(name, error))?;
    Ok(out)
}

/// The same zip with every occurrence of one name replaced by another of the same length.
fn renamed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = bytes.to_vec();
    for start in 0..out.len().saturating_sub(from.len()) {
        if out[start..].starts_with(from.as_bytes()) {
            out[start..start + from.len()].copy_from_slice(to.as_bytes());
        }
    }
    out
}

#[test]
fn a_zip_and_a_folder_say_the_same() {
    let files: &[(&str, &[u8])] = &[
        ("manifest.csv", b"a,b\n"),
        ("users.csv", b"x\n"),
        ("__MACOSX/._users.csv", b"junk"),
        (".DS_Store", b"junk"),
    ];
    let (_one, path) = placed(&zipped(files));
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    for (path, kind) in [(path.as_path(), Kind::Zip), (folder.path(), Kind::Folder)] {
        let package = open(path).unwrap();
        assert_eq!(package.kind(), kind);
        let names: Vec<&str> = package.entries().iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["manifest.csv", "users.csv"]);
        // More than once, and in any order.
        for _ in 0..2 {
            assert_eq!(text(&package, "users.csv").unwrap(), "x\n");
            assert_eq!(text(&package, "manifest.csv").unwrap(), "a,b\n");
        }
        assert!(matches!(text(&package, "orgs.csv"), Err(PackageError::Missing { .. })));
        assert!(package.modified().is_some());
        package.verify_unchanged().unwrap();
    }
}

#[test]
fn a_package_in_one_sub_folder_is_found() {
    let (_folder, path) = placed(&zipped(&[
        ("export/users.csv", b"x"),
        ("export/old/users.csv", b"y"),
        ("__MACOSX/export/._users.csv", b"z"),
    ]));
    let package = open(&path).unwrap();
    assert_eq!(text(&package, "users.csv").unwrap(), "x");
    assert_eq!(
        package.ignored().iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
        ["export/old/users.csv"]
    );
}

#[test]
fn names_that_lead_out_of_a_zip_are_refused() {
    for (name, word) in [
        ("../users.csv", "outside"),
        ("/users.csvxx", "absolute"),
        ("C:/users.csv", "drive"),
        ("a\\users.csvx", "backslash"),
    ] {
        let plain = "u".repeat(name.len());
        let bytes = renamed(&zipped(&[(plain.as_str(), b"x"), ("manifest.csv", b"y")]), &plain, name);
        let error = refused(&bytes);
        assert!(error.contains(word), "{name}: {error}");
    }
}

#[test]
fn one_name_twice_is_refused() {
    let twice = renamed(&zipped(&[("users.csv", b"x"), ("other.csv", b"y")]), "other.csv", "users.csv");
    assert!(refused(&twice).contains("more than once"));
    assert!(refused(&zipped(&[("users.csv", b"x"), ("Users.csv", b"y")])).contains("more than once"));
}

#[test]
fn a_link_in_a_zip_is_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("users.csv", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    assert!(refused(&zip.finish().unwrap().into_inner()).contains("symbolic link"));
}

#[cfg(unix)]
#[test]
fn a_link_in_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("users.csv")).unwrap();
    assert!(open(folder.path()).unwrap_err().to_string().contains("symbolic link"));
}

#[test]
fn an_encrypted_file_is_refused_in_words() {
    let mut bytes = zipped(&[("users.csv", b"x")]);
    // Bit 0 of the general purpose flags, in the local header and in the central directory.
    for (mark, at) in [(&b"PK\x03\x04"[..], 6), (b"PK\x01\x02", 8)] {
        let start = bytes.windows(4).position(|four| four == mark).unwrap();
        bytes[start + at] |= 1;
    }
    let error = refused(&bytes);
    assert!(error.contains("users.csv") && error.contains("encrypted"), "{error}");
}

#[test]
fn a_half_uploaded_zip_is_said_so() {
    let whole = zipped(&[("users.csv", &[b'x'; 5_000]), ("orgs.csv", b"y")]);
    for length in [2, 4, 10, whole.len() / 2, whole.len() - 1] {
        let (_folder, path) = placed(&whole[..length]);
        let error = open(&path).unwrap_err();
        assert!(error.may_be_unfinished(), "{length} bytes: {error}");
    }
    assert!(refused(b"").contains("empty"));
    assert!(refused(b"sourcedId,status\n").contains("neither a folder nor a zip"));
}

#[test]
fn nothing_there_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(open(&folder.path().join("none.zip")), Err(PackageError::NotFound { .. })));
}

#[test]
fn caps_count_what_comes_out() {
    let big = vec![b'x'; 6 << 20];
    let (_folder, path) = placed(&zipped(&[("users.csv", &big), ("orgs.csv", &big)]));
    let base = Limits { ratio: u64::MAX, ..Limits::default() };

    let small = Package::open(&path, Limits { entry_bytes: 1 << 20, ..base }).unwrap();
    assert!(matches!(text(&small, "users.csv"), Err(PackageError::EntryTooLarge { .. })));

    let total = Package::open(&path, Limits { total_bytes: 8 << 20, ..base }).unwrap();
    // Reading the same file again does not count again; the other file goes over.
    for _ in 0..3 {
        text(&total, "users.csv").unwrap();
    }
    assert!(matches!(text(&total, "orgs.csv"), Err(PackageError::PackageTooLarge { .. })));

    let bomb = Package::open(&path, Limits::default()).unwrap();
    assert!(matches!(text(&bomb, "users.csv"), Err(PackageError::Ratio { .. })));

    let many = Package::open(&path, Limits { entries: 1, ..base });
    assert!(matches!(many, Err(PackageError::TooManyEntries { .. })));
}

#[test]
fn a_header_that_lies_about_its_size_changes_nothing() {
    let big = vec![b'x'; 6 << 20];
    let mut bytes = zipped(&[("users.csv", &big)]);
    // The unpacked size in the central directory: said to be one byte.
    let start = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    bytes[start + 24..start + 28].copy_from_slice(&1_u32.to_le_bytes());
    let (_folder, path) = placed(&bytes);
    let limits = Limits { entry_bytes: 1 << 20, ratio: u64::MAX, ..Limits::default() };
    let read = Package::open(&path, limits).and_then(|package| text(&package, "users.csv"));
    assert!(read.is_err(), "more than the cap came out");
}

#[test]
fn a_flipped_byte_is_found_by_the_checksum() {
    let noise: Vec<u8> =
        (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x3f | 0x20).collect();
    let mut bytes = zipped(&[("users.csv", &noise)]);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    let (_folder, path) = placed(&bytes);
    let package = open(&path).unwrap();
    let error = text(&package, "users.csv").unwrap_err();
    assert!(matches!(error, PackageError::Damaged { .. }), "{error}");
}

#[test]
fn a_package_that_changes_under_our_hands_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users.csv");
    fs::write(&users, "one\n").unwrap();
    let package = open(folder.path()).unwrap();
    fs::write(&users, "one\ntwo\n").unwrap();
    assert!(matches!(package.open_entry("users.csv"), Err(PackageError::Changed { .. })));
    assert!(matches!(package.verify_unchanged(), Err(PackageError::Changed { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever bytes lie there, opening and reading them ends without a panic.
    #[test]
    fn any_bytes_are_survived(cut in 0_usize..400, flips in prop::collection::vec((0_usize..400, any::<u8>()), 0..8)) {
        let mut bytes = zipped(&[("manifest.csv", b"propertyName,value\n"), ("export/users.csv", b"sourcedId\n")]);
        for (at, to) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
        }
        bytes.truncate(bytes.len().saturating_sub(cut % 2 * cut));
        let (_folder, path) = placed(&bytes);
        if let Ok(package) = open(&path) {
            for entry in package.entries() {
                prop_assert!(!entry.name.contains(['/', '\\']));
                match text(&package, &entry.name) {
                    Ok(out) => prop_assert!(out.len() < 1 << 20),
                    Err(error) => prop_assert!(!error.to_string().is_empty()),
                }
            }
        }
    }
}
