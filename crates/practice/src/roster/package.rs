//! Puts a roster into files: a folder of CSV files, or a zip of them, with the manifest that OneRoster asks for.
//!
//! What stands in each file is written in `tables`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::csv::Rows;
use super::tables::{Day, files};
use super::{RosterError, Spec, Version};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The zip or the folder.
    pub path: PathBuf,
    /// Students in it.
    pub students: u64,
    /// Educators in it.
    pub educators: u64,
    /// Schools in it.
    pub schools: u64,
}

/// Writes the package: a zip where `out` ends in `.zip`, else a folder, which is made where it is missing.
///
/// # Errors
/// Where a file cannot be written. A zip is put in place only when it is whole.
pub fn generate(spec: &Spec, out: &Path) -> Result<Written, RosterError> {
    let written = if out.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip")) {
        into_zip(spec, out)
    } else {
        into_folder(spec, out)
    };
    written.map_err(|source| RosterError::Write { path: out.to_owned(), source })
}

fn into_folder(spec: &Spec, out: &Path) -> io::Result<Written> {
    let day = Day::new(spec);
    fs::create_dir_all(out)?;
    let mut students = 0;
    for (name, fill) in files(spec) {
        let path = out.join(format!("{name}.csv"));
        let Some(fill) = fill else {
            // A file of an earlier, larger package would contradict the manifest.
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => continue,
            }
        };
        let mut file = BufWriter::with_capacity(1 << 17, File::create(&path)?);
        students = students.max(fill(&day, &mut file)?);
        file.flush()?;
    }
    // The manifest comes last: whoever waits for it finds the rest complete.
    let mut file = File::create(out.join("manifest.csv"))?;
    manifest(spec, &mut file)?;
    Ok(day.written(out, students))
}

fn into_zip(spec: &Spec, out: &Path) -> io::Result<Written> {
    let day = Day::new(spec);
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = out.with_extension("zip.part");
    let mut zip = zip::ZipWriter::new(BufWriter::with_capacity(1 << 17, File::create(&partial)?));
    // No dates inside, so that the same seed gives the same bytes.
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(3))
        .large_file(spec.students > 5_000_000)
        .last_modified_time(zip::DateTime::default());
    zip.start_file("manifest.csv", options)?;
    manifest(spec, &mut zip)?;
    let mut students = 0;
    for (name, fill) in files(spec) {
        if let Some(fill) = fill {
            zip.start_file(format!("{name}.csv"), options)?;
            let mut buffered = BufWriter::with_capacity(1 << 17, &mut zip);
            students = students.max(fill(&day, &mut buffered)?);
            buffered.flush()?;
        }
    }
    zip.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&partial, out)?;
    Ok(day.written(out, students))
}

fn manifest(spec: &Spec, out: &mut dyn Write) -> io::Result<()> {
    let version = match spec.version {
        Version::V1p1 => "1.1",
        Version::V1p2 => "1.2",
    };
    let mut rows = Rows::start(out, "propertyName,value")?;
    rows.row(&["manifest.version", "1.0"])?;
    rows.row(&["oneroster.version", version])?;
    for (name, fill) in files(spec) {
        rows.row(&[&format!("file.{name}"), if fill.is_some() { "bulk" } else { "absent" }])?;
    }
    rows.row(&["source.systemName", "Rostercard practice SIS"])?;
    rows.row(&["source.systemCode", "practice"])
}
