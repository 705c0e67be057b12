//! The input of a callback: headers from a list, a text or a file, and a body whole or in chunks.

use std::path::PathBuf;

use bytes::Bytes;

use super::http1::{self, Http1Error};
use super::map::HeaderMap;
use super::read::Suite;
use super::schema;
use super::schema::{BodyChunkingPlan, Input};

/// Why a test's input cannot be made. The test ends there.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("cannot read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Http1(#[from] Http1Error),
    #[error("a body of {length} bytes cannot be cut into {chunks} chunks")]
    Chunks { length: usize, chunks: i64 },
    #[error("a chunk cannot have {0} bytes")]
    ChunkSize(i64),
    #[error("a chunking plan takes one body, and here are {0}")]
    SeveralBodies(usize),
}

impl Suite {
    pub(super) fn read(&self, path: &str) -> Result<Bytes, InputError> {
        let path = self.beside(path);
        self.read_data(&path)
            .map(Bytes::from)
            .map_err(|error| InputError::Unreadable { path, error })
    }

    pub(super) fn headers(
        &self,
        input: Option<&Input>,
        is_request: bool,
    ) -> Result<HeaderMap, InputError> {
        let Some(input) = input else { return Ok(HeaderMap::default()) };
        let parse = if is_request { http1::request } else { http1::response };
        if !input.file.is_empty() {
            return Ok(parse(&self.read(&input.file)?)?);
        }
        if !input.content.is_empty() {
            return Ok(parse(&input.content)?);
        }
        let mut map = HeaderMap::default();
        for header in &input.header {
            map.append(header.key.as_bytes(), &header.value);
        }
        Ok(map)
    }

    /// Each body's chunks; a body without a plan is one.
    pub(super) fn bodies(
        &self,
        test: &schema::Test,
        bodies: &[schema::Invocation],
    ) -> Result<Vec<Vec<Bytes>>, InputError> {
        if bodies.len() > 1 && test.body_chunking_plan.is_some() {
            return Err(InputError::SeveralBodies(bodies.len()));
        }
        let chunks = |invocation: &schema::Invocation| {
            let body = match &invocation.input {
                Some(input) if !input.file.is_empty() => self.read(&input.file)?,
                Some(input) => Bytes::copy_from_slice(&input.content),
                None => Bytes::new(),
            };
            cut(&body, test.body_chunking_plan)
        };
        bodies.iter().map(chunks).collect()
    }
}

fn cut(body: &Bytes, plan: Option<BodyChunkingPlan>) -> Result<Vec<Bytes>, InputError> {
    let (size, most) = match plan {
        None => return Ok(vec![body.clone()]),
        Some(BodyChunkingPlan::NumChunks(chunks)) => {
            let most = usize::try_from(chunks).unwrap_or(0);
            let size = body.len().checked_div(most).filter(|size| *size > 0);
            (size.ok_or(InputError::Chunks { length: body.len(), chunks: chunks.into() })?, most)
        }
        Some(BodyChunkingPlan::ChunkSize(size)) => {
            let bytes = usize::try_from(size).ok().filter(|size| *size > 0);
            (bytes.ok_or(InputError::ChunkSize(size))?, usize::MAX)
        }
    };
    let (mut rest, mut chunks) = (body.clone(), Vec::new());
    // The last takes what is left.
    while rest.len() > size && chunks.len() + 1 < most {
        chunks.push(rest.split_to(size));
    }
    chunks.push(rest);
    Ok(chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(body: &'static str, plan: BodyChunkingPlan) -> Result<Vec<Bytes>, String> {
        super::cut(&Bytes::from_static(body.as_bytes()), Some(plan))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_of_chunks_leaves_the_rest_to_the_last() {
        assert_eq!(
            cut("1234567890", BodyChunkingPlan::NumChunks(5)).unwrap(),
            ["12", "34", "56", "78", "90"]
        );
        assert_eq!(
            cut("12345678901", BodyChunkingPlan::NumChunks(5)).unwrap(),
            ["12", "34", "56", "78", "901"]
        );
        assert_eq!(cut("123", BodyChunkingPlan::NumChunks(1)).unwrap(), ["123"]);
    }

    #[test]
    fn a_size_of_chunks_leaves_a_shorter_last() {
        assert_eq!(cut("12345", BodyChunkingPlan::ChunkSize(2)).unwrap(), ["12", "34", "5"]);
        assert_eq!(cut("1234", BodyChunkingPlan::ChunkSize(2)).unwrap(), ["12", "34"]);
        assert_eq!(cut("", BodyChunkingPlan::ChunkSize(2)).unwrap(), [""]);
    }

    #[test]
    fn impossible_plans_are_named() {
        assert_eq!(
            cut("ab", BodyChunkingPlan::NumChunks(3)).unwrap_err(),
            "a body of 2 bytes cannot be cut into 3 chunks"
        );
        assert_eq!(
            cut("ab", BodyChunkingPlan::NumChunks(0)).unwrap_err(),
            "a body of 2 bytes cannot be cut into 0 chunks"
        );
        assert_eq!(
            cut("ab", BodyChunkingPlan::ChunkSize(-1)).unwrap_err(),
            "a chunk cannot have -1 bytes"
        );
    }
}
