//! From text to tree: JSON, or YAML 1.2 as far as YAML 1.1 reads it in the same way, by the events
//! of `granit-parser`, the parser below `serde-saphyr`. Serde would not do: a diagnostic needs the
//! place of keys as well as of values, and an author wants all errors of a file at once. So after
//! an error that is not one of syntax, reading goes on.

use crate::builder::{Builder, Dialect, Flow, MAX_DEPTH};
use crate::tree::{Node, Value};
use crate::yaml_error::YamlError;
use gatepost_diagnostics::{Diagnostic, Position, Source, Span};
use granit_parser::Parser;
use std::path::Path;

/// After this many errors reading stops.
const MAX_ERRORS: usize = 100;

/// The longest key before its `:`, in characters. YAML allows 1024; JSON, which is read here too,
/// has no limit.
const MAX_KEY: usize = 1 << 16;

/// What reading a file gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The document, [`Value::Null`] for an empty one; `None` when reading had to stop. When there
    /// are errors, it is the part that could be read: good for finding more errors, not for use.
    pub root: Option<Node>,
    /// Everything that is wrong with the text, in its order.
    pub errors: Vec<Diagnostic>,
    /// Where each mapping begins of which a key was refused.
    incomplete: Vec<usize>,
}

impl Reading {
    /// Whether an error of the text is already reported at that place, so that an error of the
    /// meaning there would only repeat it.
    #[must_use]
    pub fn explains(&self, span: Span) -> bool {
        let places = self.errors.iter().filter_map(|error| error.location.as_ref());
        !span.is_empty() && places.into_iter().any(|place| place.span.contains(span))
    }

    /// Whether a key of this mapping was refused: then it is not known which fields it lacks.
    #[must_use]
    pub fn is_incomplete(&self, mapping: &Node) -> bool {
        self.incomplete.contains(&mapping.span.start)
    }
}

/// Reads the one document of a text: JSON if the source's name ends in `.json`, and YAML otherwise.
#[must_use]
pub fn read(source: &Source) -> Reading {
    if is_json(source)
        && let Some(error) = json_error(source)
    {
        return Reading { root: None, errors: vec![error], incomplete: Vec::new() };
    }
    let (Builder { documents, errors, incomplete, .. }, end) = build(source, Dialect::Policy);
    let empty = || Node { span: Span::default(), value: Value::Null };
    let root = match end {
        End::Complete => Some(documents.into_iter().next().unwrap_or_else(empty)),
        End::Stopped => None,
    };
    Reading { root, errors, incomplete }
}

/// The documents of a text that kubectl is to read, JSON or YAML, and everything that is wrong with
/// it. What stands before an error of syntax is there; an empty document is none.
#[must_use]
pub fn read_documents(source: &Source) -> (Vec<Node>, Vec<Diagnostic>) {
    let (Builder { mut documents, errors, .. }, _) = build(source, Dialect::Kubectl);
    documents.retain(|document| document.value != Value::Null);
    (documents, errors)
}

fn is_json(source: &Source) -> bool {
    Path::new(source.name()).extension().is_some_and(|extension| extension == "json")
}

/// What is wrong with a text as JSON (RFC 8259). What YAML allows beyond that, such as a comma at
/// the end of a list, the filter refuses.
fn json_error(source: &Source) -> Option<Diagnostic> {
    if source.text().trim().is_empty() {
        return None;
    }
    let error = serde_json::from_str::<serde::de::IgnoredAny>(source.text()).err()?;
    let line = source.byte(Position { line: error.line(), column: 1 });
    let at = source.text().floor_char_boundary(line + error.column().saturating_sub(1));
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or(&words).to_owned();
    Some(YamlError::Json(words).diagnostic(source, source.character_at(at), None))
}

/// How the reading of a text ended.
enum End {
    /// At its end, or where a policy has one.
    Complete,
    /// At an error that nothing behind it can be read after.
    Stopped,
}

/// Reads YAML, of which JSON is a part.
fn build(source: &Source, dialect: Dialect) -> (Builder<'_>, End) {
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        simple_key_max_lookahead: MAX_KEY,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::new(source, dialect);
    let breaks = source.text().match_indices(['\u{85}', '\u{2028}', '\u{2029}']);
    let reports_breaks = dialect == Dialect::Policy && !is_json(source);
    for (at, character) in breaks.take(if reports_breaks { MAX_ERRORS } else { 0 }) {
        let character = character.chars().next().map_or(0, u32::from);
        builder.error(source.character_at(at), &YamlError::LineBreak(character));
    }
    for item in Parser::new_from_str_with_options(source.text(), options) {
        let flow = match item {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(source.text().len());
                let error = YamlError::from_scan(&error, MAX_DEPTH);
                let at = if error == YamlError::Tab { tab_near(source, at) } else { at };
                match (&error, placeholder_near(source, at)) {
                    (YamlError::Syntax(_), Some(span)) => {
                        let text = source.slice(span).to_owned();
                        builder.error(span, &YamlError::Placeholder(text));
                    }
                    _ => builder.error(source.character_at(at), &error),
                }
                Flow::Stop
            }
        };
        match flow {
            Flow::Continue if builder.errors.len() < MAX_ERRORS => {}
            Flow::Continue | Flow::Stop => return (builder, End::Stopped),
            Flow::Done => break,
        }
    }
    (builder, End::Complete)
}

/// Text without quotes that begins with a placeholder, such as `{service}.svc`, on the line where
/// the parser stopped: it read the placeholder as a mapping.
fn placeholder_near(source: &Source, at: usize) -> Option<Span> {
    let text = source.text();
    let end = text.get(at..)?.find('\n').map_or(text.len(), |length| at + length);
    let start = text.get(..at)?.trim_end().rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(start..end)?;
    let mut placeholders = line.match_indices('{').filter_map(|(open, _)| {
        let rest = line.get(open..)?;
        let length = rest.find([' ', ',', '\t', '\r', '\n', ']']).unwrap_or(rest.len());
        let word = rest.get(..length)?;
        // The bracket of a mapping around it.
        let extra = word.matches('}').count().saturating_sub(word.matches('{').count());
        let word = word.get(..word.len() - extra)?;
        let begins_value = line.get(..open)?.trim_end().ends_with([':', '-', '[', ',', '{']);
        let named = word.get(1..)?.split('}').next()?;
        let is_name = |name: &str| {
            let of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            !name.is_empty() && name.bytes().all(of_name)
        };
        let is_text = word.len() > named.len() + 2;
        (begins_value && is_text && is_name(named))
            .then(|| Span::new(start + open, start + open + word.len()))
    });
    placeholders.next()
}

/// The tab that the parser refused: it stops right behind the tab, or at the text before it.
fn tab_near(source: &Source, at: usize) -> usize {
    let text = source.text();
    let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at..).unwrap_or_default());
    if before.ends_with('\t') { at - 1 } else { at + after.find('\t').unwrap_or_default() }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
