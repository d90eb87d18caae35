//! The package opened and judged by its manifest, before any row is read.

use std::path::Path;

use jiff::Timestamp;
use rostercard_core::finding::Finding;
use rostercard_core::ports::ConnectorError;
use rostercard_intake::{Package, text};
use rostercard_oneroster::{
    Columns, Demographics, Manifest, Mode, Orgs, ReadError, Roles, Table, Users, Version,
};

use crate::delta::image::Image;
use crate::error;
use crate::settings::Settings;
use crate::tally::from_protocol;

const MANIFEST: &str = "manifest.csv";

/// A package that can be read: whole, and with all files that its manifest declares.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) from: From,
    pub(crate) manifest: Manifest,
    /// What was odd so far.
    pub(crate) findings: Vec<Finding>,
}

/// Where the files lie.
#[derive(Debug)]
pub(crate) enum From {
    /// In what the district sent.
    Package(Package),
    /// In the image that is kept of it.
    Image(Image),
}

impl Opened {
    /// An image, to be read as a whole package is.
    pub(crate) fn image(image: Image) -> Self {
        let files = image.head.files.iter().map(String::as_str);
        let manifest = Manifest::assumed(image.head.version, files);
        Self { from: From::Image(image), manifest, findings: Vec::new() }
    }

    /// Whether a file is there to be read.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.manifest.mode(file) == Mode::Bulk
    }

    /// The newest time of its files.
    pub(crate) fn modified(&self) -> Option<Timestamp> {
        match &self.from {
            From::Package(package) => package.modified().and_then(|time| Timestamp::try_from(time).ok()),
            From::Image(image) => image.head.as_of,
        }
    }

    /// That what was read is what was opened.
    pub(crate) fn verify_unchanged(&self) -> Result<(), ConnectorError> {
        match &self.from {
            From::Package(package) => package.verify_unchanged().map_err(error::package),
            // Each of its pieces was proven when it was opened.
            From::Image(_) => Ok(()),
        }
    }

    /// Goes through one file: `each` has it as a table.
    pub(crate) fn table<C: Columns, T>(
        &self,
        each: impl FnOnce(
            Table<C, &mut dyn std::io::Read>,
            Vec<rostercard_oneroster::Finding>,
        ) -> Result<T, ConnectorError>,
    ) -> Result<T, ConnectorError> {
        let package = match &self.from {
            From::Package(package) => package,
            From::Image(image) => {
                let mut reader = image.reader(C::FILE).map_err(error::image)?;
                let input: &mut dyn std::io::Read = &mut reader;
                let (table, _) = Table::open(self.manifest.version, input).map_err(error::read)?;
                // What is odd about an image's header is this crate's own doing.
                return each(table, Vec::new());
            }
        };
        let mut entry = package.open_entry(C::FILE).map_err(error::package)?;
        let reader = entry.reader().map_err(error::package)?;
        let mut text = text::open(C::FILE, reader).map_err(error::package)?;
        let input: &mut dyn std::io::Read = &mut text;
        let (table, findings) = Table::open(self.manifest.version, input).map_err(error::read)?;
        each(table, findings)
    }
}

/// Opens the package and reads its manifest. It has to be whole.
pub(crate) fn open(settings: &Settings) -> Result<Opened, ConnectorError> {
    let Some(path) = &settings.path else {
        return Err(error::declared(
            "no package was named, and rosters of this partnership are given by `rostercard import`",
            "give the package to `rostercard import`",
        ));
    };
    let opened = open_any(settings, path)?;
    refuse_deltas(&opened.manifest)?;
    if opened.manifest.mode(Users::FILE) == Mode::Absent {
        return Err(error::declared(
            "users.csv: the manifest declares it absent, and without it there is no roster",
            "Ask the district to include users in its export",
        ));
    }
    Ok(opened)
}

/// Opens a package, whole or a delta, and reads its manifest.
pub(crate) fn open_any(settings: &Settings, path: &Path) -> Result<Opened, ConnectorError> {
    let package = Package::open(path, settings.limits).map_err(error::package)?;
    let names = || package.entries().iter().map(|entry| entry.name.as_str());
    let (manifest, mut findings) = if package.contains(MANIFEST) {
        let mut entry = package.open_entry(MANIFEST).map_err(error::package)?;
        let reader = entry.reader().map_err(error::package)?;
        let text = text::open(MANIFEST, reader).map_err(error::package)?;
        Manifest::read(text).map_err(error::read)?
    } else if let Some(version) = settings.without_manifest {
        (Manifest::assumed(version, names()), Vec::new())
    } else {
        return Err(error::declared(
            "manifest.csv: not in the package",
            "Ask the district for it, or say in the configuration which version a package without one has",
        ));
    };
    let compared = manifest.compare(names().collect::<Vec<_>>());
    let missing: Vec<_> = compared.iter().filter(|finding| finding.code.refuses()).cloned().collect();
    if !missing.is_empty() {
        return Err(error::read(ReadError::Unusable(missing)));
    }
    findings.extend(compared);
    let findings = findings.into_iter().map(from_protocol).collect();
    Ok(Opened { from: From::Package(package), manifest, findings })
}

fn refuse_deltas(manifest: &Manifest) -> Result<(), ConnectorError> {
    for file in [Users::FILE, Orgs::FILE, Roles::FILE, Demographics::FILE] {
        if manifest.mode(file) == Mode::Delta {
            return Err(error::declared(
                format!(
                    "{file}: its mode is delta, and this partnership keeps no image that a delta could change; nothing was read"
                ),
                "Write deltas = true into [source.oneroster_csv] and begin with a bulk export, or ask the district for bulk exports alone",
            ));
        }
    }
    Ok(())
}

/// Whether people's roles and schools are in `roles.csv`, and not in `users.csv`.
pub(crate) fn roles_apart(opened: &Opened) -> bool {
    opened.manifest.version == Version::V1_2 && opened.has(Roles::FILE)
}
