//! What can be wrong with a file of tests, with its place in the file. Tests that run and fail are
//! no faults; they are in [`crate::report`].

use std::path::{Path, PathBuf};

use serde::Serialize;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it, when there is a good guess.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A file that gave nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file has faults.
    #[error("{}", list(path, faults))]
    Faulty {
        /// The file.
        path: PathBuf,
        /// What is wrong, in the order of the file.
        faults: Vec<Fault>,
    },
}

impl FileError {
    pub(crate) fn faulty(path: &Path, fault: Fault) -> Self {
        Self::Faulty { path: path.to_owned(), faults: vec![fault] }
    }
}

fn list(path: &Path, faults: &[Fault]) -> String {
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| {
            let help = fault.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            format!("{}:{}:{}: {}{help}", path.display(), fault.line, fault.column, fault.message)
        })
        .collect();
    lines.join("\n")
}

/// The line and column of a byte in a text, both from 1.
pub(crate) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

/// The one of the known names that was probably meant.
pub(crate) fn did_you_mean<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    // Case and underscores are what people mix up first; otherwise a third of the letters may
    // differ.
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    let allowed = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| {
            (
                if plain(name) == plain(written) {
                    0
                } else {
                    strsim::damerau_levenshtein(written, name)
                },
                name,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        assert_eq!(place("ab\ncöd", 0), (1, 1));
        assert_eq!(place("ab\ncöd", 6), (2, 3));
        assert_eq!(place("ab\n", 99), (2, 1));
    }

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        assert_eq!(
            did_you_mean("upstraem", ["request", "upstream"]).as_deref(),
            Some("did you mean `upstream`?")
        );
        assert_eq!(
            did_you_mean("has_headers", ["no_header", "has_header"]).as_deref(),
            Some("did you mean `has_header`?")
        );
        assert_eq!(
            did_you_mean("rootID", ["root", "rootId"]).as_deref(),
            Some("did you mean `rootId`?")
        );
        assert_eq!(did_you_mean("zebra", ["request", "upstream"]), None);
    }
}
