//! Reading a file as text, and why a file gave nothing to work with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::report::Report;
use crate::source::{Source, Span};

/// Why a file gave nothing to work with.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system would not give it.
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

impl From<Report> for FileError {
    fn from(report: Report) -> Self {
        Self::Invalid(report)
    }
}

impl Source {
    /// The text of the file at `path`, called by that path.
    ///
    /// # Errors
    /// When the file cannot be read. When it is not UTF-8, a report that has the place of the first
    /// byte that is not.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| FileError::Unreadable { path: path.to_owned(), error })?;
        String::from_utf8(bytes).map(|text| Self::new(name.as_str(), text)).map_err(|error| {
            let source = Self::new(name, String::from_utf8_lossy(error.as_bytes()));
            // The text of a source begins behind a byte order mark.
            let mark = "\u{feff}".as_bytes();
            let skipped = if error.as_bytes().starts_with(mark) { mark.len() } else { 0 };
            let start = error.utf8_error().valid_up_to() - skipped;
            let span = Span::new(start, start + char::REPLACEMENT_CHARACTER.len_utf8());
            let not_text = Diagnostic::error("not-utf8", "this byte is not UTF-8 text")
                .at(&source, span)
                .with_help(Some("save the file as UTF-8".to_owned()));
            Report::new(Arc::new(source), vec![not_text]).into()
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
}
