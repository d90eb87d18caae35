//! What the district has sent, what of it is new, and what is to be given out.
//!
//! Packages are taken in the order of their files' times. A package is known by its bytes: one that is in the image already
//! is passed over, under whatever name it comes. One that is older than the last whole package is passed over and named;
//! among deltas, the rows' own dates decide.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rostercard_core::field::FieldRules;
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{ConnectorError, Cursor, Fault, Resume, Retry};
use rostercard_intake::drop_folder::{self, Ready};
use rostercard_oneroster::{Columns, Demographics, Mode, Orgs, Roles, Users, Version};

use super::changes::Changes;
use super::image::{Head, Image, Images};
use super::keep::{self, Allowed};
use crate::error;
use crate::open::{self, Opened};
use crate::settings::Settings;

/// So many packages are remembered as used, beside those that are still there.
const REMEMBERED: usize = 500;
/// A whole package that is older than this is worth asking for a new one.
const DUE_HOURS: i64 = 35 * 24;
const CURSOR: &str = "csvimage1 ";

/// A package that lies there.
struct Pack {
    path: PathBuf,
    name: String,
    digest: String,
    at: Option<Timestamp>,
}

/// What is to be given out.
#[derive(Debug)]
pub(crate) struct Given {
    /// The image that it is read from.
    pub(crate) image: Image,
    pub(crate) changes: Changes,
    pub(crate) what: What,
    pub(crate) findings: Vec<Finding>,
}

/// How much of an image is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Everybody, and who is not among them is not in the roster.
    Everybody,
    /// Everybody; of who is not among them nothing is said, but of those who were named.
    All,
    /// Those who were named.
    Named,
    /// Nothing: the last roster stands.
    Nothing,
}

impl Given {
    /// Where the next run goes on from.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor(format!("{CURSOR}{}", self.image.name))
    }
}

fn disk(path: &Path, error: &std::io::Error) -> ConnectorError {
    ConnectorError::new(
        Fault::Operator,
        Retry::Later,
        format!("{}: {error}", path.display()),
        "look at the path, its owner and its permissions",
    )
}

/// The packages that lie there and are whole, oldest first.
fn packages(
    settings: &Settings,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Pack>, ConnectorError> {
    let Some(path) = &settings.path else { return Ok(Vec::new()) };
    let failed = |error| disk(path, &error);
    let one = |name: String, path: PathBuf, digest| -> Result<Pack, ConnectorError> {
        let at = std::fs::metadata(&path).and_then(|about| about.modified()).ok();
        Ok(Pack { name, path, digest, at: at.and_then(|at| Timestamp::try_from(at).ok()) })
    };
    let about = std::fs::metadata(path).map_err(failed)?;
    if about.is_file() {
        let digest = drop_folder::fingerprint(path).map_err(failed)?;
        return Ok(vec![one(String::new(), path.clone(), digest)?]);
    }
    if path.join("manifest.csv").is_file() {
        // A folder that is itself a package: its digest is that of its files.
        let opened = open::open_any(settings, path)?;
        let mut all = String::new();
        for file in keep::FILES.iter().chain(&["manifest.csv"]).map(|file| path.join(file)) {
            if file.is_file() {
                all.push_str(&drop_folder::fingerprint(&file).map_err(failed)?);
            }
        }
        let digest = name_of(&[&all]);
        return Ok(vec![Pack { name: String::new(), path: path.clone(), digest, at: opened.modified() }]);
    }
    let since = Duration::try_from(now.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default();
    let ready = Ready::After(settings.ready_after);
    let listing =
        drop_folder::list(path, &["zip"], &ready, SystemTime::UNIX_EPOCH + since).map_err(failed)?;
    for (name, why) in &listing.waiting {
        let message = format!("the package is not taken yet: {why}");
        findings.push(Finding::new("file_not_ready", Place::file(name), message));
    }
    let each = listing.ready.into_iter().map(|dropped| {
        let path = path.join(&dropped.name);
        let digest = drop_folder::fingerprint(&path).map_err(|error| disk(&path, &error))?;
        one(dropped.name, path, digest)
    });
    each.collect()
}

/// A name that follows from these.
fn name_of(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().chars().take(32).collect()
}

/// Whether a package has everybody in it, with what they are.
fn has_everybody(pack: &Opened) -> bool {
    let mode = |file| pack.manifest.mode(file);
    let roles = pack.manifest.version == Version::V1_1 || mode(Roles::FILE) != Mode::Delta;
    mode(Users::FILE) == Mode::Bulk && roles
}

/// Whether a package needs nothing that came before.
fn is_whole(pack: &Opened) -> bool {
    has_everybody(pack)
        && [Orgs::FILE, Demographics::FILE].iter().all(|file| pack.manifest.mode(file) != Mode::Delta)
}

/// Takes in what is new, and says what is to be given out.
pub(crate) fn prepare(
    settings: &Settings,
    rules: &FieldRules,
    images: &Images,
    from: &Resume,
) -> Result<Given, ConnectorError> {
    let allowed = Allowed { settings, rules };
    let mut findings = Vec::new();
    let packs = packages(settings, images.now, &mut findings)?;
    let (mut all, broken) = images.all().map_err(error::image)?;
    if broken > 0 {
        let message =
            "an image of the roster does not open (cut, changed, or of another key); it is not used";
        findings.push(Finding::new("roster_image_broken", Place::default(), message));
    }
    let before = all.len();
    all.retain(|image| image.head.settings == allowed.digest());
    if all.len() < before {
        let message = "which fields may be read, or which id is the student's, has changed since the roster was kept: a whole package is needed";
        findings.push(Finding::new("roster_image_of_other_settings", Place::default(), message));
    }
    let root =
        from.cursor.as_ref().and_then(|cursor| cursor.0.strip_prefix(CURSOR)).unwrap_or_default().to_owned();
    let newest = |linked: bool| {
        let fitting = all.iter().filter(|image| !linked || is_linked(&all, image, &root));
        fitting.max_by_key(|image| (chain(&all, image, &root).len(), image.head.as_of, image.name.clone()))
    };
    let mut leaf = newest(true).or_else(|| newest(false)).cloned();
    let known = |image: &Option<Image>, digest: &String| {
        image.as_ref().is_some_and(|image| image.head.applied.contains(digest))
    };
    let mut new = Vec::new();
    let mut passed = Vec::new();
    let mut broken = None;
    for pack in packs.iter().filter(|pack| !known(&leaf, &pack.digest)) {
        let mut opened = match open::open_any(settings, &pack.path) {
            Ok(opened) => opened,
            // A later package with everything in it makes good for one that cannot be read.
            Err(error) => {
                broken = broken.or(Some(error));
                passed.push(pack.digest.clone());
                continue;
            }
        };
        for finding in &mut opened.findings {
            inside(&mut finding.place, &pack.name);
        }
        if let Some(image) = &leaf {
            let than = if is_whole(&opened) { image.head.as_of } else { image.head.whole_at };
            if pack.at < than {
                let message = "the package is older than what was taken before it; it was passed over";
                findings.push(Finding::new("package_older", Place::file(&pack.name), message));
                continue;
            }
            if pack.at < image.head.as_of {
                let message =
                    "the package came late: of its rows, those count that are not older than what is kept";
                findings.push(Finding::new("package_late", Place::file(&pack.name), message));
            }
        }
        if is_whole(&opened) {
            passed.extend(new.drain(..).map(|(pack, _): (&Pack, Opened)| pack.digest.clone()));
            if broken.take().is_some() {
                let message = "a package before it cannot be read; it was passed over, for this one has everything in it";
                findings.push(Finding::new("package_passed_over", Place::file(&pack.name), message));
            }
        }
        new.push((pack, opened));
    }
    if let Some(error) = broken {
        return Err(error);
    }
    for (pack, opened) in new {
        let whole = is_whole(&opened);
        let base = leaf.as_ref().filter(|_| !whole);
        findings.extend(refuse(base, &opened, &pack.name, whole)?);
        let parent = leaf.as_ref().map(|image| image.name.clone()).unwrap_or_default();
        let name = name_of(&[&parent, &pack.digest, &format!("{:x}", allowed.digest())]);
        let mut applied: Vec<String> = std::mem::take(&mut passed);
        applied.push(pack.digest.clone());
        if let Some(image) = &leaf {
            let there = |digest: &&String| packs.iter().any(|pack| pack.digest == **digest);
            let old = &image.head.applied;
            let last = old.len().saturating_sub(REMEMBERED);
            let kept = old.iter().enumerate().filter(|(at, digest)| *at >= last || there(digest));
            applied.splice(0..0, kept.map(|(_, digest)| digest.clone()));
        }
        let everybody = has_everybody(&opened);
        let held = base.map(|image| &image.head);
        let head = Head {
            parent,
            founded: everybody,
            as_of: pack.at.max(held.and_then(|head| head.as_of)),
            whole_at: if everybody { pack.at } else { held.and_then(|head| head.whole_at) },
            version: opened.manifest.version,
            settings: allowed.digest(),
            student_id: settings.student_id.clone(),
            system: opened.manifest.system_name.clone(),
            files: Vec::new(),
            applied,
        };
        findings.extend(opened.findings.iter().cloned());
        let (image, _) = keep::apply(images, allowed, base, &opened, &name, head)?;
        match &opened.from {
            open::From::Package(package) => package.verify_unchanged().map_err(error::package)?,
            open::From::Image(_) => {}
        }
        all.push(image.clone());
        leaf = Some(image);
    }
    let Some(leaf) = leaf else {
        return Err(error::declared(
            "there is no package with everybody in it to begin with",
            "Ask the district for a bulk export; deltas change what one has brought",
        ));
    };
    give(images, from, &all, leaf, &root, findings)
}

/// Whether deltas on top of an image can be taken.
fn refuse(
    base: Option<&Image>,
    pack: &Opened,
    name: &str,
    whole: bool,
) -> Result<Option<Finding>, ConnectorError> {
    match base {
        _ if whole => crate::read::check_roles(pack),
        None => Err(error::declared(
            format!("{name}: a delta package, and there is no roster yet that it could change"),
            "Ask the district for a bulk export to begin with",
        )),
        Some(image) if image.head.version != pack.manifest.version => Err(error::declared(
            format!(
                "{name}: a delta of OneRoster {}, and the roster is of {}",
                pack.manifest.version.as_str(),
                image.head.version.as_str()
            ),
            "Ask the district for a bulk export after the change of version",
        )),
        Some(_) => Ok(None),
    }
}

/// The images from this one back to the cursor's, which is not among them; the newest first.
fn chain<'a>(all: &'a [Image], leaf: &'a Image, root: &str) -> Vec<&'a Image> {
    let mut chain = Vec::new();
    let mut at = Some(leaf);
    while let Some(image) = at.filter(|image| image.name != root && chain.len() <= all.len()) {
        chain.push(image);
        at = all.iter().find(|other| other.name == image.head.parent);
    }
    chain
}

/// Whether an image was made from the cursor's, or is it.
fn is_linked(all: &[Image], leaf: &Image, root: &str) -> bool {
    leaf.name == root || chain(all, leaf, root).last().is_some_and(|first| first.head.parent == root)
}

fn give(
    images: &Images,
    from: &Resume,
    all: &[Image],
    leaf: Image,
    root: &str,
    mut findings: Vec<Finding>,
) -> Result<Given, ConnectorError> {
    let mut changes = Changes::default();
    let chain = chain(all, &leaf, root);
    let mut founded = false;
    for image in &chain {
        changes.add(Changes::read(image).map_err(error::image)?);
        founded = image.head.founded;
        if founded {
            break;
        }
    }
    let linked = is_linked(all, &leaf, root);
    let mut say = |code, message: String| findings.push(Finding::new(code, Place::default(), message));
    let what = if images.look || founded {
        What::Everybody
    } else if !linked {
        say(
            "roster_image_not_linked",
            "what was done last is not what the kept roster goes on from: everybody is looked at, and who left in between is found by the next whole package".to_owned(),
        );
        What::All
    } else if let Some(why) = &from.full {
        say("full_read_asked", format!("everybody of the kept roster was looked at: {why}"));
        What::All
    } else if chain.is_empty() {
        say("no_new_file", "no new package has come: the last roster stands".to_owned());
        What::Nothing
    } else if changes.all {
        What::All
    } else {
        What::Named
    };
    if let Some(at) = leaf.head.whole_at.filter(|at| images.now.duration_since(*at).as_hours() > DUE_HOURS) {
        say(
            "whole_package_due",
            format!(
                "the last package with everybody in it is of {at:.0}: ask the district for one, for what a lost delta said is not found otherwise"
            ),
        );
    }
    Ok(Given { image: leaf, changes, what, findings })
}

/// A place inside a package.
fn inside(place: &mut Place, pack: &str) {
    if let Some(file) = place.file.as_mut().filter(|_| !pack.is_empty()) {
        *file = format!("{pack}/{file}");
    }
}

/// Lets go of the images that a settled plan has made old.
pub(crate) fn released(images: &Images, cursor: &Cursor) -> Result<(), ConnectorError> {
    match cursor.0.strip_prefix(CURSOR) {
        Some(name) => images.keep_from(name).map_err(error::image),
        None => Ok(()),
    }
}

/// What lies there, without taking it.
pub(crate) fn look_at(
    settings: &Settings,
    images: &Images,
) -> Result<(Vec<Finding>, Option<Opened>), ConnectorError> {
    let mut findings = Vec::new();
    let packs = packages(settings, images.now, &mut findings)?;
    let mut newest = None;
    for pack in &packs {
        let opened = open::open_any(settings, &pack.path)?;
        findings.extend(opened.findings.iter().cloned());
        newest = Some(opened);
    }
    let (all, _) = images.all().map_err(error::image)?;
    match all.iter().filter_map(|image| image.head.as_of).max() {
        Some(at) => findings.push(Finding::new(
            "roster_kept",
            Place::default(),
            format!("the roster that deltas change is of {at:.0}"),
        )),
        None => findings.push(Finding::new(
            "roster_not_kept_yet",
            Place::default(),
            "no roster is kept yet: the first package has to be a bulk export",
        )),
    }
    Ok((findings, newest))
}
