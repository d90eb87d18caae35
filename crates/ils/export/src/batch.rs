//! One file on its way: written card by card under a name that no loader takes, put in place whole.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;

use crate::layout::{Form, Layout};

/// The ending of a file that is not whole yet.
const PART: &str = "part";

/// A file on its way.
pub(crate) struct Batch {
    /// Its name without an ending.
    pub(crate) name: String,
    part: PathBuf,
    file: File,
    numbers: HashSet<blake3::Hash>,
}

/// What was handed over.
pub(crate) struct HandedOver {
    pub(crate) file: String,
    pub(crate) cards: usize,
}

fn of(number: &str) -> blake3::Hash {
    blake3::hash(number.as_bytes())
}

/// Makes the folder, for its owner alone, where it is not there.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn ending(layout: &Layout) -> &'static str {
    match layout.form {
        Form::Csv => "csv",
        Form::Flat => "txt",
    }
}

impl Batch {
    /// The file that a run which was killed left behind, if there is one that nobody writes to.
    pub(crate) fn left_behind(folder: &Path, prefix: &str, layout: &Layout) -> io::Result<Option<Self>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut parts: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        parts.retain(|path| {
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            path.extension().is_some_and(|e| e == PART) && name.starts_with(prefix)
        });
        parts.sort();
        for part in parts {
            let file = OpenOptions::new().read(true).append(true).open(&part)?;
            if file.try_lock().is_err() {
                continue;
            }
            let (numbers, whole) = layout.numbers(&fs::read(&part)?);
            // A card that was torn was not answered for.
            file.set_len(whole as u64)?;
            let name = part.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let mut batch = Self { name, part, file, numbers: numbers.iter().map(|n| of(n)).collect() };
            if whole == 0 {
                batch.file.write_all(&layout.header())?;
            }
            return Ok(Some(batch));
        }
        Ok(None)
    }

    /// A new file.
    pub(crate) fn begin(folder: &Path, prefix: &str, now: Timestamp, layout: &Layout) -> io::Result<Self> {
        let stamp = now.strftime("%Y%m%dT%H%M%SZ");
        for number in 1..1_000 {
            let name =
                if number == 1 { format!("{prefix}{stamp}") } else { format!("{prefix}{stamp}-{number}") };
            let part = folder.join(format!("{name}.{PART}"));
            if folder.join(format!("{name}.{}", ending(layout))).exists() {
                continue;
            }
            let opened = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&part);
            let mut file = match opened {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            file.try_lock().map_err(|_| io::Error::from(io::ErrorKind::WouldBlock))?;
            file.write_all(&layout.header())?;
            File::open(folder)?.sync_all()?;
            return Ok(Self { name, part, file, numbers: HashSet::new() });
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// Whether a card is in it already.
    pub(crate) fn has(&self, number: &str) -> bool {
        self.numbers.contains(&of(number))
    }

    /// Adds a card. When this returns, it is on disk.
    pub(crate) fn add(&mut self, number: &str, card: &[u8]) -> io::Result<()> {
        let before = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(card).and_then(|()| self.file.sync_data()) {
            // Half a card must not stay before the next one.
            self.file.set_len(before)?;
            return Err(error);
        }
        self.numbers.insert(of(number));
        Ok(())
    }

    /// Puts the file in place, its manifest first: who waits for the file finds both.
    pub(crate) fn finish(
        self,
        folder: &Path,
        layout: &Layout,
        preset: &str,
    ) -> io::Result<Option<HandedOver>> {
        if self.numbers.is_empty() {
            fs::remove_file(&self.part)?;
            return Ok(None);
        }
        let length = self.file.metadata()?.len();
        self.file.set_len(length.saturating_sub(layout.surplus().len() as u64))?;
        self.file.sync_all()?;
        let bytes = fs::read(&self.part)?;
        let name = format!("{}.{}", self.name, ending(layout));
        let manifest = json!({
            "file": name,
            "cards": self.numbers.len(),
            "bytes": bytes.len(),
            "blake3": blake3::hash(&bytes).to_hex().to_string(),
            "layout": preset,
            "columns": layout.columns.iter().map(|column| &column.name).collect::<Vec<_>>(),
            "creates_only": true,
        });
        let beside = folder.join(format!("{}.manifest.json", self.name));
        let fresh = beside.with_extension("json.part-manifest");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(format!("{manifest:#}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &beside)?;
        fs::rename(&self.part, folder.join(&name))?;
        File::open(folder)?.sync_all()?;
        Ok(Some(HandedOver { file: name, cards: self.numbers.len() }))
    }
}

/// Whether a card is in a whole file that is still in the folder: a run that was killed after the file was put in place
/// must not hand the card over again.
pub(crate) fn handed_over(folder: &Path, prefix: &str, layout: &Layout) -> io::Result<HashSet<blake3::Hash>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = HashSet::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(prefix) && path.extension().is_some_and(|e| e == ending(layout)) {
            // A loader may take it away meanwhile.
            match fs::read(&path) {
                Ok(bytes) => {
                    let bytes = [&bytes, layout.surplus()].concat();
                    numbers.extend(layout.numbers(&bytes).0.iter().map(|number| of(number)));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(numbers)
}

/// Whether a number is in such a set.
pub(crate) fn is_in(numbers: &HashSet<blake3::Hash>, number: &str) -> bool {
    numbers.contains(&of(number))
}
