//! Bytes that a test names, and bodies with the pieces in which they come.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::Error;

use super::text_or_map::{TextOrMap, decode, text_or_map};

text_or_map!(Content);
text_or_map!(Body);

/// Bytes, or a file with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These.
    Bytes(Bytes),
    /// A file, relative to the file of tests.
    File(String),
}

/// The mapping form of [`Content`]: exactly one of these.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContentMap {
    text: Option<String>,
    base64: Option<String>,
    json: Option<serde_json::Value>,
    file: Option<String>,
}

impl TextOrMap for Content {
    type Map = ContentMap;
    const EXPECTING: &'static str =
        "a text, or a mapping with one of `text`, `base64`, `json`, `file`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self::Bytes(text.into()))
    }

    fn from_map<E: Error>(map: ContentMap) -> Result<Self, E> {
        let ContentMap { text, base64, json, file } = map;
        content(text, base64, json, file)?
            .ok_or_else(|| E::custom("one of `text`, `base64`, `json`, `file` must be given here"))
    }
}

fn content<E: Error>(
    text: Option<String>,
    base64: Option<String>,
    json: Option<serde_json::Value>,
    file: Option<String>,
) -> Result<Option<Content>, E> {
    let base64 = base64.map(|text| decode(&text)).transpose()?;
    let mut given = [
        text.map(|text| Content::Bytes(text.into())),
        base64.map(Content::Bytes),
        json.map(|json| Content::Bytes(json.to_string().into())),
        file.map(Content::File),
    ]
    .into_iter()
    .flatten();
    match (given.next(), given.next()) {
        (_, Some(_)) => {
            Err(E::custom("only one of `text`, `base64`, `json`, `file` may be given here"))
        }
        (content, None) => Ok(content),
    }
}

/// A body: what is in it and how it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// In one piece, or cut into pieces of a size.
    Whole(Content, Option<usize>),
    /// In these pieces.
    Chunks(Vec<Content>),
}

/// The mapping form of a [`Body`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BodyMap {
    text: Option<String>,
    base64: Option<String>,
    json: Option<serde_json::Value>,
    file: Option<String>,
    chunk_size: Option<usize>,
    chunks: Option<Vec<Content>>,
}

impl TextOrMap for Body {
    type Map = BodyMap;
    const EXPECTING: &'static str =
        "a text, or a mapping with one of `text`, `base64`, `json`, `file`, `chunks`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self::Whole(Content::Bytes(text.into()), None))
    }

    fn from_map<E: Error>(map: BodyMap) -> Result<Self, E> {
        let BodyMap { text, base64, json, file, chunk_size, chunks } = map;
        if chunk_size == Some(0) {
            return Err(E::custom("`chunkSize` must be at least 1"));
        }
        match (content(text, base64, json, file)?, chunks, chunk_size) {
            (Some(content), None, size) => Ok(Self::Whole(content, size)),
            (None, Some(chunks), None) => Ok(Self::Chunks(chunks)),
            _ => Err(E::custom(
                "one of `text`, `base64`, `json`, `file` with or without `chunkSize`, or `chunks` \
                 must be given here",
            )),
        }
    }
}
