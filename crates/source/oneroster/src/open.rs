//! The package opened and judged by its manifest, before any row is read.

use rostercard_core::finding::Finding;
use rostercard_core::ports::ConnectorError;
use rostercard_intake::{Package, text};
use rostercard_oneroster::{
    Columns, Demographics, Manifest, Mode, Orgs, ReadError, Roles, Table, Users, Version,
};

use crate::error;
use crate::settings::Settings;
use crate::tally::from_protocol;

const MANIFEST: &str = "manifest.csv";

/// A package that can be read: whole, and with all files that its manifest declares.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) package: Package,
    pub(crate) manifest: Manifest,
    /// What was odd so far.
    pub(crate) findings: Vec<Finding>,
}

impl Opened {
    /// Whether a file is there to be read.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.manifest.mode(file) == Mode::Bulk
    }

    /// Goes through one file: `each` has it as a table.
    pub(crate) fn table<C: Columns, T>(
        &self,
        each: impl FnOnce(
            Table<C, &mut dyn std::io::Read>,
            Vec<rostercard_oneroster::Finding>,
        ) -> Result<T, ConnectorError>,
    ) -> Result<T, ConnectorError> {
        let mut entry = self.package.open_entry(C::FILE).map_err(error::package)?;
        let reader = entry.reader().map_err(error::package)?;
        let mut text = text::open(C::FILE, reader).map_err(error::package)?;
        let input: &mut dyn std::io::Read = &mut text;
        let (table, findings) = Table::open(self.manifest.version, input).map_err(error::read)?;
        each(table, findings)
    }
}

/// Opens the package and reads its manifest.
pub(crate) fn open(settings: &Settings) -> Result<Opened, ConnectorError> {
    let Some(path) = &settings.path else {
        return Err(error::declared(
            "no package was named, and rosters of this partnership are given by `rostercard import`",
            "give the package to `rostercard import`",
        ));
    };
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
    refuse_deltas(&manifest)?;
    if manifest.mode(Users::FILE) == Mode::Absent {
        return Err(error::declared(
            "users.csv: the manifest declares it absent, and without it there is no roster",
            "Ask the district to include users in its export",
        ));
    }
    let findings = findings.into_iter().map(from_protocol).collect();
    Ok(Opened { package, manifest, findings })
}

fn refuse_deltas(manifest: &Manifest) -> Result<(), ConnectorError> {
    for file in [Users::FILE, Orgs::FILE, Roles::FILE, Demographics::FILE] {
        if manifest.mode(file) == Mode::Delta {
            return Err(error::declared(
                format!(
                    "{file}: its mode is delta; delta packages come with a later version; nothing was read"
                ),
                "Ask the district for a bulk export",
            ));
        }
    }
    Ok(())
}

/// Whether people's roles and schools are in `roles.csv`, and not in `users.csv`.
pub(crate) fn roles_apart(opened: &Opened) -> bool {
    opened.manifest.version == Version::V1_2 && opened.has(Roles::FILE)
}
