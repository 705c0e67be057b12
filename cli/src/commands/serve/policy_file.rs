//! Reads the policy's file. Its kind and size are judged before its content is read, so that a
//! wrong path neither blocks nor fills the memory of a gateway that runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use gatepost_authoring::{FileError, PolicyFile};

use crate::commands::output::for_people;

/// The largest configuration that the filter takes, in bytes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Why there is no policy. Its text may have several lines.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    #[error("cannot read {name}: {error}")]
    Unreadable { name: String, error: io::Error },
    #[error("cannot read {name}: it is {kind}; give a file")]
    Kind { name: String, kind: &'static str },
    #[error("cannot read {name}: it has {size} bytes, and a policy has at most {MAX_BYTES}")]
    TooLarge { name: String, size: u64 },
    /// The findings, as text for people.
    #[error("{}", .0.trim_end())]
    Invalid(String),
}

/// Reads and compiles a policy.
///
/// # Errors
/// When the path leads to no readable file of the right size, or the file has errors.
pub fn read(path: &Path) -> Result<PolicyFile, PolicyFileError> {
    let name = path.display().to_string();
    let bytes = bytes(path, &name)?;
    let findings = |report| PolicyFileError::Invalid(for_people().render(&[report]));
    match std::str::from_utf8(&bytes) {
        Ok(text) => PolicyFile::parse(&name, text).map_err(findings),
        // Only reading it as a file reports where the bytes are that are not UTF-8.
        Err(_) => PolicyFile::read(path).map_err(|error| match error {
            FileError::Invalid(report) => findings(report),
            FileError::Unreadable { error, .. } => PolicyFileError::Unreadable { name, error },
        }),
    }
}

fn bytes(path: &Path, name: &str) -> Result<Vec<u8>, PolicyFileError> {
    let unreadable = |error| PolicyFileError::Unreadable { name: name.to_owned(), error };
    let file = open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
        return Err(PolicyFileError::Kind { name: name.to_owned(), kind });
    }
    let fits = |size| {
        if size <= MAX_BYTES {
            return Ok(());
        }
        Err(PolicyFileError::TooLarge { name: name.to_owned(), size })
    };
    fits(metadata.len())?;
    let mut bytes = Vec::new();
    // The file may grow while it is read.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    fits(bytes.len() as u64)?;
    Ok(bytes)
}

/// Opens a file without waiting for the writer of a pipe.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    options.open(path)
}
