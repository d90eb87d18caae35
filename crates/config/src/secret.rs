//! Secrets are referred to, not written down: `{ credential = "NAME" }`, `{ file = "..." }`, `{ env = "NAME" }`.
//! Reading a reference touches nothing; resolving it asks a [`SecretStore`], which the program makes, because it alone
//! knows the environment. Nothing here ever shows a secret or the line it stands on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::PathBuf;

use rostercard_core::privacy::Secret;
use zeroize::Zeroizing;

use crate::document::{Node, Value};
use crate::names::is_reference_name;
use crate::place::{Place, Placed};
use crate::problem::{Code, Problem, Problems};
use crate::sensitive::REFERENCES;
use crate::suggest::nearest;

/// The largest secret that is read, in bytes: a private key fits, a log file named by mistake does not.
const LARGEST: usize = 64 * 1024;

/// Whether a secret may be written into the configuration in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clear {
    /// It is an error.
    Refused,
    /// It is a warning: a practice server's password, which is none.
    Warned,
}

/// Where a secret is.
#[derive(Clone, Debug)]
pub enum SecretWay {
    /// A systemd credential of this name.
    Credential(String),
    /// A file; a relative path counts from the folder of rostercard.toml.
    File(PathBuf),
    /// An environment variable of this name.
    Env(String),
    /// It was written in clear, where that is allowed.
    Clear(Secret),
}

/// A reference to a secret, and where it was said.
#[derive(Clone, Debug)]
pub struct SecretRef(pub(crate) Placed<SecretWay>);

/// What a store found.
pub struct FoundSecret {
    /// The bytes as they are there.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Whether other users of the machine can read them.
    pub others_can_read: bool,
}

/// Why a store has no secret to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// There is none by that name.
    #[error("it is not there")]
    Missing,
    /// Credentials were asked for, and the program was not started with any.
    #[error("the program was started without credentials")]
    NoCredentials,
    /// It is there and may not be read, or the disk failed.
    #[error("it cannot be read")]
    Unreadable,
    /// It is larger than any secret.
    #[error("it is larger than 64 KiB")]
    TooLarge,
}

/// Where secrets are kept: the machine, or a table in a test.
pub trait SecretStore {
    /// Reads one.
    ///
    /// # Errors
    /// [`SecretFault`], where there is nothing to read.
    fn read(&self, way: &SecretWay) -> Result<FoundSecret, SecretFault>;
}

impl SecretRef {
    /// Where the secret is said to be.
    #[must_use]
    pub fn way(&self) -> &SecretWay {
        &self.0.value
    }

    /// Where the reference stands.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// The key path of the reference.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// Fetches the secret, without the line's end behind it. What is wrong is told to `problems`.
    pub fn resolve(&self, store: &dyn SecretStore, problems: &Problems) -> Option<Secret> {
        if let SecretWay::Clear(secret) = &self.0.value {
            return Some(secret.clone());
        }
        let found = match store.read(&self.0.value) {
            Ok(found) => found,
            Err(fault) => {
                let message = format!("this secret could not be had: {fault}");
                problems.add(Problem::about(&self.0, Code::SecretMissing, message, self.advice(fault)));
                return None;
            }
        };
        if found.others_can_read {
            problems.add(
                Problem::about(
                    &self.0,
                    Code::SecretReadable,
                    "other users of this machine can read this secret's file",
                    "let its owner alone read it: chmod 600",
                )
                .as_warning(),
            );
        }
        let Ok(text) = std::str::from_utf8(&found.bytes) else {
            problems.add(Problem::about(
                &self.0,
                Code::SecretMissing,
                "this secret is not UTF-8 text",
                "store it as text; binary keys as hexadecimal or base64, as the manual says",
            ));
            return None;
        };
        let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() {
            problems.add(Problem::about(
                &self.0,
                Code::SecretMissing,
                "this secret is empty",
                "store the secret there, on one line",
            ));
            return None;
        }
        Some(Secret::new(text))
    }

    fn advice(&self, fault: SecretFault) -> String {
        match (&self.0.value, fault) {
            (_, SecretFault::TooLarge) => "name the file that holds the secret and nothing else".to_owned(),
            (SecretWay::Credential(name), SecretFault::NoCredentials) => {
                format!("start it by its systemd unit, with LoadCredential={name}:/path/to/the/file in it")
            }
            (SecretWay::Credential(name), _) => {
                format!("add LoadCredential={name}:/path/to/the/file to the systemd unit")
            }
            (SecretWay::File(_), SecretFault::Unreadable) => {
                "let the user that Rostercard runs as read that file, and nobody else".to_owned()
            }
            (SecretWay::File(_), _) => {
                "write the secret into that file, readable by its owner alone".to_owned()
            }
            (SecretWay::Env(name), _) => {
                format!("set the environment variable {name}, or use a credential instead")
            }
            (SecretWay::Clear(_), _) => "use a reference: { credential = \"NAME\" }".to_owned(),
        }
    }
}

/// Reads a reference. Whatever is wrong with it, the line is hidden first: what stands there may be the secret.
pub(crate) fn read(node: &Node, key: &str, clear: Clear, problems: &Problems) -> Option<SecretRef> {
    let place = node.place.clone();
    let at = |way| Some(SecretRef(Placed { value: way, place: place.clone(), key: key.to_owned() }));
    let refuse = |code, message: &str, advice: &str| {
        problems.hide(&place);
        problems.add(Problem::error(code, place.clone(), key, message, advice));
        None
    };
    let how = "write { credential = \"NAME\" }, { file = \"/path\" } or { env = \"NAME\" }";
    let table = match &node.value {
        Value::Table(table) => table,
        Value::String(text) => {
            problems.hide(&place);
            if clear == Clear::Refused {
                return refuse(Code::SecretInClear, "a secret must not be written here in clear", how);
            }
            if text.is_empty() {
                return refuse(Code::OutOfRange, "this secret is empty", how);
            }
            problems.add(Problem::warning(
                Code::SecretInClear,
                place.clone(),
                key,
                "a secret is written here in clear",
                format!("{how} unless this is a practice server's"),
            ));
            return at(SecretWay::Clear(Secret::new(text.as_str())));
        }
        _ => return refuse(Code::WrongType, "must be a reference to a secret", how),
    };
    let mut entries = table.iter();
    let (Some(entry), None) = (entries.next(), entries.next()) else {
        return refuse(Code::Exclusive, "a secret is in exactly one place", how);
    };
    if !REFERENCES.contains(&entry.name.as_str()) {
        problems.hide(&entry.key_place);
        problems.hide(&entry.node.place);
        let meant = nearest(&entry.name, REFERENCES)
            .map_or_else(String::new, |way| format!(" (did you mean `{way}`?)"));
        return refuse(Code::UnknownKey, &format!("this is no way to refer to a secret{meant}"), how);
    }
    let Value::String(target) = &entry.node.value else {
        problems.hide(&entry.node.place);
        return refuse(Code::WrongType, "the name in a reference must be text", how);
    };
    if entry.name == "file" {
        if target.trim().is_empty() || target.contains('\0') {
            return refuse(
                Code::BadName,
                "this is no path",
                "write the path of the file: { file = \"/path\" }",
            );
        }
        return at(SecretWay::File(PathBuf::from(target)));
    }
    if !is_reference_name(target) {
        problems.hide(&entry.node.place);
        return refuse(
            Code::BadName,
            "this cannot be the name of a credential or a variable",
            "write its name alone (letters, digits, `.`, `_` and `-`), not the secret and not a path",
        );
    }
    at(if entry.name == "env" {
        SecretWay::Env(target.clone())
    } else {
        SecretWay::Credential(target.clone())
    })
}

/// The machine's secrets. The program fills it in; a test may too.
#[derive(Clone, Default)]
pub struct MachineSecrets {
    /// Where systemd put the credentials (`$CREDENTIALS_DIRECTORY`), if it did.
    pub credentials: Option<PathBuf>,
    /// The folder that relative paths count from.
    pub base: PathBuf,
    /// The environment.
    pub variables: BTreeMap<String, String>,
}

/// Shows nothing of the environment's values.
impl std::fmt::Debug for MachineSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MachineSecrets({} variables)", self.variables.len())
    }
}

impl SecretStore for MachineSecrets {
    fn read(&self, way: &SecretWay) -> Result<FoundSecret, SecretFault> {
        match way {
            SecretWay::Credential(name) => {
                let folder = self.credentials.as_ref().ok_or(SecretFault::NoCredentials)?;
                // Checked when it was read, and once more where it would matter.
                if !is_reference_name(name) {
                    return Err(SecretFault::Missing);
                }
                // systemd keeps them in memory, for the service's user alone.
                read_file(folder.join(name)).map(|found| FoundSecret { others_can_read: false, ..found })
            }
            SecretWay::File(path) => read_file(self.base.join(path)),
            SecretWay::Env(name) => {
                let value = self.variables.get(name).ok_or(SecretFault::Missing)?;
                Ok(FoundSecret { bytes: Zeroizing::new(value.clone().into_bytes()), others_can_read: false })
            }
            SecretWay::Clear(secret) => {
                let bytes = Zeroizing::new(secret.reveal().as_bytes().to_vec());
                Ok(FoundSecret { bytes, others_can_read: false })
            }
        }
    }
}

fn read_file(path: PathBuf) -> Result<FoundSecret, SecretFault> {
    let fault = |error: &std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => SecretFault::Missing,
        _ => SecretFault::Unreadable,
    };
    // A device or a pipe could make the start wait for ever: only a plain file is opened.
    let kind = std::fs::metadata(&path).map_err(|error| fault(&error))?;
    if !kind.is_file() {
        return Err(SecretFault::Unreadable);
    }
    let file = File::open(path).map_err(|error| fault(&error))?;
    let others_can_read = file.metadata().is_ok_and(|metadata| readable_by_others(&metadata));
    // Full size at once, so that growing leaves no copy of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(|error| fault(&error))?;
    if bytes.len() > LARGEST {
        return Err(SecretFault::TooLarge);
    }
    Ok(FoundSecret { bytes, others_can_read })
}

#[cfg(unix)]
fn readable_by_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o007 != 0
}

#[cfg(not(unix))]
fn readable_by_others(_: &std::fs::Metadata) -> bool {
    false
}
