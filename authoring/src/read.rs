//! From text to tree: YAML 1.2, of which JSON is a part, by the events of `granit-parser`, the
//! parser below `serde-saphyr`. Serde would not do: a diagnostic needs the place of keys as well as
//! of values, and an author wants all errors of a file at once. So after an error that is not one
//! of syntax, reading goes on.

use crate::builder::{Builder, Flow, MAX_DEPTH};
use crate::tree::{Node, Value};
use crate::yaml_error::YamlError;
use gatepost_diagnostics::{Diagnostic, Source, Span};
use granit_parser::Parser;

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
}

impl Reading {
    /// Whether an error of the text is already reported at that place, so that an error of the
    /// meaning there would only repeat it.
    #[must_use]
    pub fn explains(&self, span: Span) -> bool {
        let places = self.errors.iter().filter_map(|error| error.location.as_ref());
        !span.is_empty() && places.into_iter().any(|place| place.span.contains(span))
    }
}

/// Reads the one document of a YAML or JSON text.
#[must_use]
pub fn read(source: &Source) -> Reading {
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        simple_key_max_lookahead: MAX_KEY,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::new(source);
    for item in Parser::new_from_str_with_options(source.text(), options) {
        let flow = match item {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(source.text().len());
                let error = YamlError::from_scan(&error, MAX_DEPTH);
                let at = if error == YamlError::Tab { tab_near(source, at) } else { at };
                builder.error(source.character_at(at), &error);
                Flow::Stop
            }
        };
        match flow {
            Flow::Continue if builder.errors.len() < MAX_ERRORS => {}
            Flow::Continue | Flow::Stop => return Reading { root: None, errors: builder.errors },
            Flow::Done => break,
        }
    }
    let root = builder.root.unwrap_or(Node { span: Span::default(), value: Value::Null });
    Reading { root: Some(root), errors: builder.errors }
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
