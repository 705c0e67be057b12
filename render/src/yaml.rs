//! Objects as YAML for people: with comments, and so that every reader takes each text for the
//! text that it is. `kubectl` reads YAML 1.1, where `no`, `0310` and `1:30` are no texts, so all
//! such texts are in quotes.

use serde::{Serialize, Serializer};
use serde_saphyr::{Commented, LitStr, ser_options, to_string_with_options};

use crate::RenderError;

/// A value with a comment behind it.
pub(crate) type Noted<T> = Commented<T>;

/// A value with a comment behind it.
pub(crate) fn noted<T>(value: T, comment: &str) -> Noted<T> {
    Commented(value, comment.to_owned())
}

/// How long a line of a comment may be.
const COLUMNS: usize = 98;

/// An object as a YAML document. `about` stands above it as a comment.
pub(crate) fn document(about: &str, object: &impl Serialize) -> Result<String, RenderError> {
    let options = ser_options! { prefer_block_scalars: false };
    let body = to_string_with_options(object, options)
        .map_err(|error| RenderError::Write { message: error.to_string() })?;
    let lines = textwrap::wrap(about, COLUMNS);
    let mut text: String = lines.iter().map(|line| format!("# {line}\n")).collect();
    text.push_str(&body);
    Ok(text)
}

/// Documents as one file.
#[must_use]
pub fn join(documents: &[String]) -> String {
    documents.join("---\n")
}

/// A policy in JSON, written as a value of the document around it. Fields stay in their order.
pub(crate) struct PolicyJson<'a>(pub &'a str);

impl Serialize for PolicyJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_transcode::transcode(&mut serde_json::Deserializer::from_str(self.0), serializer)
    }
}

/// A policy in JSON, written as a text of several lines.
pub(crate) struct PolicyText(String);

impl PolicyText {
    pub fn new(policy: &str) -> Result<Self, RenderError> {
        let mut text = Vec::new();
        let mut writer = serde_json::Serializer::pretty(&mut text);
        serde_transcode::transcode(&mut serde_json::Deserializer::from_str(policy), &mut writer)
            .map_err(|error| RenderError::Write { message: error.to_string() })?;
        let text = String::from_utf8(text);
        text.map(Self).map_err(|error| RenderError::Write { message: error.to_string() })
    }
}

impl Serialize for PolicyText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // In a block, some characters beyond ASCII end a line to one reader and not to the next.
        if self.0.is_ascii() {
            LitStr(&self.0).serialize(serializer)
        } else {
            self.0.serialize(serializer)
        }
    }
}
