//! Bytes that a test names: those that stand in the file itself, and those in files beside it.

use std::path::PathBuf;

use bytes::Bytes;
use gatepost_diagnostics::read_file_below;

use super::read::Suite;
use super::values::{Body, Content};
use crate::MAX_DATA_FILE;

/// A file that a test names and that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {error}", path.display())]
pub(super) struct Missing {
    pub(super) path: PathBuf,
    pub(super) error: std::io::Error,
}

/// A file below the folder of the file of tests.
pub(super) fn file(suite: &Suite, name: &str) -> Result<Bytes, Missing> {
    let (folder, path) = (suite.beside(""), suite.beside(name));
    let read = read_file_below(&[&folder], &path, MAX_DATA_FILE);
    read.map(Bytes::from).map_err(|error| Missing { path, error })
}

/// A body in its pieces.
pub(super) fn pieces(suite: &Suite, body: &Body) -> Result<Vec<Bytes>, Missing> {
    Ok(match body {
        Body::Whole(content, None) => vec![bytes(suite, content)?],
        Body::Whole(content, Some(size)) => {
            let whole = bytes(suite, content)?;
            let starts = (0..whole.len()).step_by((*size).max(1));
            starts
                .map(|start| whole.slice(start..whole.len().min(start.saturating_add(*size))))
                .collect()
        }
        Body::Chunks(chunks) => {
            chunks.iter().map(|content| bytes(suite, content)).collect::<Result<_, _>>()?
        }
    })
}

/// A body in one piece.
pub(super) fn whole(suite: &Suite, body: &Body) -> Result<Bytes, Missing> {
    Ok(match &pieces(suite, body)?[..] {
        [one] => one.clone(),
        pieces => pieces.concat().into(),
    })
}

fn bytes(suite: &Suite, content: &Content) -> Result<Bytes, Missing> {
    match content {
        Content::Bytes(bytes) => Ok(bytes.clone()),
        Content::File(name) => file(suite, name),
    }
}
