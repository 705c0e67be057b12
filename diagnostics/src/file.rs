//! Reading a file as text, and why a file gave nothing to work with.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::report::Report;
use crate::source::{Source, Span};

/// Why a file gave nothing to work with.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system would not give it, or it is [no file to read](NotRead).
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        error: std::io::Error,
    },
    /// It was read, and something in it is an error.
    #[error("{0}")]
    Invalid(Report),
}

/// Why a file is not even read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// It is nothing that can be read as a whole: a folder, a pipe, a device.
    #[error("it is {0}, and not a regular file")]
    NoFile(&'static str),
    /// It is not below any of the folders that it may be in.
    #[error("it is outside of the folder of the file that names it")]
    Outside,
    /// It is larger than any file of its kind.
    #[error("it is {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Its size in bytes; while it grows, as much as was read.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// What comes, as on standard input, has not ended at the limit.
    #[error("it has more bytes than the limit of {limit}")]
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
}

impl From<Report> for FileError {
    fn from(report: Report) -> Self {
        Self::Invalid(report)
    }
}

/// The largest file of text that is read, in bytes: twice the largest plugin configuration, for
/// comments and indentation.
pub const MAX_TEXT_FILE: u64 = 16 << 20;

/// The largest wasm module that is read, in bytes. V8 takes no module beyond 1 GiB, and the largest
/// that toolchains make for filters have some 10 MiB.
pub const MAX_MODULE_FILE: u64 = 256 << 20;

/// Reads a file of at most `limit` bytes. Its kind and its size are judged before anything is read:
/// a pipe without a writer would never end, and a sparse file of gigabytes would fill the memory.
///
/// # Errors
/// When it cannot be read; the cause is a [`NotRead`] if it is no regular file, or too large.
pub fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Asked for before it is opened: to open a device may do something.
    judge(&std::fs::metadata(path)?, limit)?;
    let file = open(path)?;
    // Another file may have taken its place, and may grow while it is read.
    judge(&file.metadata()?, limit)?;
    let mut bytes = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    check_size(u64::try_from(read).unwrap_or(u64::MAX), limit)?;
    Ok(bytes)
}

/// Reads a file of at most `limit` bytes, as [`read_file`] does, that another file names: a file of
/// tests from elsewhere must not read and show what its reader would not. It must be below one of
/// these folders, links followed.
///
/// # Errors
/// As [`read_file`]; also when it is outside of the folders.
pub fn read_file_below(folders: &[&Path], path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let real = path.canonicalize()?;
    let is_below = |folder: &&Path| {
        // The folder of a name without one is the current folder.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        folder.canonicalize().is_ok_and(|folder| real.starts_with(folder))
    };
    if !folders.iter().any(is_below) {
        return Err(io::Error::other(NotRead::Outside));
    }
    read_file(&real, limit)
}

fn judge(metadata: &Metadata, limit: u64) -> io::Result<()> {
    match no_file(metadata) {
        Some(kind) => Err(io::Error::other(NotRead::NoFile(kind))),
        None => check_size(metadata.len(), limit),
    }
}

fn check_size(size: u64, limit: u64) -> io::Result<()> {
    if size > limit {
        return Err(io::Error::other(NotRead::TooLarge { size, limit }));
    }
    Ok(())
}

/// Opens a file without waiting for the writer of a pipe, which may have taken the file's place.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    options.open(path)
}

/// What something is that is no regular file.
fn no_file(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("a pipe");
        }
        if kind.is_socket() {
            return Some("a socket");
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Some("a device");
        }
    }
    Some(if kind.is_dir() { "a folder" } else { "something else" })
}

impl Source {
    /// The text of the file at `path`, called by that path.
    ///
    /// # Errors
    /// When the file cannot be read, or has more than [`MAX_TEXT_FILE`] bytes. When it is not
    /// UTF-8, a report that has the place of the first byte that is not.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let bytes = read_file(path, MAX_TEXT_FILE)
            .map_err(|error| FileError::Unreadable { path: path.to_owned(), error })?;
        Ok(Self::from_bytes(&path.display().to_string(), bytes)?)
    }

    /// The text that a reader gives, such as standard input, called by that name.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn read_from(name: &str, reader: impl Read) -> Result<Self, FileError> {
        let unreadable = |error| FileError::Unreadable { path: PathBuf::from(name), error };
        let mut bytes = Vec::new();
        let read = reader.take(MAX_TEXT_FILE.saturating_add(1)).read_to_end(&mut bytes);
        let size = u64::try_from(read.map_err(unreadable)?).unwrap_or(u64::MAX);
        if size > MAX_TEXT_FILE {
            let too_long = NotRead::TooLong { limit: MAX_TEXT_FILE };
            return Err(unreadable(io::Error::other(too_long)));
        }
        Ok(Self::from_bytes(name, bytes)?)
    }

    fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Report> {
        String::from_utf8(bytes).map(|text| Self::new(name, text)).map_err(|error| {
            let source = Self::new(name, String::from_utf8_lossy(error.as_bytes()));
            // The text of a source begins behind a byte order mark.
            let mark = "\u{feff}".as_bytes();
            let skipped = if error.as_bytes().starts_with(mark) { mark.len() } else { 0 };
            let start = error.utf8_error().valid_up_to() - skipped;
            let span = Span::new(start, start + char::REPLACEMENT_CHARACTER.len_utf8());
            let not_text = Diagnostic::error("not-utf8", "this byte is not UTF-8 text")
                .at(&source, span)
                .with_help(Some("save the file as UTF-8".to_owned()));
            Report::new(Arc::new(source), vec![not_text])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Position;

    #[test]
    fn a_byte_that_is_no_text_is_found_at_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("policy.yaml");
        std::fs::write(&path, b"\xef\xbb\xbfapiVersion: gatepost/v1\n# caf\xe9\n").expect("a file");
        let Err(FileError::Invalid(report)) = Source::read(&path) else {
            panic!("the file is no UTF-8")
        };
        let start = report.diagnostics[0].location.as_ref().map(|location| location.start);
        assert_eq!(start, Some(Position { line: 2, column: 6 }));
    }

    #[test]
    fn a_file_that_is_not_there_is_told_from_a_bad_one() {
        let error = Source::read(Path::new("/no/such/policy.yaml")).expect_err("no such file");
        assert!(matches!(&error, FileError::Unreadable { .. }));
        assert!(error.to_string().starts_with("cannot read /no/such/policy.yaml: "), "{error}");
    }

    #[test]
    fn a_file_is_refused_by_its_size_before_it_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sparse.yaml");
        let file = File::create(&path).expect("a file");
        file.set_len(3 << 30).expect("a sparse file");
        let error = Source::read(&path).expect_err("too large").to_string();
        let expected = "it is 3221225472 bytes, more than the limit of 16777216";
        assert!(error.ends_with(expected), "{error}");
        file.set_len(8).expect("a file");
        assert_eq!(read_file(&path, 8).expect("at the limit").len(), 8);
        let error = read_file(&path, 7).expect_err("too large").to_string();
        assert_eq!(error, "it is 8 bytes, more than the limit of 7");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).expect("a link");
        for (path, kind) in [
            (pipe.as_path(), "a pipe"),
            (&link, "a pipe"),
            (&socket, "a socket"),
            (folder.path(), "a folder"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let error = Source::read(path).expect_err(kind).to_string();
            assert!(error.ends_with(&format!("it is {kind}, and not a regular file")), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_file_is_that_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "a: 1\n").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        assert_eq!(Source::read(&link).expect("a file").text(), "a: 1\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_another_file_names_must_be_below_its_folder() {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = outer.path().join("tests");
        std::fs::create_dir_all(folder.join("data")).expect("folders");
        std::fs::write(outer.path().join("secret"), "secret").expect("a file");
        std::fs::write(folder.join("data/body"), "body").expect("a file");
        std::os::unix::fs::symlink(outer.path().join("secret"), folder.join("link"))
            .expect("a link");
        let read = |name: &str| read_file_below(&[&folder], &folder.join(name), 100);
        assert_eq!(read("data/body").expect("below"), b"body");
        assert_eq!(read("data/../data/body").expect("below"), b"body");
        for outside in ["../secret", "link", "/etc/hostname", "data/../../secret"] {
            let error = read(outside).expect_err(outside).to_string();
            assert_eq!(error, "it is outside of the folder of the file that names it");
        }
    }
}
