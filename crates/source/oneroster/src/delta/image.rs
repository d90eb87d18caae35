//! The kept roster: an image of what a district's packages came to, sealed and with allowed fields alone, and the folder in
//! which a partnership's images lie.
//!
//! Each package makes a new image out of the one before; none is ever changed but by [`Images::forget`]. An image is a folder
//! that is written whole and then renamed to its name, which follows from the image before and the package's bytes: the same
//! package twice makes the same image. Images that were made and whose plan is not settled yet are all kept, each with what
//! its package changed; the cursor names the one up to which everything is done.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rostercard_core::privacy::Personal;
use rostercard_oneroster::{Columns, Demographics, Roles, Users, Version};

use super::line;
use super::sealed::{Seal, SealedReader, SealedWriter};
use crate::settings::StudentIdFrom;

/// What an image is: moments, digests, no person.
const HEAD: &str = "head";
/// What its package changed.
pub(crate) const CHANGES: &str = "changes";
/// Ids that were said to be deleted, with when.
pub(crate) const GONE: &str = "gone";
/// What a half-written image's folder has in its name.
const PART: &str = ".part-";

/// The folder of a partnership's images, and how they are sealed.
#[derive(Debug, Clone)]
pub struct Images {
    folder: PathBuf,
    pub(crate) seal: Arc<dyn Seal>,
    /// The time now: it says which packages have rested for long enough.
    pub(crate) now: Timestamp,
    /// Whether they are looked at and not acted upon.
    pub(crate) look: bool,
}

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The image that it was made from; empty where there was none.
    pub(crate) parent: String,
    /// Whether its package had all people in it, so that who is not in it is not in the roster.
    pub(crate) founded: bool,
    /// The moment that the roster is of.
    pub(crate) as_of: Option<Timestamp>,
    /// The moment of the last package with everybody in it.
    pub(crate) whole_at: Option<Timestamp>,
    pub(crate) version: Version,
    /// A digest of what decides which fields are kept.
    pub(crate) settings: u64,
    pub(crate) student_id: StudentIdFrom,
    /// The district's system.
    pub(crate) system: Option<String>,
    /// The files that it has.
    pub(crate) files: Vec<String>,
    /// Digests of the packages that are in it, or were passed over.
    pub(crate) applied: Vec<String>,
}

/// One image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) head: Head,
    path: PathBuf,
    seal: Arc<dyn Seal>,
}

/// What is kept of one student, for who may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The file of the package that it is of.
    pub file: &'static str,
    /// The values, as the district's package had them.
    pub values: Personal,
}

impl Images {
    /// The images in `folder`, which need not be there yet. `now` is the time now.
    #[must_use]
    pub fn new(folder: PathBuf, seal: Arc<dyn Seal>, now: Timestamp) -> Self {
        Self { folder, seal, now, look: false }
    }

    /// The same, to be looked at: everybody is given out, whatever was done before.
    #[must_use]
    pub fn to_look_at(mut self) -> Self {
        self.look = true;
        self
    }

    /// Removes all images of a folder. Whether there were any.
    ///
    /// # Errors
    /// The disk says no; what was removed stays so, and doing it again does the rest.
    pub fn remove(folder: &Path) -> io::Result<bool> {
        match fs::remove_dir_all(folder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The images that there are and that open, and how many do not.
    pub(crate) fn all(&self) -> io::Result<(Vec<Image>, usize)> {
        let (mut images, mut broken) = (Vec::new(), 0);
        for name in self.names()? {
            if name.contains(PART) {
                continue;
            }
            match self.image(&name) {
                Ok(image) => images.push(image),
                Err(_) => broken += 1,
            }
        }
        images.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((images, broken))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok(entries) => {
                entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
            }
        }
    }

    fn image(&self, name: &str) -> io::Result<Image> {
        let path = self.folder.join(name);
        let mut text = String::new();
        SealedReader::open(&path.join(HEAD), format!("{name}/{HEAD}"), Arc::clone(&self.seal))?
            .read_to_string(&mut text)?;
        let head = Head::read(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an image's head is none"))?;
        Ok(Image { name: name.to_owned(), head, path, seal: Arc::clone(&self.seal) })
    }

    /// Begins an image of this name.
    pub(crate) fn begin(&self, name: &str) -> io::Result<Draft> {
        let folder = |path: &Path| fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        folder(&self.folder)?;
        // Somebody who looks may make the same image at the same time: each in a folder of its own.
        let path = self.folder.join(format!("{name}{PART}{}", std::process::id()));
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        folder(&path)?;
        Ok(Draft { images: self.clone(), name: name.to_owned(), path })
    }

    /// Removes all images but this one and those that were made from it.
    pub(crate) fn keep_from(&self, name: &str) -> io::Result<()> {
        let (images, _) = self.all()?;
        if !images.iter().any(|image| image.name == name) {
            return Ok(());
        }
        let mut kept = vec![name.to_owned()];
        loop {
            let more: Vec<String> = images
                .iter()
                .filter(|image| kept.contains(&image.head.parent) && !kept.contains(&image.name))
                .map(|image| image.name.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            kept.extend(more);
        }
        for other in self.names()?.into_iter().filter(|other| !kept.contains(other)) {
            fs::remove_dir_all(self.folder.join(other))?;
        }
        Ok(())
    }

    /// What the newest image keeps of a student.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn about(&self, student_id: &Personal) -> io::Result<Vec<Kept>> {
        let (images, _) = self.all()?;
        let Some(newest) = images.iter().max_by_key(|image| image.head.as_of) else { return Ok(Vec::new()) };
        let mut kept = Vec::new();
        let ids = newest.ids_of(student_id.reveal())?;
        for (file, at) in PERSONAL {
            newest.lines(file, |text| {
                let cells = line::split(text);
                if cells.get(*at).is_some_and(|id| ids.iter().any(|known| known == id)) {
                    let said: Vec<&str> =
                        cells.iter().map(AsRef::as_ref).filter(|cell| !cell.is_empty()).collect();
                    kept.push(Kept { file, values: Personal::new(said.join(", ")) });
                }
                Ok(())
            })?;
        }
        Ok(kept)
    }

    /// Removes a student from every image. How many rows went. While the district's packages name the student, the next of
    /// them brings the student back.
    ///
    /// # Errors
    /// The disk says no; doing it again does the rest.
    pub fn forget(&self, student_id: &Personal) -> io::Result<u64> {
        let mut removed = 0;
        for image in self.all()?.0 {
            let ids = image.ids_of(student_id.reveal())?;
            for (file, at) in PERSONAL {
                removed += image.without(file, |cells| {
                    cells.get(*at).is_some_and(|id| ids.iter().any(|known| known == id))
                })?;
            }
            for file in [CHANGES, GONE] {
                image.without(file, |cells| {
                    cells.iter().any(|cell| {
                        cell.as_ref() == student_id.reveal() || ids.iter().any(|known| known == cell)
                    })
                })?;
            }
        }
        Ok(removed)
    }
}

/// The files that have people in them, and which cell says whose row it is. Roles last: who is whose is known from users.
const PERSONAL: &[(&str, usize)] = &[(Demographics::FILE, 0), (Roles::FILE, 2), (Users::FILE, 0)];

impl Image {
    pub(crate) fn has(&self, file: &str) -> bool {
        self.head.files.iter().any(|known| known == file)
    }

    /// One of its files, opened.
    pub(crate) fn reader(&self, file: &str) -> io::Result<SealedReader> {
        SealedReader::open(&self.path.join(file), format!("{}/{file}", self.name), Arc::clone(&self.seal))
    }

    /// Goes through the lines of one of its files, but the header; nothing where it does not have it.
    pub(crate) fn lines(&self, file: &str, mut each: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        self.with_header(file, |at, text| if at == 0 { Ok(()) } else { each(text) })
    }

    /// The header of one of its files.
    pub(crate) fn header(&self, file: &str) -> io::Result<String> {
        let mut header = String::new();
        if self.has(file) {
            BufReader::new(self.reader(file)?).read_line(&mut header)?;
        }
        Ok(header.trim_end().to_owned())
    }

    fn with_header(&self, file: &str, mut each: impl FnMut(u64, &str) -> io::Result<()>) -> io::Result<()> {
        if !self.has(file) {
            return Ok(());
        }
        let mut reader = BufReader::with_capacity(64 * 1024, self.reader(file)?);
        let (mut text, mut at) = (String::new(), 0);
        loop {
            text.clear();
            if reader.read_line(&mut text)? == 0 {
                return Ok(());
            }
            each(at, text.trim_end_matches('\n'))?;
            at += 1;
        }
    }

    /// The `sourcedId`s of a student.
    fn ids_of(&self, student_id: &str) -> io::Result<Vec<String>> {
        let mut ids = Vec::new();
        self.lines(Users::FILE, |text| {
            let cells = line::split(text);
            if line::student_id(&self.head.student_id, &cells) == student_id
                && let Some(id) = cells.first().filter(|id| !id.is_empty())
            {
                ids.push(id.clone().into_owned());
            }
            Ok(())
        })?;
        Ok(ids)
    }

    /// Writes a file anew without some of its lines, and puts it in the old one's place. How many went.
    fn without(&self, file: &str, goes: impl Fn(&[std::borrow::Cow<'_, str>]) -> bool) -> io::Result<u64> {
        if !self.has(file) {
            return Ok(0);
        }
        let part = self.path.join(format!("{file}{PART}{}", std::process::id()));
        let mut writer =
            SealedWriter::create(&part, format!("{}/{file}", self.name), Arc::clone(&self.seal))?;
        let mut gone = 0;
        self.with_header(file, |at, text| {
            if at > 0 && goes(&line::split(text)) {
                gone += 1;
                return Ok(());
            }
            writer.add(text.as_bytes())?;
            writer.add(b"\n")
        })?;
        writer.finish()?;
        if gone == 0 {
            fs::remove_file(&part)?;
        } else {
            fs::rename(&part, self.path.join(file))?;
        }
        Ok(gone)
    }
}

/// An image being written.
pub(crate) struct Draft {
    images: Images,
    name: String,
    path: PathBuf,
}

impl Draft {
    /// One of its files, to be written.
    pub(crate) fn file(&self, file: &str) -> io::Result<SealedWriter> {
        let name = format!("{}/{file}", self.name);
        SealedWriter::create(&self.path.join(file), name, Arc::clone(&self.images.seal))
    }

    /// Gives it its head and its name. Where somebody made the same image meanwhile, that one stays.
    pub(crate) fn finish(self, head: &Head) -> io::Result<Image> {
        let mut file = self.file(HEAD)?;
        file.add(head.write().as_bytes())?;
        file.finish()?;
        fs::File::open(&self.path)?.sync_all()?;
        let to = self.images.folder.join(&self.name);
        match fs::rename(&self.path, &to) {
            Ok(()) => fs::File::open(&self.images.folder)?.sync_all()?,
            Err(_) if self.images.image(&self.name).is_ok() => fs::remove_dir_all(&self.path)?,
            // One that does not open: cut short by a disk, or of another key.
            Err(_) if to.exists() => {
                fs::remove_dir_all(&to)?;
                fs::rename(&self.path, &to)?;
            }
            Err(error) => return Err(error),
        }
        self.images.image(&self.name)
    }
}

impl Head {
    fn write(&self) -> String {
        let moment = |at: Option<Timestamp>| at.map_or(String::from("-"), |at| at.to_string());
        let mut lines = vec![
            "rostercard image 1".to_owned(),
            format!("parent {}", self.parent),
            format!("founded {}", self.founded),
            format!("as_of {}", moment(self.as_of)),
            format!("whole_at {}", moment(self.whole_at)),
            format!("version {}", self.version.as_str()),
            format!("settings {:016x}", self.settings),
            format!("student_id {}", self.student_id),
            format!("system {}", self.system.as_deref().unwrap_or_default().replace(char::is_control, " ")),
            format!("files {}", self.files.join(" ")),
        ];
        lines.extend(self.applied.iter().map(|digest| format!("applied {digest}")));
        lines.join("\n")
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some("rostercard image 1") {
            return None;
        }
        let mut next = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ').map(str::to_owned);
        let moment = |text: String| match text.as_str() {
            "-" => Some(None),
            at => at.parse().ok().map(Some),
        };
        Some(Self {
            parent: next("parent")?,
            founded: next("founded")? == "true",
            as_of: moment(next("as_of")?)?,
            whole_at: moment(next("whole_at")?)?,
            version: Version::parse(&next("version")?)?,
            settings: u64::from_str_radix(&next("settings")?, 16).ok()?,
            student_id: next("student_id")?.parse().ok()?,
            system: Some(next("system")?).filter(|name| !name.is_empty()),
            files: next("files")?.split(' ').filter(|file| !file.is_empty()).map(str::to_owned).collect(),
            applied: lines.filter_map(|line| line.strip_prefix("applied ")).map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back() {
        let head = Head {
            parent: String::new(),
            founded: true,
            as_of: Some("2026-11-24T04:00:00Z".parse().unwrap()),
            whole_at: None,
            version: Version::V1_2,
            settings: 7,
            student_id: StudentIdFrom::UserIds("stateId".into()),
            system: Some("A SIS".into()),
            files: vec!["users.csv".into(), "gone".into()],
            applied: vec!["ab".into(), "cd".into()],
        };
        assert_eq!(Head::read(&head.write()), Some(head.clone()));
        for cut in 0..9 {
            let lines: Vec<String> = head.write().lines().take(cut).map(str::to_owned).collect();
            assert_eq!(Head::read(&lines.join("\n")), None, "{cut}");
        }
    }
}
